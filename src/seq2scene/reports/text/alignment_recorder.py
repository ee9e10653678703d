"""Word alignments, recorded while test sets are translated and scored."""

from dataclasses import dataclass
from typing import Literal

import pytorch_lightning as pl
import torch
from torch import Tensor

from seq2scene.search.hypotheses import Hypotheses
from seq2scene.sequences.alignments import hard_alignment
from seq2scene.sequences.batch import ParallelBatch
from seq2scene.tasks.nmt import NMT

Kind = Literal["search", "forced"]  # whose alignments


@dataclass(frozen=True)
class AlignedLine:
    """A target line and the source words that its words are aligned with.

    words (T,), without EOS. unknown (T,): which of them are <unk>. sources (T,): the source word of each,
    from 0, or NO_LINK. soft: (T, S) alignment weights, or None.
    """

    line: int
    words: list[str]
    unknown: list[bool]
    sources: list[int]
    soft: Tensor | None = None


class RecordAlignments(pl.Callback):
    """Records the alignments of this rank's lines: with ``of="search"`` of the hypotheses, with
    ``of="forced"`` of the force-decoded references.

    shift: see ``sequences.alignments``. soft: the number of lines, from the first, whose soft alignment is
    recorded too.
    """

    def __init__(self, of: Kind = "search", shift: int = 0, soft: int = 0) -> None:
        self.of, self.shift, self.soft = of, shift, soft
        self.lines: dict[str, list[AlignedLine]] = {}  # by test set

    def on_test_start(self, trainer: pl.Trainer, module: NMT) -> None:
        module.keep_weights |= self.of == "search"
        self.lines[module.test_name] = []

    def on_test_end(self, trainer: pl.Trainer, module: NMT) -> None:
        module.keep_weights = False

    def on_test_batch_end(
        self, trainer: pl.Trainer, module: NMT, outputs: Hypotheses, batch: ParallelBatch, *where: int
    ) -> None:
        if self.of == "forced":
            ids, weights = batch.target.ids, module.forced_weights(batch)
        else:
            ids = outputs.tokens[:, 0]
            if outputs.weights is None:  # a batch of empty lines has nothing to attend to
                weights = torch.zeros(*ids.shape, batch.source.ids.shape[1], device=ids.device)
            else:
                weights = outputs.weights[:, 0]
        self.lines[module.test_name] += self._aligned(module, batch, ids, weights)

    def _aligned(self, task: NMT, batch: ParallelBatch, ids: Tensor, weights: Tensor) -> list[AlignedLine]:
        soft = task.model.soft_alignment(batch.source, ids, weights, self.shift)
        sources, unknown = hard_alignment(soft).tolist(), (ids == task.target.vocabulary.unk).tolist()
        lines = []
        for row, (line, tokens) in enumerate(zip(batch.lines.tolist(), ids.cpu(), strict=True)):
            words = task.target.tokens(tokens)
            kept = soft[row, : len(words), : batch.source.lengths[row]] if line < self.soft else None
            lines.append(
                AlignedLine(
                    line,
                    words,
                    unknown[row][: len(words)],
                    sources[row][: len(words)],
                    None if kept is None else kept.float().cpu().clone(),
                )
            )
        return lines


@torch.no_grad()
def forced_alignment(task: NMT, batch: ParallelBatch, shift: int) -> Tensor:
    """The source word (B, T) of each word of the force-decoded targets, on the CPU."""
    weights = task.forced_weights(batch)
    return hard_alignment(task.model.soft_alignment(batch.source, batch.target.ids, weights, shift)).cpu()
