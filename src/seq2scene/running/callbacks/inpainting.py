"""Callbacks of inpainters: samples of what they paint, and the speed of training."""

import time
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from seq2scene.compositing.simulated_composites import Mending, Stencils
from seq2scene.data.scenes.simulated_scenes import SimulatedScenes
from seq2scene.plotting.figures import new_figure, to_pixels
from seq2scene.running.callbacks.samples import Samples, Table
from seq2scene.running.callbacks.throughput import Throughput
from seq2scene.tasks.inpainting import InpaintingTask

TABLE = ["number", "photo", "error", "composite_error", "label_accuracy", "composite_label_accuracy"]


class InpaintingSamples(Samples):
    """After every validation, for the same few photos: ``folder/step_NNNNNN.csv``, the error of each, and of
    the first ``pictures`` of them the composite, what was made of it and the photo, side by side.
    """

    def _make(self, data: SimulatedScenes, task: InpaintingTask) -> tuple[str, Table, dict[int, np.ndarray]]:
        ids = data.photo_ids("val")
        chosen = self._spread(len(ids))
        mending = task.mend(data.sample("val", np.asarray(chosen)).to(task.device))
        made = task.inpaint(mending.composite)
        columns = []
        for found in (made, mending.composite):
            columns.append((found.pictures - mending.pictures).abs().mean((1, 2, 3)).tolist())
            columns.append((found.labels == mending.labels).float().mean((1, 2)).tolist())
        rows = []
        for place, number in enumerate(chosen):
            error, accuracy, before, accuracy_before = (round(each[place], 3) for each in columns)
            rows.append([number + 1, ids[number], error, before, accuracy, accuracy_before])
        drawn = range(min(self.pictures, len(chosen)))
        pictures = {chosen[n] + 1: draw_mending(mending, made.pictures, n) for n in drawn}
        return "val/scenes", [TABLE, *rows], pictures


class InpaintingThroughput(Throughput):
    """Logs ``train/photos_per_second`` of all ranks over the last ``every_n_steps`` batches."""

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Stencils, index: int
    ) -> None:
        self._done += len(batch)
        self._batches += 1
        if self._batches == self.every_n_steps:
            speed = self._done * trainer.world_size / (time.perf_counter() - self._since)
            module.log("train/photos_per_second", speed, prog_bar=True, batch_size=len(batch))
            self._start()


def draw_mending(mending: Mending, made: Tensor, row: int) -> np.ndarray:
    """One composite, what was made of it and the photo it comes from, side by side: (y, x, 3) uint8."""
    figure = new_figure(6.6, 2.3)
    shown = {"composite": mending.composite.pictures, "inpainted": made, "photo": mending.pictures}
    for axes, (title, pictures) in zip(figure.subplots(1, 3), shown.items(), strict=True):
        axes.imshow(pictures[row].permute(1, 2, 0).round().to("cpu", torch.uint8).numpy())
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
    return to_pixels(figure)
