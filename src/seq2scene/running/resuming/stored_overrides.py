"""The overrides stored in a checkpoint: which of them a resumed run takes.

They recompose its config, but the checkpoint may be untrusted. Only options of the model and of training are
taken from them, never output paths or anything run besides training.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig

from seq2scene.errors import UserError
from seq2scene.running.resuming.changes import ABSENT, value_at, words
from seq2scene.running.resuming.starts import find_start
from seq2scene.tasks.loading import with_local_paths

# Of a checkpoint's overrides, options of these groups and values below these keys are taken, ...
GROUPS = words(
    "attention attribute_attention canvas data debug experiment grid heads image_encoder loss model "
    "optimizer schedule search task trainer"
)
VALUES = words(
    "attention attribute_attention canvas data freeze gallery grid heads image_encoder init loss model "
    "monitor optimizer patch_encoder perceptual retrieval schedule scores search seed task test "
    "val_search"
)
# ... for the trainer numbers and words for these keys; for a callback numbers and its monitor.
TRAINER_WORDS = words(
    "accelerator devices float32_matmul gradient_clip_algorithm max_time precision strategy"
)
CALLBACK_WORDS = words("monitor mode action")
NAME = re.compile(r"\w[\w.-]*")
VALIDATION = ("search", "val_search")
OPTION = re.compile(r"\w[\w-]*(/\w[\w-]*)*")  # the name of a config file, not a path to any other


def with_choices(arguments: Sequence[str]) -> list[str]:
    """Adds to command-line arguments the group options of the run that ``resume=`` names, so that Hydra knows
    the keys of its config, and its name, which it keeps wherever it goes on.

    Errors in the checkpoint are reported later.
    """
    found = [one for one in arguments if one.startswith("resume=")]
    try:
        path = _parse(*found).value()
        start = find_start(path, quiet=True)[1]
        choices = [one for one in start.get("overrides", []) if _is_choice(_parse(one))]
        name = start["hyper_parameters"]["config"].get("name")
        if isinstance(name, str) and NAME.fullmatch(name) and _is_name(_parse(f"name={name}")):
            choices.append(f"name={name}")
    except (HydraException, UserError, OSError, KeyError, TypeError, AttributeError):
        return list(arguments)
    given = {key_of(one) for one in arguments}
    choices = [one for one in choices if key_of(one) not in given]
    place = arguments.index(found[0]) + 1
    return [*arguments[:place], *choices, *arguments[place:]]


def _parse(override: str) -> Override:
    """Raises HydraException, TypeError or AttributeError for an invalid override."""
    return OverridesParser.create().parse_override(override)


def given_overrides() -> list[str]:
    """This job's overrides, from the command line or a sweeper, except ``resume``."""
    return [o for o in HydraConfig.get().overrides.task if key_of(o) != "resume"]


def merge_overrides(saved: list[str], given: list[str]) -> list[str]:
    """The saved run's overrides, updated by the given ones."""
    replaced = {key_of(override) for override in given}
    return [override for override in saved if key_of(override) not in replaced] + given


def key_of(override: str) -> str:
    return override.lstrip("+~").split("=")[0]


def is_taken(stored: Any, before: Mapping[str, Any], cfg: DictConfig) -> bool:
    """Whether to take a checkpoint's stored override for the config of a job.

    before: the saved run's config. cfg: the job's, as its user composed it.
    """
    try:
        override = _parse(stored)
    except (HydraException, TypeError, AttributeError):
        return False
    if override.is_sweep_override() or override.is_force_add() or not _is_plain(override.value()):
        return False
    if _is_choice(override) or _is_name(override):
        return True
    name, value, parts = override.key_or_group, override.value(), override.key_or_group.split(".")
    if override.package is not None or not all(map(str.isidentifier, parts)):
        return False
    callbacks = cfg.get("callbacks") or {}
    match parts:
        case ["callbacks", callback] if callback in callbacks:
            return override.is_delete()
        case ["callbacks", callback, setting] if callback in callbacks:
            return _is_number(value) or (setting in CALLBACK_WORDS and isinstance(value, str))
        case ["trainer", setting]:
            return _is_number(value) or (setting in TRAINER_WORDS and not isinstance(value, dict))
        case ["trainer", "strategy", _]:
            return _is_number(value)
        case ["data", *_, "cache"]:
            return False
        case ["data", *_, "root"]:  # only if unchanged under the user's paths
            return value_at(with_user_paths(before, cfg), name, ABSENT) == value
    return parts[0] in VALUES and (len(parts) > 1 or name not in GROUPS)


def _is_choice(override: Override) -> bool:
    """Whether an override chooses plain options of a group that a checkpoint may set."""
    if override.key_or_group not in GROUPS or override.is_delete():
        return False
    options = override.value() if isinstance(override.value(), list) else [override.value()]
    plain = all(one is None or (isinstance(one, str) and OPTION.fullmatch(one)) for one in options)
    return plain and (override.package is None or (override.key_or_group, override.package) == VALIDATION)


def _is_name(override: Override) -> bool:
    """Whether an override names the run, by a word that cannot escape the output folder."""
    value = override.value()
    named = (override.key_or_group, override.package, override.is_add()) == ("name", None, False)
    return named and isinstance(value, str) and NAME.fullmatch(value) is not None


def with_user_paths(config: Mapping[str, Any], cfg: DictConfig) -> dict[str, Any]:
    """A checkpoint's data config, with the output paths of ``cfg``."""
    return {"data": with_local_paths(config["data"], cfg.paths)}


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, int | float)


def _is_plain(value: Any) -> bool:
    """Whether a value consists of words, numbers, lists and mappings, without interpolations."""
    if isinstance(value, Mapping):
        return all(_is_plain(one) for pair in value.items() for one in pair)
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return _is_number(value) or (isinstance(value, str) and "${" not in value)
