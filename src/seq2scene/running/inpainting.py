"""Inpainters in training and in tests: their scores, and what they make, for the eye."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from torch import Tensor

from seq2scene.compositing.simulated_composites import Mending, Stencils
from seq2scene.data.scenes.simulated_scenes import SimulatedScenes
from seq2scene.json_text import write_json
from seq2scene.plotting.figures import new_figure, to_pixels
from seq2scene.running.callbacks.samples import Samples, Table
from seq2scene.running.callbacks.throughput import Throughput
from seq2scene.tasks.inpainting import InpaintingTask

TABLE = ["number", "photo", "error", "composite_error", "label_accuracy", "composite_label_accuracy"]
UNCHANGED = "composite"  # the key in metrics.json of the scores of composites as they were


def evaluate_inpainting(
    trainer: pl.Trainer, task: InpaintingTask, data: SimulatedScenes, folder: Path
) -> dict[str, Any]:
    """Scores every test set; the scores by name of the set and of the score, and under ``composite`` those of
    the composites as they were. Into ``folder`` goes metrics.json.
    """
    data.trainer = trainer  # the loaders deal to its ranks
    results: dict[str, Any] = {}
    for name, loader in zip(data.test_names, data.test_dataloader(), strict=True):
        task.test_name = name
        (scores,) = trainer.test(task, dataloaders=loader, verbose=False)
        found = {key.removeprefix(f"test/{name}/"): value for key, value in scores.items()}
        before = f"{UNCHANGED}_"
        results[name] = {key: value for key, value in found.items() if not key.startswith(before)}
        results[name][UNCHANGED] = {
            key.removeprefix(before): value for key, value in found.items() if key.startswith(before)
        }
    if trainer.is_global_zero:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "metrics.json", results)
    return results


class InpaintingSamples(Samples):
    """After every validation the same few photos: ``folder/step_NNNNNN.csv``, how far off each was, and of
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
    """Logs ``train/photos_per_second`` over the last ``every_n_steps`` batches, of all ranks."""

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
    """One composite, what was made of it and the photo that it comes from, (y, x, 3) uint8."""
    figure = new_figure(6.6, 2.3)
    shown = {"composite": mending.composite.pictures, "inpainted": made, "photo": mending.pictures}
    for axes, (title, pictures) in zip(figure.subplots(1, 3), shown.items(), strict=True):
        axes.imshow(pictures[row].permute(1, 2, 0).round().to("cpu", torch.uint8).numpy())
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
    return to_pixels(figure)
