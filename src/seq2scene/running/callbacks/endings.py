"""Why training ends: no improvement, a limit, or non-finite weights; and the message about it."""

from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Timer, early_stopping
from pytorch_lightning.callbacks.early_stopping import EarlyStoppingReason
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from seq2scene.errors import UserError
from seq2scene.running.messages import say
from seq2scene.running.resuming.training_state import Restoring

REMEDY = "try a lower optimizer.lr, a lower trainer.gradient_clip_val or schedule=warm_up"


class Diverged(Exception):
    """Training cannot continue: a loss, a gradient or some weights are not finite. The message is meant for
    the user.
    """


class EarlyStopping(early_stopping.EarlyStopping):
    """Ends training when ``monitor`` has not improved by more than ``min_delta`` in ``patience`` validations,
    or has passed a threshold.

    A validation with nothing to count, where the metric is NaN, does not count.
    """

    def __init__(
        self,
        monitor: str,
        mode: str = "min",
        patience: int = 10,
        min_delta: float = 0.0,
        stopping_threshold: float | None = None,
        divergence_threshold: float | None = None,
    ) -> None:
        super().__init__(
            monitor,
            min_delta,
            patience,
            mode=mode,
            check_finite=False,
            stopping_threshold=stopping_threshold,
            divergence_threshold=divergence_threshold,
            check_on_train_epoch_end=False,
        )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restores the count but not patience, which may have changed."""
        self.wait_count, self.best_score = state_dict["wait_count"], state_dict["best_score"]

    def _evaluate_stopping_criteria(self, current: Tensor) -> tuple[bool, str | None]:
        return (False, None) if torch.isnan(current) else super()._evaluate_stopping_criteria(current)

    def reason(self) -> str | None:
        """Why early stopping ended training, if it did."""
        match self.stopping_reason:
            case EarlyStoppingReason.PATIENCE_EXHAUSTED:
                best = f"best: {self.best_score:.4g}"
                return f"{self.monitor} did not improve in {self.wait_count} validations ({best})"
            case EarlyStoppingReason.STOPPING_THRESHOLD:
                return f"{self.monitor} reached stopping_threshold={self.stopping_threshold}"
            case EarlyStoppingReason.DIVERGENCE_THRESHOLD:
                return f"{self.monitor} passed divergence_threshold={self.divergence_threshold}"
        return None


class Watch(pl.Callback):
    """Raises ``Diverged`` soon after weights stop being finite, and before they are validated. Reports
    ``monitored`` metrics that are not finite.

    validated: the training step of the last validation.

    Raises UserError if validation does not log such a metric; before training, if there is a sanity check.
    """

    def __init__(self, monitored: Sequence[str]) -> None:
        self.monitored, self.validated = monitored, 0

    def state_dict(self) -> dict[str, int]:
        return {"validated": self.validated}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self.validated = state_dict["validated"]

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        if (index + 1) % trainer.log_every_n_steps == 0:  # when loggers synchronise with the device anyway
            require_finite(trainer)

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.state.fn == TrainerFn.FITTING:
            require_finite(trainer)

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        found = trainer.callback_metrics
        for name in self.monitored:
            if name not in found and trainer.sanity_checking and not name.startswith("val/"):
                continue  # no training metrics yet
            if name not in found:
                known = ", ".join(sorted(key for key in found if key.startswith("val/")))
                raise UserError(f"validation does not log {name}, which is monitored; it logs {known}")
            if not trainer.sanity_checking and not torch.isfinite(found[name]):
                value = float(found[name])
                note = ": nothing to count; ignored by early stopping" if value != value else ""
                say(f"epoch {trainer.current_epoch}, step {trainer.global_step}: {name} is {value}{note}")
        if not trainer.sanity_checking:
            self.validated = trainer.global_step


def require_finite(trainer: pl.Trainer) -> None:
    """Raises Diverged on every rank if any rank has a NaN or infinite weight."""
    names = not_finite(trainer.lightning_module)
    if trainer.strategy.reduce_boolean_decision(bool(names), all=False):
        others = f" and {len(names) - 1} other tensors" if len(names) > 1 else ""
        raise Diverged(
            f"training diverged by step {trainer.global_step}, epoch {trainer.current_epoch}: "
            f"non-finite values in {names[0] if names else 'weights of another process'}{others}; {REMEDY}"
        )


@torch.no_grad()
def not_finite(module: torch.nn.Module) -> list[str]:
    """The names of weights and buffers with NaN or infinite values; synchronises with the device once."""
    state = {name: value for name, value in module.state_dict().items() if value.is_floating_point()}
    good = torch.stack([value.isfinite().all() for value in state.values()]).tolist()
    return [name for name, fine in zip(state, good, strict=True) if not fine]


def why_ended(trainer: pl.Trainer) -> str | None:
    """Why training ended before ``trainer.max_epochs``; None if it did not, or never began."""
    for callback in trainer.callbacks:
        if isinstance(callback, Restoring) and callback.over:
            return None  # nothing was left to do, as already reported
        if isinstance(callback, EarlyStopping) and (reason := callback.reason()):
            return reason
    if 0 < trainer.max_steps <= trainer.global_step:
        return f"trainer.max_steps={trainer.max_steps}"
    if 0 <= trainer.max_epochs <= trainer.current_epoch:
        return None
    for callback in trainer.callbacks:
        if isinstance(callback, Timer) and (left := callback.time_remaining()) is not None and left <= 0:
            return "trainer.max_time is up"
    return "stopped by a callback"
