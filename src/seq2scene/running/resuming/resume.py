"""Resuming a run from a checkpoint: its config is composed from the overrides that are taken from there and
those of the command line.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from seq2scene.errors import UserError
from seq2scene.running.messages import say
from seq2scene.running.resuming.changes import find_changes, find_drift, in_words
from seq2scene.running.resuming.starts import find_start
from seq2scene.running.resuming.stored_overrides import given_overrides, is_taken, key_of, merge_overrides
from seq2scene.running.resuming.training_state import Restoring, completed_epochs, nothing_left, retune


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
    given = [one for one in given_overrides() if key_of(one) != "init"]
    if cfg.init is not None:
        say(f"resume: init={cfg.init} is not read again: the run has begun, and goes on from {start}")
    taken = [one for one in stored if is_taken(one, before, cfg)]
    gone = {key_of(str(one)) for one in stored if str(one).startswith("~")}
    taken += [one for one in given if one.startswith("~") and key_of(one) in gone]  # as before
    told = {key_of(one) for one in given}
    if left := [str(one) for one in stored if one not in taken and key_of(str(one)) not in told]:
        say(f"resume: not taken from the checkpoint: {' '.join(left)}; repeat it if you want it")
    overrides = merge_overrides(taken, given)
    (_, base, _), (new_cfg, new, choices) = _compose(taken), _compose(overrides)
    changed = find_changes(before, base, new, told)
    retune(saved, changed)
    if changed:
        say(f"resume: changed: {', '.join(in_words(changed))}")
    if drifted := {key: both for key, both in find_drift(before, base).items() if key not in changed}:
        say(f"resume: defaults have changed since the run began: {', '.join(in_words(drifted))}")
    over, epochs = nothing_left(saved, new), completed_epochs(saved)
    if over:
        tested = "; the best checkpoint is tested" if new["test"] else ""
        say(f"resume: nothing left to do: {over}{tested}")
    if 0 <= (new["trainer"].get("max_epochs") or 0) < epochs:
        new_cfg.trainer.max_epochs = epochs  # Lightning refuses fewer than are done
    return Resumed(start, new_cfg, choices, overrides, Restoring(changed, over))


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
