"""Going on from a checkpoint: what of the run that was saved holds, what may be told anew, what is left.

The overrides that a checkpoint stores compose its config again, but it may come from anywhere. Taken from
them are choices and values of the model and of training, never where something is written or what else is
done beside training; what was not taken is said. What is told anew must not shape the model, or what its
words and objects mean.
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
from seq2scene.running.checkpoints import at_home, find_checkpoint, load_checkpoint
from seq2scene.running.entry import run_name
from seq2scene.running.messages import say


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Of what a checkpoint stored, options of these groups and values below these keys are taken ...
GROUPS = _words(
    "attention attribute_attention canvas data debug experiment grid heads image_encoder model optimizer "
    "schedule search task trainer"
)
VALUES = _words(
    "attention attribute_attention canvas data gallery grid heads image_encoder loss model monitor "
    "optimizer patch_encoder perceptual retrieval schedule scores search seed task test val_search"
)
# ... of the trainer numbers, and words for these; of a callback numbers, and what it looks at.
TRAINER_WORDS = _words(
    "accelerator devices float32_matmul gradient_clip_algorithm max_time precision strategy"
)
CALLBACK_WORDS = _words("monitor mode")
NAME = re.compile(r"\w[\w.-]*")
VALIDATION = ("search", "val_search")
OPTION = re.compile(r"\w[\w-]*(/\w[\w-]*)*")  # the name of a file among the configs, and of no other

# What may change when a run goes on: these keys and all below them, ...
CHANGE = _words(
    "callbacks gallery logger loss monitor name optimizer overwrite paths perceptual published reports "
    "retrieval schedule search seed takes test trainer val_search"
)
# ... of the data what is read and in which order, as long as it is read in the same way, ...
DATA = _words(
    "batch_by batch_size cache candidates eval_batch_size eval_streams fetch filtered max_length min_area "
    "min_stuff min_thing mix_texts noise overlap park photos pool_batches root seed sources store tests "
    "train transfer val val_images window"
)
ANYWHERE = _words("dropout implementation output_dropout packing")  # ... and these of a model.
FIXED = {"loss.hard", "schedule.interval", "schedule.mode"}
SHAPING = {"loss", "optimizer", "schedule"}  # whose parts, too, stay what they are: they have a state
DRIFTING = _words("loss optimizer schedule search trainer val_search")  # whose defaults may be others now
SHOWN = 4  # keys that a message names

ABSENT = "absent"
Differences = dict[str, tuple[Any, Any]]


class Restoring(pl.Callback):
    """Brings what was told anew into the state that Lightning restores, which would hide it, and ends
    training at once where nothing is left to do.
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
                    state[key] = ""  # Lightning deletes checkpoints of other machines when it has better ones

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        trainer.should_stop = self.over is not None


@dataclass(frozen=True)
class Resumed:
    """A run that goes on. start: the checkpoint. cfg, choices: as composed, the options of its groups.
    overrides: that compose it again.
    """

    start: Path
    cfg: DictConfig
    choices: Mapping[str, str | None]
    overrides: list[str]
    callback: Restoring


def resume(cfg: DictConfig) -> Resumed:
    """What ``resume=`` comes to, in a job that was composed as ``cfg``. Says what was not taken from the
    checkpoint, what has changed, and whether nothing is left to do.

    Raises:
        UserError: nothing can go on from that checkpoint, or something was told anew that cannot change.
    """
    start = find_checkpoint(cfg.resume, "last.ckpt").absolute()
    saved = load_checkpoint(start)
    if not saved.keys() >= {"optimizer_states", "lr_schedulers", "loops"}:
        raise UserError(
            f"resume={start} holds weights alone, not where training stood: give a run's last.ckpt"
        )
    before, given, stored = saved["hyper_parameters"]["config"], given_overrides(), saved.get("overrides", [])
    taken = [one for one in stored if is_taken(one, before, cfg)]
    told = {_key(one) for one in given}
    if left := [str(one) for one in stored if one not in taken and _key(str(one)) not in told]:
        say(f"resume: not taken from the checkpoint: {' '.join(left)}; say it again if you want it")
    overrides = merge_overrides(taken, given)
    (_, base, _), (new_cfg, new, choices) = _compose(taken), _compose(overrides)
    changed = find_changes(before, base, new, told)
    retune(saved, changed)
    if changed:
        say(f"resume: changed: {', '.join(_in_words(changed))}")
    if drifted := {key: both for key, both in find_drift(before, base).items() if key not in changed}:
        say(f"resume: defaults are others than when the run began: {', '.join(_in_words(drifted))}")
    over, epochs = nothing_left(saved, new), _epochs(saved)
    if over:
        tested = "; the best checkpoint is tested" if new["test"] else ""
        say(f"resume: nothing left to do: {over}{tested}")
    if 0 <= (new["trainer"].get("max_epochs") or 0) < epochs:
        new_cfg.trainer.max_epochs = epochs  # Lightning restores no fewer than are done
    return Resumed(start, new_cfg, choices, overrides, Restoring(changed, over))


