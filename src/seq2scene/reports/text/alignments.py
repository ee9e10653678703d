"""Word alignments of test sets, read from attention, as links and as pictures."""

from pathlib import Path

import pytorch_lightning as pl

from seq2scene.errors import UserError
from seq2scene.plotting.attention_map import draw_attention
from seq2scene.plotting.figures import save_picture
from seq2scene.reports.report import Report, ScoredSet
from seq2scene.reports.text.alignment_recorder import AlignedLine, Kind, RecordAlignments
from seq2scene.sequences.alignments import links, require_shift, write_pharaoh
from seq2scene.tasks.nmt import NMT


def require_attention(report: Report, task: NMT) -> None:
    """Raises UserError for a model that attends to nothing."""
    if task.model.decoder.attention is None:
        raise UserError(
            f"{report.name}: this model has no attention and so no alignments; leave the report out, or "
            "train with another choice than attention=none"
        )


class Alignments(Report):
    """NAME.alignments.txt, the links `source-target` of each line, and pictures of the first few lines,
    NAME.alignments/line_N.png, both in the natural order of the source.

    of: search, of what the model wrote, or forced, of the force-decoded references. shift: see
    ``sequences.alignments``. pictures: the number of lines that are drawn.
    """

    name = "alignments"
    tasks = (NMT,)

    def __init__(self, of: Kind = "search", shift: int = 0, pictures: int = 0) -> None:
        require_shift(shift)
        self.pictures = pictures
        self.recorder = RecordAlignments(of, shift, pictures)
        self._lines: list[AlignedLine] = []

    def check(self, task: NMT) -> None:
        super().check(task)
        require_attention(self, task)

    def callbacks(self) -> list[pl.Callback]:
        return [self.recorder]

    def score(self, test: ScoredSet) -> None:
        lines = test.gather(self.recorder.lines[test.name])
        self._lines = sorted(lines, key=lambda one: one.line)

    def write(self, test: ScoredSet, folder: Path) -> None:
        write_pharaoh(folder / f"{test.name}.alignments.txt", (links(one.sources) for one in self._lines))
        sources = test.data.sources(test.name)
        for one in self._lines:
            if one.soft is not None:
                words = test.task.source.tokenizer.split(sources[one.line])
                picture = draw_attention(one.soft[:, : len(words)], words, one.words)
                save_picture(folder / f"{test.name}.alignments" / f"line_{one.line + 1}.png", picture)
