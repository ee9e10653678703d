"""The same few validation lines, translated after every validation: a table and pictures of attention."""

import csv
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger, WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from seq2scene.painting.attention_map import draw_attention
from seq2scene.painting.figures import save_picture
from seq2scene.sequences.batch import Sentences

COLUMNS = ["line", "source", "reference", "translation", "log_prob"]


class SampleTranslations(pl.Callback):
    """Writes ``folder/step_NNNNNN.csv`` and attention maps ``folder/step_NNNNNN_line_L.png``, and shows both
    to W&B and TensorBoard where those log. ``lines`` are spread evenly over the validation set; the first
    ``pictures`` of them are drawn.
    """

    def __init__(self, folder: str, lines: int = 8, pictures: int = 3) -> None:
        self.folder, self.lines, self.pictures = Path(folder), lines, pictures

    @rank_zero_only
    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.sanity_checking:
            return
        data = trainer.datamodule
        sources, references = data.sources("val"), data.references("val")
        chosen = np.linspace(0, len(sources) - 1, min(self.lines, len(sources))).round().astype(int).tolist()
        batch = data.source_batch([sources[line] for line in chosen]).to(module.device)
        with torch.no_grad():
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
        self._write(trainer, rows, pictures)
        self._show(trainer, rows, pictures)

    def _draw(self, module: pl.LightningModule, batch: Sentences, found, row: int) -> np.ndarray:
        source = module.source.vocabulary.tokens(batch.ids[row, : batch.lengths[row]].tolist())
        target = module.target.vocabulary.tokens(found.tokens[row, 0, : found.lengths[row, 0]].tolist())
        weights = found.weights[row, 0, : len(target), : len(source)]
        return draw_attention(weights.float().numpy(), source, target)

    def _write(self, trainer: pl.Trainer, rows: list[list], pictures: dict[int, np.ndarray]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        stem = f"step_{trainer.global_step:06d}"
        with open(self.folder / f"{stem}.csv", "w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([COLUMNS, *rows])
        for line, picture in pictures.items():
            save_picture(self.folder / f"{stem}_line_{line}.png", picture)

    def _show(self, trainer: pl.Trainer, rows: list[list], pictures: dict[int, np.ndarray]) -> None:
        for logger in trainer.loggers:
            if isinstance(logger, WandbLogger):
                logger.log_table("val/translations", columns=COLUMNS, data=rows)
                for line, picture in pictures.items():
                    logger.log_image(f"val/attention/line_{line}", images=[picture])
            elif isinstance(logger, TensorBoardLogger):
                table = "\n".join("|".join(map(str, row)) for row in [COLUMNS, ["---"] * len(COLUMNS), *rows])
                logger.experiment.add_text("val/translations", table, trainer.global_step)
                for line, picture in pictures.items():
                    logger.experiment.add_image(
                        f"val/attention/line_{line}", picture, trainer.global_step, dataformats="HWC"
                    )
