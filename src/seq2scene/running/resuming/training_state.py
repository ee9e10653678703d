"""The state of training in a checkpoint: new settings applied to it, and whether it is at its end."""

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl

from seq2scene.errors import UserError
from seq2scene.running.resuming.changes import Differences


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


def nothing_left(saved: Mapping[str, Any], config: Mapping[str, Any]) -> str | None:
    """Why a saved run is over by the limits of ``config``, in words; None if it is not."""
    epochs, steps = completed_epochs(saved), saved["global_step"]
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


def completed_epochs(saved: Mapping[str, Any]) -> int:
    """The number of completed training epochs."""
    loop = saved["loops"]["fit_loop"]
    done = loop["epoch_progress"]["current"]["processed"]
    within = loop["epoch_loop.batch_progress"]
    ended = within["is_last_batch"] and within["current"]["completed"] == within["current"]["ready"]
    return done + int(ended and loop["epoch_progress"]["current"]["started"] > done)
