"""Resuming from a checkpoint: what is taken from the saved run, what may be overridden, what is left to do.

The overrides stored in a checkpoint recompose its config, but the checkpoint may be untrusted. Only options
of the model and of training are taken from them, never output paths or anything run besides training; what
was not taken is reported. New overrides must not change the model's shape or the meaning of its words and
objects.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from seq2scene.errors import UserError
from seq2scene.running.entry import run_name
from seq2scene.running.messages import say
from seq2scene.running.starts import find_start
from seq2scene.tasks.loading import with_local_paths


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Of a checkpoint's overrides, options of these groups and values below these keys are taken, ...
GROUPS = _words(
    "attention attribute_attention canvas data debug experiment grid heads image_encoder loss model "
    "optimizer schedule search task trainer"
)
VALUES = _words(
    "attention attribute_attention canvas data freeze gallery grid heads image_encoder init loss model "
    "monitor optimizer patch_encoder perceptual retrieval schedule scores search seed task test val_search"
)
# ... for the trainer numbers and words for these keys; for a callback numbers and its monitor.
TRAINER_WORDS = _words(
    "accelerator devices float32_matmul gradient_clip_algorithm max_time precision strategy"
)
CALLBACK_WORDS = _words("monitor mode action")
NAME = re.compile(r"\w[\w.-]*")
VALIDATION = ("search", "val_search")
OPTION = re.compile(r"\w[\w-]*(/\w[\w-]*)*")  # the name of a config file, not a path to any other

# What may change when a run is resumed: these keys and all below them, ...
CHANGE = _words(
    "callbacks freeze gallery logger loss monitor name optimizer overwrite paths perceptual published "
    "reports retrieval schedule search seed takes test trainer val_search"
)
# ... for the data what is read and in which order, but not how it is interpreted, ...
DATA = _words(
    "batch_by batch_size cache candidates eval_batch_size eval_streams fetch filtered max_length min_area "
    "min_stuff min_thing mix_texts noise overlap park photos pool_batches root seed sources store tests "
    "train transfer val val_images window word_vectors"
)
ANYWHERE = _words("dropout implementation output_dropout packing")  # ... and these of a model.
FIXED = {"loss.hard", "schedule.interval", "schedule.mode"}
SHAPING = {"loss", "optimizer", "schedule"}  # their targets must not change either, as they have a state
DRIFTING = _words(
    "loss optimizer schedule search trainer val_search"
)  # whose defaults may have changed since
SHOWN = 4  # keys listed in a message

ABSENT = "absent"
Differences = dict[str, tuple[Any, Any]]


class Restoring(pl.Callback):
    """Applies new overrides to the state that Lightning restores, which would otherwise hide them, and ends
    training at once if nothing is left to do.
    """

    def __init__(self, changed: Differences, over: str | None) -> None:
        self.changed, self.over = changed, over

    def on_load_checkpoint(
        self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        retune(checkpoint, self.changed)
        if trainer.precision == "16-mixed":  # as in ``Task.configure_optimizers``
            for group in (g for state in checkpoint["optimizer_states"] for g in state["param_groups"]):
                group.update({"fused": False} if "fused" in group else {})
        for state in checkpoint.get("callbacks", {}).values():
            for key, value in state.items():
                if isinstance(value, str) and "://" in value:
                    state[key] = ""  # or Lightning would delete remote checkpoints once it has better ones

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        trainer.should_stop = self.over is not None


@dataclass(frozen=True)
class Resumed:
    """A resumed run. start: the checkpoint. cfg: the composed config. choices: group -> option. overrides:
    those that compose cfg.
    """

    start: Path
    cfg: DictConfig
    choices: Mapping[str, str | None]
    overrides: list[str]
    callback: Restoring


def resume(cfg: DictConfig) -> Resumed:
    """Resolves ``resume=`` in a job composed as ``cfg``. Prints what was not taken from the checkpoint, what
    has changed, and whether nothing is left to do.

    Raises:
        UserError: the checkpoint cannot be resumed from, or an override changes something that must not
        change.
    """
    start, saved = find_start(cfg.resume)
    start = start.absolute()
    if not saved.keys() >= {"optimizer_states", "lr_schedulers", "loops"}:
        raise UserError(f"resume={start} has weights but not the state of training: give a run's last.ckpt")
    before, stored = saved["hyper_parameters"]["config"], saved.get("overrides", [])
    given = [one for one in given_overrides() if _key(one) != "init"]
    if cfg.init is not None:
        say(f"resume: init={cfg.init} is not read again: the run has begun, and goes on from {start}")
    taken = [one for one in stored if is_taken(one, before, cfg)]
    gone = {_key(str(one)) for one in stored if str(one).startswith("~")}
    taken += [one for one in given if one.startswith("~") and _key(one) in gone]  # as before
    told = {_key(one) for one in given}
    if left := [str(one) for one in stored if one not in taken and _key(str(one)) not in told]:
        say(f"resume: not taken from the checkpoint: {' '.join(left)}; repeat it if you want it")
    overrides = merge_overrides(taken, given)
    (_, base, _), (new_cfg, new, choices) = _compose(taken), _compose(overrides)
    changed = find_changes(before, base, new, told)
    retune(saved, changed)
    if changed:
        say(f"resume: changed: {', '.join(_in_words(changed))}")
    if drifted := {key: both for key, both in find_drift(before, base).items() if key not in changed}:
        say(f"resume: defaults have changed since the run began: {', '.join(_in_words(drifted))}")
    over, epochs = nothing_left(saved, new), _epochs(saved)
    if over:
        tested = "; the best checkpoint is tested" if new["test"] else ""
        say(f"resume: nothing left to do: {over}{tested}")
    if 0 <= (new["trainer"].get("max_epochs") or 0) < epochs:
        new_cfg.trainer.max_epochs = epochs  # Lightning refuses fewer than are done
    return Resumed(start, new_cfg, choices, overrides, Restoring(changed, over))


# Overrides


def with_choices(arguments: Sequence[str]) -> list[str]:
    """Adds to command-line arguments the group options of the run that ``resume=`` names, so that Hydra knows
    the keys of its config. A resumed run is named after its folder, even if its experiment sets a name.

    Errors in the checkpoint are reported later.
    """
    found = [one for one in arguments if one.startswith("resume=")]
    try:
        path = _parse(*found).value()
        stored = find_start(path, quiet=True)[1].get("overrides", [])
        choices = [one for one in stored if _is_choice(_parse(one))]
    except (HydraException, UserError, TypeError, AttributeError):
        return list(arguments)
    if any(_key(one) == "experiment" for one in choices) and NAME.fullmatch(name := run_name("", path)):
        choices.append(f"name={name}")
    given = {_key(one) for one in arguments}
    choices = [one for one in choices if _key(one) not in given]
    place = arguments.index(found[0]) + 1
    return [*arguments[:place], *choices, *arguments[place:]]


def _parse(override: str) -> Override:
    """Raises HydraException, TypeError or AttributeError for an invalid override."""
    return OverridesParser.create().parse_override(override)


def given_overrides() -> list[str]:
    """This job's overrides, from the command line or a sweeper, except ``resume``."""
    return [o for o in HydraConfig.get().overrides.task if _key(o) != "resume"]


