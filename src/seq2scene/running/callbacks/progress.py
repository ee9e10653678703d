"""The progress of a run: one line, rewritten in place on a terminal, printed at intervals elsewhere."""

import shutil
import sys
import time
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl


class Progress(pl.callbacks.ProgressBar):
    """Shows epoch, batch, metrics logged for the progress bar and the time left, on stdout.

    On a terminal one line is rewritten every ``refresh_rate`` batches and truncated to its width; elsewhere a
    line is printed every ``seconds``. The scores of each validation get a permanent line. Values are read
    from the device only when a line is shown.
    """

    def __init__(self, refresh_rate: int = 20, seconds: float = 30.0) -> None:
        super().__init__()
        self.refresh_rate, self.seconds = refresh_rate, seconds
        self._enabled, self._terminal, self._begun = True, sys.stdout.isatty(), 0
        self._shown = self._since = time.monotonic()

    def enable(self) -> None:
        self._enabled = True

    def disable(self) -> None:
        self._enabled = False

    def print(self, *parts: Any, **options: Any) -> None:
        self._clear()
        print(*parts, **options)

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._begun = self._done(trainer)
        self._shown = self._since = time.monotonic()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        if self._due(index):
            values = _named(trainer.progress_bar_metrics, "train/")
            place = f"{_epoch(trainer)} {index + 1}/{_number(self.total_train_batches)}"
            self._show("  ".join([place, *values, *self._left(trainer)]))

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        index: int,
        loader: int = 0,
    ) -> None:
        if not trainer.sanity_checking and self._due(index):
            total = _number(_sum(trainer.num_val_batches))
            self._show(f"{_epoch(trainer)} validation {index + 1}/{total}")

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if self._enabled and not trainer.sanity_checking:
            values = "  ".join(_named(trainer.progress_bar_metrics, "val/"))
            self.print(f"{_epoch(trainer)} step {trainer.global_step}  validation: {values}", flush=True)

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        index: int,
        loader: int = 0,
    ) -> None:
        if self._due(index):
            self._show(f"test {index + 1}/{_number(_sum(trainer.num_test_batches))}")

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._clear()

    def on_test_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._clear()

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, error: BaseException) -> None:
        self._clear()

    def _due(self, index: int) -> bool:
        if self._terminal:
            return self._enabled and (index + 1) % self.refresh_rate == 0
        return self._enabled and time.monotonic() - self._shown >= self.seconds

    def _show(self, line: str) -> None:
        self._shown = time.monotonic()
        if not self._terminal:
            print(line, flush=True)
            return
        sys.stdout.write(f"\r{line[: shutil.get_terminal_size().columns - 1]}\x1b[K")
        sys.stdout.flush()

    def _clear(self) -> None:
        if self._terminal and self._enabled:
            sys.stdout.write("\r\x1b[K")
            sys.stdout.flush()

    def _done(self, trainer: pl.Trainer) -> int:
        return trainer.fit_loop.epoch_loop.total_batch_idx + 1

    def _left(self, trainer: pl.Trainer) -> list[str]:
        """The time until the first limit is reached, at the speed so far; empty if there is no limit."""
        elapsed, done = time.monotonic() - self._since, self._done(trainer)
        pace, batches = elapsed / max(done - self._begun, 1), trainer.num_training_batches
        left = [
            timer.time_remaining() for timer in trainer.callbacks if isinstance(timer, pl.callbacks.Timer)
        ]
        if trainer.max_epochs not in (None, -1):
            left.append(pace * (trainer.max_epochs * batches - done))
        if trainer.max_steps != -1:
            left.append(pace * (trainer.max_steps - trainer.global_step) * trainer.accumulate_grad_batches)
        left = [seconds for seconds in left if seconds is not None and seconds < float("inf")]
        return [f"{_time(min(left))} left"] if left else []


def _epoch(trainer: pl.Trainer) -> str:
    if trainer.max_epochs in (None, -1):
        return f"epoch {trainer.current_epoch + 1}"
    return f"epoch {min(trainer.current_epoch + 1, trainer.max_epochs)}/{trainer.max_epochs}"


def _named(metrics: Mapping[str, float], stage: str) -> list[str]:
    """The metrics of a stage as text: ``loss 5.36``, ``843 tokens/s``."""
    values = []
    for name, value in metrics.items():
        if name.startswith(stage):
            name, shown = name.removeprefix(stage), _value(value)
            unit = name.removesuffix("_per_second")
            values.append(f"{name} {shown}" if unit == name else f"{shown} {unit}/s")
    return values


def _value(value: float) -> str:
    return f"{value:,.0f}" if 1000 <= abs(value) < 1e6 else f"{value:.3g}"


def _sum(batches: Any) -> float:
    return sum(batches) if isinstance(batches, list) else batches


def _number(batches: float) -> str:
    return str(int(batches)) if batches < float("inf") else "?"


def _time(seconds: float) -> str:
    minutes, seconds = divmod(max(round(seconds), 0), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