# Overrides


def with_choices(arguments: Sequence[str]) -> list[str]:
    """Command-line arguments with the options of groups of the run that ``resume=`` names, so that Hydra
    knows the keys of its config. An experiment has a name, but a run that goes on is called as its folder is.

    What is wrong with the checkpoint is told later.
    """
    found = [one for one in arguments if one.startswith("resume=")]
    try:
        path = _parse(*found).value()
        stored = load_checkpoint(find_checkpoint(path, "last.ckpt")).get("overrides", [])
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
    """Raises HydraException, TypeError or AttributeError for what is no override."""
    return OverridesParser.create().parse_override(override)


def given_overrides() -> list[str]:
    """What this job was told on the command line, or by a sweeper, without ``resume`` itself."""
    return [o for o in HydraConfig.get().overrides.task if _key(o) != "resume"]


def merge_overrides(saved: list[str], given: list[str]) -> list[str]:
    """The saved run's overrides, those of the same key replaced by the given ones."""
    replaced = {_key(override) for override in given}
    return [override for override in saved if _key(override) not in replaced] + given


def _key(override: str) -> str:
    return override.lstrip("+~").split("=")[0]


def is_taken(stored: Any, before: Mapping[str, Any], cfg: DictConfig) -> bool:
    """Whether an override that a checkpoint stored may compose the config of a job.

    before: the config of the run that was saved. cfg: that of the job as its user composed it.
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
        case ["data", *_, "root"]:  # nothing is generated there
            return _at(at_home_of(before, cfg), name, ABSENT) == value
    return parts[0] in VALUES and (len(parts) > 1 or name not in GROUPS)


def _is_choice(override: Override) -> bool:
    """Whether an override chooses options of a group, plain ones, of those that a checkpoint may choose."""
    if override.key_or_group not in GROUPS or override.is_delete():
        return False
    options = override.value() if isinstance(override.value(), list) else [override.value()]
    plain = all(one is None or (isinstance(one, str) and OPTION.fullmatch(one)) for one in options)
    return plain and (override.package is None or (override.key_or_group, override.package) == VALIDATION)


def _is_name(override: Override) -> bool:
    """Whether an override names the run, in a word that no folder is to be left by."""
    value = override.value()
    named = (override.key_or_group, override.package, override.is_add()) == ("name", None, False)
    return named and isinstance(value, str) and NAME.fullmatch(value) is not None


def at_home_of(config: Mapping[str, Any], cfg: DictConfig) -> dict[str, Any]:
    """A checkpoint's config whose data write where the user of ``cfg`` says."""
    return {"data": at_home(config["data"], cfg.paths)}


def _is_number(value: Any) -> bool:
    return value is None or isinstance(value, int | float)


def _is_plain(value: Any) -> bool:
    """Whether a value is words and numbers, alone or in lists and mappings, with nothing to be resolved."""
    if isinstance(value, Mapping):
        return all(_is_plain(one) for pair in value.items() for one in pair)
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return _is_number(value) or (isinstance(value, str) and "${" not in value)


