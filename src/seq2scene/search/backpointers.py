"""Back-pointers of a beam search, followed once at the end."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from seq2scene.search.decoder import map_tensors
from seq2scene.search.hypotheses import expand


@dataclass(frozen=True)
class Step:
    """One step of the b active sentences, each with C candidates, best first.

    sentences: (b,) their indices in the batch. tokens, log_probs: (b, C) of the candidates' last words.
    parents: (b, C) the beam that each extends. kept: (b, beams) the candidates that became the next step's
    beams.
    ended: (b, E) the scores of the first E candidates as hypotheses, -inf if they did not end.
    weights, trace: the decoder's at this step, one row for each of the b sentences' beams before it; None if
    not recorded.
    """

    sentences: Tensor
    tokens: Tensor
    log_probs: Tensor
    parents: Tensor
    kept: Tensor
    ended: Tensor
    weights: Tensor | None
    trace: Any

    def rows(self, batch: int) -> Tensor:
        """(batch,) the row here of each sentence of the batch; 0 for those no longer active."""
        rows = torch.zeros(batch, dtype=torch.int64, device=self.sentences.device)
        return rows.index_copy_(0, self.sentences, torch.arange(len(self.sentences), device=rows.device))

    def beside(self, rows: Tensor, beams: Tensor, written: Tensor) -> tuple[Tensor | None, Any]:
        """The weights and trace of the ``beams`` (B, N) of the sentences in ``rows`` (B,), each tensor (B, N,
        ...), 0 where ``written`` (B, N) is False.
        """

        def of(leaf: Tensor) -> Tensor:
            by_beam = leaf.unflatten(0, (len(self.sentences), -1))  # (b, beams before, ...)
            chosen = by_beam[rows.unsqueeze(1), beams]
            return chosen * expand(written, chosen)

        return map_tensors(of, (self.weights, self.trace))


@dataclass(frozen=True)
class Endings:
    """The best N hypotheses of B sentences: scores, last steps and candidates at those steps, each (B, N).

    Missing hypotheses have score -inf and step -1.
    """

    scores: Tensor
    steps: Tensor
    candidates: Tensor


def best_endings(backpointers: list[Step], batch: int, count: int, device: torch.device) -> Endings:
    """The ``count`` best of each of ``batch`` sentences; ties go to the one found first."""
    blanks = torch.zeros(
        count, dtype=torch.int64, device=device
    )  # come first, so they beat all others at -inf
    scores = [torch.full((batch, count), -torch.inf, device=device)]
    steps, candidates = [blanks - 1], [blanks]
    for number, step in enumerate(backpointers):
        everyone = step.ended.new_full((batch, step.ended.shape[1]), -torch.inf)
        scores.append(everyone.index_copy_(0, step.sentences, step.ended))
        candidates.append(torch.arange(everyone.shape[1], device=device))
        steps.append(torch.full_like(candidates[-1], number))
    ranked, order = torch.cat(scores, dim=1).sort(dim=1, descending=True, stable=True)
    order = order[:, :count]
    return Endings(ranked[:, :count], torch.cat(steps)[order], torch.cat(candidates)[order])


def follow(backpointers: list[Step], endings: Endings, pad: int) -> tuple[Tensor, Tensor, Tensor | None, Any]:
    """Follows the back-pointers: padded tokens and log-probabilities (B, N, T), weights (B, N, T, S) or None,
    and the trace, its tensors (B, N, T, ...).
    """
    last = int(endings.steps.max())
    shape = *endings.steps.shape, max(1, last + 1)
    tokens = endings.steps.new_full(shape, pad)
    log_probs = endings.scores.new_zeros(shape)
    beside = (backpointers[0].weights, backpointers[0].trace) if backpointers else (None, None)
    beside = map_tensors(lambda leaf: leaf.new_zeros(*shape, *leaf.shape[1:]), beside)
    beams = torch.zeros_like(endings.steps)  # (B, N) the beam of each hypothesis after the step
    for number in range(last, -1, -1):
        step = backpointers[number]
        rows = step.rows(len(beams))
        written = endings.steps >= number  # (B, N)
        chosen = torch.where(endings.steps == number, endings.candidates, step.kept[rows].gather(1, beams))
        chosen = chosen.where(written, 0)
        tokens[:, :, number] = step.tokens[rows].gather(1, chosen).where(written, pad)
        log_probs[:, :, number] = step.log_probs[rows].gather(1, chosen).where(written, 0.0)
        beams = step.parents[rows].gather(1, chosen).where(written, 0)
        map_tensors(partial(_write, number), beside, step.beside(rows, beams, written))
    return tokens, log_probs, *beside


def _write(number: int, everything: Tensor, step: Tensor) -> Tensor:
    everything[:, :, number] = step
    return everything
