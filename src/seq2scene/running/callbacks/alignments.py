"""The word alignments of test sets, recorded while they are translated and scored."""

from collections import defaultdict
from dataclasses import dataclass

import pytorch_lightning as pl
import torch
from torch import Tensor

from seq2scene.search.hypotheses import Hypotheses
from seq2scene.sequences.alignments import hard_alignment
from seq2scene.sequences.batch import ParallelBatch
from seq2scene.tasks.nmt import NMT

KINDS = ("search", "forced")


@dataclass(frozen=True)
class AlignedLine:
    """One line and the source words it was written from.

    words (T,), without EOS. unknown (T,): which of them are <unk>. sources (T,): the source word of each,
    from 0, or NO_LINK. soft: (T, S) how much each belongs to each source word, or None.
    """

    line: int
    words: list[str]
    unknown: list[bool]
    sources: list[int]
    soft: Tensor | None = None


class RecordAlignments(pl.Callback):
    """Keeps, by test set, how this rank's lines are aligned: the ``search``'s output, the references,
    ``forced``-decoded, or both; ``soft`` is kept of the first so many lines.
    """

    def __init__(self, kinds: set[str], shift: int = 0, soft: int = 0) -> None:
        assert kinds <= set(KINDS)
        self.kinds, self.shift, self.soft = kinds, shift, soft
        self.lines: dict[tuple[str, str], list[AlignedLine]] = defaultdict(list)  # by test set and kind

    def on_test_start(self, trainer: pl.Trainer, module: NMT) -> None:
        module.keep_weights = "search" in self.kinds
        for kind in self.kinds:
            self.lines[module.test_name, kind] = []

    def on_test_batch_end(
        self, trainer: pl.Trainer, module: NMT, outputs: Hypotheses, batch: ParallelBatch, *where: int
    ) -> None:
        for kind in self.kinds:
            if kind == "search":
                ids = outputs.tokens[:, 0]
                if outputs.weights is None:  # nobody looks anywhere in a batch of empty lines
                    weights = torch.zeros(*ids.shape, batch.source.ids.shape[1], device=ids.device)
                else:
                    weights = outputs.weights[:, 0]
            else:
                ids, weights = batch.target.ids, module.forced_weights(batch)
            self.lines[module.test_name, kind] += self._aligned(module, batch, ids, weights)

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
    """The source word (B, T) of each word of the targets, force-decoded, on the CPU."""
    weights = task.forced_weights(batch)
    return hard_alignment(task.model.soft_alignment(batch.source, batch.target.ids, weights, shift)).cpu()