def _compose(overrides: Sequence[str]) -> tuple[DictConfig, dict[str, Any], Mapping[str, str | None]]:
    """The config as it is composed, the same as plain containers, and the options of its groups.

    Raises UserError where it cannot be composed.
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
    """What the config ``new`` has otherwise than the run had ``before``, by what was told anew.

    base: what the overrides that were taken come to without that. told: the keys that were told anew, whose
    changes come first.

    Raises:
        UserError: something that shapes the model has changed, or was not taken from the checkpoint.
    """
    anew = {key: (_at(before, key, was), now) for key, (was, now) in differences(base, new).items()}
    first = sorted(anew, key=lambda key: not any(f"{key}.".startswith(f"{one}.") for one in told))
    changed = {key: anew[key] for key in first if anew[key][0] != anew[key][1]}
    _refuse_shaping(changed, "cannot change when a run goes on; leave it out, or train a new model")
    drifted = {
        key: both for key, both in differences(before, base).items() if key not in anew and ABSENT not in both
    }
    _refuse_shaping(drifted, "must be said again")
    return changed


def find_drift(before: Mapping[str, Any], base: Mapping[str, Any]) -> Differences:
    """Settings of training that the run had ``before`` and that its own overrides come to otherwise today, as
    the defaults have changed since.
    """
    found = differences(before, base)
    return {key: both for key, both in found.items() if key.split(".")[0] in DRIFTING and ABSENT not in both}


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> Differences:
    """Of two configs the values that differ, by their dotted keys; ABSENT where one has no such key."""
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
    """Whether the value at a dotted key of the config can be another when a run goes on."""
    first, *rest = key.split(".")
    last = rest[-1] if rest else first
    if first in SHAPING and (last == "_target_" or key in FIXED):
        return False
    if first == "data" and rest:
        return (rest[1] if rest[0] == "composites" else rest[0]) in DATA
    return first in CHANGE or last in ANYWHERE


def _refuse_shaping(changed: Differences, why: str) -> None:
    """Raises UserError, which ends with ``why``, where there is something that may not change."""
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
    """What has changed; a logger, callback or report that is new or gone by its name alone."""
    told: dict[str, None] = {}
    for key, (was, now) in changed.items():
        parts = key.split(".")
        if parts[0] in ("callbacks", "logger", "reports") and ABSENT in (was, now):
            told[f"{'.'.join(parts[:2])} is {'new' if was == ABSENT else 'gone'}"] = None
        else:
            told[f"{key} {was} -> {now}"] = None
    return list(told)


def retune(checkpoint: dict[str, Any], changed: Differences) -> None:
    """Changes settings of optimizer, schedule and early stopping in a checkpoint's state of training.

    Another ``optimizer.lr`` is that rate times what the schedule has made of it until now. Raises UserError
    where the state knows no such setting.
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
            _set_schedule(schedules, name, now, key)
        elif part == "callbacks" and key.endswith(".patience"):
            for state in checkpoint.get("callbacks", {}).values():
                state.update({"patience": now} if "patience" in state else {})


def _scale_rate(groups: list[dict[str, Any]], schedules: list[dict[str, Any]], was: Any, now: Any) -> None:
    good = all(isinstance(rate, int | float) and rate > 0 for rate in (was, now))
    if not good or any("max_lr" in group for group in groups):
        raise UserError(
            f"resume: optimizer.lr={now} cannot be made of {was} with this schedule; leave it out"
        )
    for group in groups:
        for name in {"lr", "initial_lr"} & group.keys():
            group[name] = group[name] * now / was
    for schedule in schedules:
        for name in {"base_lrs", "_last_lr"} & schedule.keys():
            schedule[name] = [rate * now / was for rate in schedule[name]]


def _set_schedule(schedules: list[dict[str, Any]], name: str, value: Any, key: str) -> None:
    if all("lr_lambdas" in schedule for schedule in schedules):
        return  # of this project: made anew from its settings, its state is the step alone
    if name == "min_lr":
        for schedule in schedules:
            schedule["min_lrs"] = [value] * len(schedule["min_lrs"])
    else:
        _set(schedules, name, value, key)


def _set(states: list[dict[str, Any]], name: str, value: Any, key: str) -> None:
    for state in states:
        if name not in state:
            raise UserError(f"resume: {key} cannot change when a run goes on; leave it out")
        state[name] = value


# The end


def nothing_left(saved: Mapping[str, Any], config: Mapping[str, Any]) -> str | None:
    """Why a run that was saved so is over by the limits of ``config``, in words; None where it is not."""
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
                        f"{callback['monitor']} did not get better in {waited} validations, and "
                        f"callbacks.{name}.patience={patience}"
                    )
    return None


def _epochs(saved: Mapping[str, Any]) -> int:
    """How many epochs of training were done."""
    loop = saved["loops"]["fit_loop"]
    done = loop["epoch_progress"]["current"]["processed"]
    within = loop["epoch_loop.batch_progress"]
    ended = within["is_last_batch"] and within["current"]["completed"] == within["current"]["ready"]
    return done + int(ended and loop["epoch_progress"]["current"]["started"] > done)
