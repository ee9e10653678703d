"""Training throughput in target tokens, or scenes, per second."""

import time
from typing import Any

import pytorch_lightning as pl

from seq2scene.scenes.batch import SceneBatch


class Throughput(pl.Callback):
    """Logs ``train/tokens_per_second`` over the last ``every_n_steps`` batches, counting real target tokens
    on all ranks, or ``train/scenes_per_second`` for batches of scenes.

    It reads lengths on the CPU and never synchronises with the device, so it measures how fast steps are
    issued; over many steps that is how fast they run.
    """

    def __init__(self, every_n_steps: int = 50) -> None:
        self.every_n_steps = every_n_steps
        self._done, self._batches, self._since = 0, 0, 0.0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        shares = {f"data/real_{side}_tokens": s for side, s in trainer.datamodule.padding_efficiency.items()}
        for logger in trainer.loggers:
            logger.log_metrics(shares, step=trainer.global_step)

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._start()

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._start()

    def _start(self) -> None:
        self._done, self._batches, self._since = 0, 0, time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, index: int
    ) -> None:
        scenes = isinstance(batch, SceneBatch)
        self._done += len(batch) if scenes else int(batch.target.lengths.sum())
        self._batches += 1
        if self._batches < self.every_n_steps:
            return
        speed = self._done * trainer.world_size / (time.perf_counter() - self._since)
        name = f"train/{'scenes' if scenes else 'tokens'}_per_second"
        module.log(name, speed, prog_bar=True, batch_size=len(batch))
        self._start()