def merge_overrides(saved: list[str], given: list[str]) -> list[str]:
    """The saved run's overrides, updated by the given ones."""
    replaced = {_key(override) for override in given}
    return [override for override in saved if _key(override) not in replaced] + given


def _key(override: str) -> str:
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
            return _at(with_user_paths(before, cfg), name, ABSENT) == value
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


def _compose(overrides: Sequence[str]) -> tuple[DictConfig, dict[str, Any], Mapping[str, str | None]]:
    """The composed config, the same as plain containers, and the options of its groups.

    Raises UserError if it cannot be composed.
    """
    places = [one for one in HydraConfig.get().overrides.hydra if one.startswith("hydra.searchpath")]
    try:
        cfg = compose("train", [*overrides, *places], return_hydra_config=True)
        with open_dict(cfg):
            choices = cfg.pop("hydra").runtime.choices
        return cfg, OmegaConf.to_container(cfg, resolve=True), choices
    except (HydraException, OmegaConfBaseException) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"resume: {' '.join(overrides)}: {reason}") from error


# Changes


def find_changes(
    before: Mapping[str, Any], base: Mapping[str, Any], new: Mapping[str, Any], told: Collection[str]
) -> Differences:
    """The values that new overrides change in ``new`` relative to the run's config ``before``.

    base: the config without the new overrides. told: the keys of new overrides, whose changes come first.

    Raises:
        UserError: something that shapes the model has changed, or was not taken from the checkpoint.
    """
    anew = {key: (_at(before, key, was), now) for key, (was, now) in differences(base, new).items()}
    first = sorted(anew, key=lambda key: not any(f"{key}.".startswith(f"{one}.") for one in told))
    changed = {key: anew[key] for key in first if anew[key][0] != anew[key][1]}
    _refuse_shaping(changed, "cannot change when a run is resumed; leave it out, or train a new model")
    drifted = {
        key: both for key, both in differences(before, base).items() if key not in anew and ABSENT not in both
    }
    _refuse_shaping(drifted, "must be given again")
    return changed


