"""Pictures of where a captioner looked while it wrote."""

from pathlib import Path

import torch

from seq2scene.errors import UserError
from seq2scene.plotting.figures import save_picture
from seq2scene.reports.captioning.caption_drawing import draw_caption, split_batch
from seq2scene.reports.report import Report, ScoredSet
from seq2scene.tasks.captioning import Captioning


class CaptionPictures(Report):
    """NAME.captions/ROW_IMAGE.png of ``count`` images, spread evenly over the test set."""

    name = "caption_pictures"
    tasks = (Captioning,)

    def __init__(self, count: int = 8) -> None:
        self.count = count

    def check(self, task: Captioning) -> None:
        super().check(task)
        if self.count and task.model.decoder.attention is None:
            raise UserError("caption_pictures: this model has no attention")

    @torch.no_grad()
    def write(self, test: ScoredSet, folder: Path) -> None:
        total = len(test.data.references(test.name))
        rows = torch.linspace(0, total - 1, min(self.count, total)).round().long().tolist()
        for row in rows:
            batch = split_batch(test.task, test.data, test.name, [row])
            picture = draw_caption(test.task, batch, test.task.caption(batch, keep_weights=True), 0)
            if picture is not None:  # a layout without objects has nothing to look at
                stem = Path(test.data.image_name(test.name, row)).stem
                save_picture(folder / f"{test.name}.captions" / f"{row:04d}_{stem}.png", picture)
