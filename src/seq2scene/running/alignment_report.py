"""What evaluation tells of word alignments, each thing only where it is asked for."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from seq2scene.data.text.parallel_text import ParallelText
from seq2scene.errors import UserError
from seq2scene.plotting.attention_map import draw_attention
from seq2scene.plotting.figures import save_picture
from seq2scene.running.alignment_error_report import (
    GoldPairs,
    read_gold_pairs,
    score_gold,
    show_gold,
    word_language,
)
from seq2scene.running.callbacks.alignments import KINDS, AlignedLine, RecordAlignments
from seq2scene.running.distributed import gather
from seq2scene.running.unknown_word_report import learn_dictionary, score_replaced, show_replaced
from seq2scene.sequences.alignments import links, require_shift, write_pharaoh
from seq2scene.sequences.unknown_words import chosen_dictionary, save_dictionary
from seq2scene.tasks.loading import require_translation
from seq2scene.tasks.nmt import NMT

ALIGNMENT_CHOICES = (
    "alignments",
    "align_shift",
    "pictures",
    "gold",
    "gold_text",
    "replace_unk",
    "learn_dictionary",
)


@dataclass
class AlignmentReport:
    """The choices of conf/evaluate.yaml about alignments, by the same names; by default nothing is done.

    Whatever of them cannot be done is a UserError when the report is made, before anything is translated.
    """

    task: NMT
    alignments: str | None = None
    align_shift: int = 0
    pictures: int = 0
    gold: str | None = None
    gold_text: str | None = None
    replace_unk: str | None = None
    learn_dictionary: str | None = None
    pairs: GoldPairs | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        if self.alignments not in (None, *KINDS):
            raise UserError(f"alignments={self.alignments} is not a choice; choose one of {', '.join(KINDS)}")
        require_shift(self.align_shift)
        if not isinstance(self.pictures, int) or self.pictures < 0:
            raise UserError(f"pictures={self.pictures}: give a number of lines to draw")
        wanted = (self.alignments, self.pictures, self.gold, self.replace_unk, self.learn_dictionary)
        if any(wanted):
            require_translation(self.task, "a report on alignments")
        if any(wanted) and self.task.net.decoder.attention is None:
            raise UserError(
                "this model has no attention and so no alignments: leave out alignments, pictures, gold, "
                "replace_unk and learn_dictionary, or train with another choice than attention=none"
            )
        if self.gold is not None:
            word_language(self.task.source, "source"), word_language(self.task.target, "target")
            self.pairs = read_gold_pairs(self.gold, self.gold_text)
        self.dictionary: dict[str, str] = {}
        if self.replace_unk not in (None, self.learn_dictionary):
            self.dictionary = chosen_dictionary(self.replace_unk)

    @property
    def kind(self) -> str | None:
        """Whose alignments are written and drawn."""
        return self.alignments or ("search" if self.pictures else None)

    def recorder(self) -> RecordAlignments:
        """What has to watch the test sets being scored."""
        kinds = {self.kind} if self.kind else set()
        return RecordAlignments(
            kinds | ({"search"} if self.replace_unk else set()), self.align_shift, self.pictures
        )

    def write(
        self,
        recorder: RecordAlignments,
        trainer: pl.Trainer,
        data: ParallelText,
        results: dict[str, dict[str, Any]],
        folder: Path,
    ) -> None:
        """Writes into ``folder`` what was asked for and adds the scores of each test set to ``results``;
        called on every rank.
        """
        for name in results if self.kind else ():
            lines = gather(recorder.lines[name, self.kind], trainer.world_size)
            if trainer.is_global_zero:
                self._write_lines(name, sorted(lines, key=lambda one: one.line), data, folder)
        if self.learn_dictionary is not None:
            entries = learn_dictionary(self.task, data, self.align_shift, trainer)
            if trainer.is_global_zero:
                save_dictionary(Path(self.learn_dictionary), entries)
            if self.replace_unk == self.learn_dictionary:
                self.dictionary = {entry.source: entry.target for entry in entries}
        for name in results if self.replace_unk else ():
            lines = recorder.lines[name, "search"]
            results[name] |= score_replaced(name, lines, self.dictionary, self.task, data, folder, trainer)
        gold = self.pairs and score_gold(self.task, self.pairs, self.align_shift, folder, trainer)
        if trainer.is_global_zero:
            if self.replace_unk:
                show_replaced(results)
            if gold:
                show_gold(gold)

    def _write_lines(self, name: str, lines: list[AlignedLine], data: ParallelText, folder: Path) -> None:
        """NAME.alignments.txt, every line's links `source-target`, and pictures of the first few lines,
        NAME.alignments/line_N.png, both in the source's own order.
        """
        write_pharaoh(folder / f"{name}.alignments.txt", (links(one.sources) for one in lines))
        sources = data.sources(name)
        for one in lines:
            if one.soft is not None:
                words = self.task.source.tokenizer.split(sources[one.line])
                picture = draw_attention(one.soft[:, : len(words)], words, one.words)
                save_picture(folder / f"{name}.alignments" / f"line_{one.line + 1}.png", picture)