def find_drift(before: Mapping[str, Any], base: Mapping[str, Any]) -> Differences:
    """Training settings in ``before`` that the run's own overrides no longer reproduce, as defaults have
    changed.
    """
    found = differences(before, base)
    return {key: both for key, both in found.items() if key.split(".")[0] in DRIFTING and ABSENT not in both}


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> Differences:
    """The values in which two configs differ, by dotted key; ABSENT if one lacks the key."""
    ours, theirs = dict(_values(one)), dict(_values(other))
    both = {key: (ours.get(key, ABSENT), theirs.get(key, ABSENT)) for key in {**ours, **theirs}}
    return {key: (was, now) for key, (was, now) in both.items() if was != now}


def _values(config: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a nested config by their dotted keys."""
    if not isinstance(config, Mapping):
        yield place, config
        return
    for key, value in config.items():
        yield from _values(value, f"{place}.{key}" if place else str(key))


def _at(config: Any, key: str, otherwise: Any) -> Any:
    """The value at a dotted key."""
    return dict(_values(config)).get(key, otherwise)


def may_change(key: str) -> bool:
    """Whether the value at a dotted key may change when a run is resumed."""
    first, *rest = key.split(".")
    last = rest[-1] if rest else first
    if first in SHAPING and (last == "_target_" or key in FIXED):
        return False
    if first == "data" and rest:
        return (rest[1] if rest[0] == "composites" else rest[0]) in DATA
    return first in CHANGE or last in ANYWHERE


def _refuse_shaping(changed: Differences, why: str) -> None:
    """Raises UserError, ending in ``why``, if anything changed that must not."""
    shaping = {key: both for key, both in changed.items() if not may_change(key)}
    if not shaping:
        return
    shaping = {
        key: both for key, both in shaping.items() if key.removeprefix("data.") not in shaping.keys() - {key}
    }
    told = [f"{key}={now} (the run had {was})" for key, (was, now) in list(shaping.items())[:SHOWN]]
    more = f" and {len(shaping) - SHOWN} more" if len(shaping) > SHOWN else ""
    raise UserError(f"resume: {', '.join(told)}{more}: {why}")


def _in_words(changed: Differences) -> list[str]:
    """Changes in words; a new or removed logger, callback or report by name only."""
    told: dict[str, None] = {}
    for key, (was, now) in changed.items():
        parts = key.split(".")
        if parts[0] in ("callbacks", "logger", "reports") and ABSENT in (was, now):
            told[f"{'.'.join(parts[:2])} is {'new' if was == ABSENT else 'gone'}"] = None
        else:
            told[f"{key} {was} -> {now}"] = None
    return list(told)


def retune(checkpoint: dict[str, Any], changed: Differences) -> None:
    """Changes settings of optimizer, schedule and early stopping in a checkpoint's training state.

    A new ``optimizer.lr`` is multiplied by the schedule's current factor. Raises UserError if the state has
    no such setting.
    """
    groups = [group for state in checkpoint["optimizer_states"] for group in state["param_groups"]]
    schedules = checkpoint["lr_schedulers"]
    for key, (was, now) in changed.items():
        part, _, name = key.partition(".")
        if key == "optimizer.lr":
            _scale_rate(groups, schedules, was, now)
        elif part == "optimizer":
            _set(groups, name, tuple(now) if isinstance(now, list) else now, key)
        elif part == "schedule" and name != "monitor":
            _set_schedule(schedules, groups, name, now, key)
        elif part == "callbacks" and key.endswith(".patience"):
            for state in checkpoint.get("callbacks", {}).values():
                state.update({"patience": now} if "patience" in state else {})


def _scale_rate(groups: list[dict[str, Any]], schedules: list[dict[str, Any]], was: Any, now: Any) -> None:
    good = all(isinstance(rate, int | float) and rate > 0 for rate in (was, now))
    if not good or any("max_lr" in group for group in groups):
        raise UserError(f"resume: optimizer.lr={now} cannot replace {was} with this schedule; leave it out")
    for group in groups:
        for name in {"lr", "initial_lr"} & group.keys():
            group[name] = group[name] * now / was
    for schedule in schedules:
        for name in {"base_lrs", "_last_lr"} & schedule.keys():
            schedule[name] = [rate * now / was for rate in schedule[name]]


def _set_schedule(
    schedules: list[dict[str, Any]], groups: list[dict[str, Any]], name: str, value: Any, key: str
) -> None:
    if all("lr_lambdas" in schedule for schedule in schedules):
        return  # one of ours: rebuilt from its settings, with the step as its only state
    if name == "min_lr":
        for schedule in schedules:
            schedule["min_lrs"] = [value * group.get("factor", 1.0) for group in groups]
    else:
        _set(schedules, name, value, key)


def _set(states: list[dict[str, Any]], name: str, value: Any, key: str) -> None:
    for state in states:
        if name not in state:
            raise UserError(f"resume: {key} cannot change when a run is resumed; leave it out")
        state[name] = value


# The end


def nothing_left(saved: Mapping[str, Any], config: Mapping[str, Any]) -> str | None:
    """Why a saved run is over by the limits of ``config``, in words; None if it is not."""
    epochs, steps = _epochs(saved), saved["global_step"]
    for unit, done in (("epochs", epochs), ("steps", steps)):
        most = config["trainer"].get(f"max_{unit}")
        if most is not None and 0 <= most <= done:
            return f"{unit} done: {done}, trainer.max_{unit}={most}"
    for name, callback in (config.get("callbacks") or {}).items():
        for key, state in saved.get("callbacks", {}).items():
            if "patience" in callback and "wait_count" in state and f"'{callback['monitor']}'" in key:
                waited, patience = state["wait_count"], callback["patience"]
                if waited >= patience:
                    return (
                        f"{callback['monitor']} did not improve in {waited} validations, and "
                        f"callbacks.{name}.patience={patience}"
                    )
    return None


def _epochs(saved: Mapping[str, Any]) -> int:
    """The number of completed training epochs."""
    loop = saved["loops"]["fit_loop"]
    done = loop["epoch_progress"]["current"]["processed"]
    within = loop["epoch_loop.batch_progress"]
    ended = within["is_last_batch"] and within["current"]["completed"] == within["current"]["ready"]
    return done + int(ended and loop["epoch_progress"]["current"]["started"] > done)
