"""Samples after every validation: a table of outputs, and pictures of attention if the model attends.

The inputs are the same each time: a few validation lines for a translator, texts for a scene model, photos
for a captioner; a language model samples texts with a fixed seed.
"""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only

from seq2scene.models.scene_strips import strip_of
from seq2scene.plotting.attention_map import draw_attention
from seq2scene.plotting.figures import save_picture
from seq2scene.reports.captioning.caption_drawing import draw_caption, split_batch
from seq2scene.reports.report import attempt
from seq2scene.reports.scene.scene_drawing import true_pictures
from seq2scene.running.wandb_runs import WandbRun
from seq2scene.scenes.scene_json import to_plain
from seq2scene.sequences.batch import Sentences
from seq2scene.tasks.captioning import Captioning
from seq2scene.tasks.lm import LM
from seq2scene.tasks.scenes import SceneTask

Table = list[list[Any]]  # column names, then rows
TRANSLATIONS = ["line", "source", "reference", "translation", "log_prob"]
TEXTS = ["number", "text", "log_prob"]
CAPTIONS = ["number", "photo", "reference", "caption", "log_prob"]
SCENES = ["sample", "sentences", "true", "generated", "log_prob"]


class Samples(pl.Callback):
    """Writes ``folder/step_NNNNNN.csv`` and attention maps ``folder/step_NNNNNN_line_L.png``, and logs both
    to W&B and TensorBoard if enabled. ``lines`` samples are spread evenly over the validation set (a language
    model writes this many texts); the first ``pictures`` of them are drawn.
    """

    def __init__(self, folder: str, lines: int = 8, pictures: int = 3) -> None:
        self.folder, self.lines, self.pictures = Path(folder), lines, pictures

    @rank_zero_only
    @torch.no_grad()
    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        with attempt(f"samples of step {trainer.global_step}"):
            name, table, pictures = self._make(trainer.datamodule, module)
            self._save(trainer, table, pictures)
            self._show(trainer, name, table, pictures)

    def _make(self, data, module) -> tuple[str, Table, dict[int, np.ndarray]]:
        """Their name in the loggers, the table, and pictures by line."""
        if isinstance(module, SceneTask):
            return "val/scenes", *self._write_scenes(data, module)
        if isinstance(module, Captioning):
            return "val/captions", *self._caption(data, module)
        if isinstance(module, LM):
            return "val/texts", self._write_texts(module), {}
        return "val/translations", *self._translate(data, module)

    def _translate(self, data, module) -> tuple[Table, dict[int, np.ndarray]]:
        sources, references = data.sources("val"), data.references("val")
        chosen = self._spread(len(sources))
        batch = data.source_batch([sources[line] for line in chosen]).to(module.device)
        found = module.translate(batch, "val", keep_weights=True).to("cpu")
        rows = []
        for row, line in enumerate(chosen):
            text = module.target.decode(found.tokens[row, 0])
            rows.append(
                [line + 1, sources[line], references[line], text, round(found.log_probs[row, 0].item(), 3)]
            )
        pictures = {}
        if found.weights is not None:
            for row, line in enumerate(chosen[: self.pictures]):
                pictures[line + 1] = self._draw(module, batch, found, row)
        return [TRANSLATIONS, *rows], pictures

    def _write_scenes(self, data, module: SceneTask) -> tuple[Table, dict[int, np.ndarray]]:
        texts = module.model.texts
        sentences, truth = data.texts("val"), data.truth("val")
        chosen = self._spread(len(sentences))
        written = module.write(texts.batch([sentences[line] for line in chosen]).to(module.device), "val")
        objects = to_plain(written.objects.to("cpu"), module.schema)
        true = to_plain(truth[torch.tensor(chosen)], module.schema)
        copies = written.log_probs.shape[1]
        rows: Table = [SCENES]
        pictures: dict[int, np.ndarray] = {}
        for row, line in enumerate(chosen):
            at, text = row * copies, " ".join(sentences[line])
            names = [" ".join(one["class"] for one in scene) for scene in (true[row], objects[at])]
            rows.append([line + 1, text, *names, round(written.log_probs[row, 0].item(), 3)])
            if row < self.pictures:
                words = module.model.words(sentences[line])
                true_picture = true_pictures(module, data, "val", line)
                shown = true_picture.get("photo", true_picture["true"])
                pictures[line + 1] = strip_of(module.model, written, at, words, shown, text)
        return rows, pictures

    def _caption(self, data, module: Captioning) -> tuple[Table, dict[int, np.ndarray]]:
        references = data.references("val")
        chosen = self._spread(len(references))
        batch = split_batch(module, data, "val", chosen)
        found = module.caption(batch, "val", keep_weights=True).to("cpu")
        rows: Table = [CAPTIONS]
        pictures: dict[int, np.ndarray] = {}
        for row, number in enumerate(chosen):
            text, score = module.language.decode(found.tokens[row, 0]), found.log_probs[row, 0].item()
            name = data.image_name("val", number)
            rows.append([number + 1, name, references[number][0], text, round(score, 3)])
            if row < self.pictures and (picture := draw_caption(module, batch, found, row)) is not None:
                pictures[number + 1] = picture
        return rows, pictures

    def _spread(self, total: int) -> list[int]:
        """Indices of the validation samples to use, evenly spread."""
        return np.linspace(0, total - 1, min(self.lines, total)).round().astype(int).tolist()

    def _write_texts(self, module: LM) -> Table:
        with torch.random.fork_rng([module.device] if module.device.type == "cuda" else []):
            torch.manual_seed(0)
            found = module.generate(self.lines, "val").to("cpu")
        rows = zip(found.tokens[:, 0], found.log_probs[:, 0].tolist(), strict=True)
        texts = [[n, module.language.decode(ids), round(score, 3)] for n, (ids, score) in enumerate(rows, 1)]
        return [TEXTS, *texts]

    def _draw(self, module: pl.LightningModule, batch: Sentences, found, row: int) -> np.ndarray:
        source = module.source.vocabulary.tokens(batch.ids[row, : batch.lengths[row]].tolist())
        target = module.target.vocabulary.tokens(found.tokens[row, 0, : found.lengths[row, 0]].tolist())
        weights = found.weights[row, 0, : len(target), : len(source)]
        return draw_attention(weights.float().numpy(), source, target)

    def _save(self, trainer: pl.Trainer, table: Table, pictures: dict[int, np.ndarray]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        stem = f"step_{trainer.global_step:06d}"
        with open(self.folder / f"{stem}.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(table)
        for line, picture in pictures.items():
            save_picture(self.folder / f"{stem}_line_{line}.png", picture)

    def _show(self, trainer: pl.Trainer, name: str, table: Table, pictures: dict[int, np.ndarray]) -> None:
        columns, *rows = table
        kind = name if name == "val/scenes" else "val/attention"
        for logger in trainer.loggers:
            if isinstance(logger, WandbRun):
                logger.log_samples(name, columns, rows, pictures, trainer.global_step)
            elif isinstance(logger, TensorBoardLogger):
                text = "\n".join("|".join(map(str, row)) for row in [columns, ["---"] * len(columns), *rows])
                logger.experiment.add_text(name, text, trainer.global_step)
                for line, picture in pictures.items():
                    logger.experiment.add_image(
                        f"{kind}/line_{line}", picture, trainer.global_step, dataformats="HWC"
                    )
