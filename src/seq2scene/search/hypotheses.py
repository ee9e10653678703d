"""The result of a search."""

from dataclasses import dataclass, fields
from typing import Any, Self

import torch
from torch import Tensor

from seq2scene.search.decoder import map_tensors


@dataclass(frozen=True)
class Hypotheses:
    """N hypotheses for each of B sentences: best first from beam search, in sampling order from a sampler.

    tokens: (B, N, T) int64, each ending in EOS and then padded.
    lengths: (B, N) int64, EOS included; 0 if beam search found fewer than N hypotheses.
    scores: (B, N), which rank the hypotheses: normalised, EOS included; -inf where the length is 0.
    log_probs: (B, N), the model's log-probability of the whole hypothesis: the sum of ``token_log_probs``,
    and of ``trace.log_probs`` if the search counts how objects stand (``Constraints.whole_objects``).
    token_log_probs: (B, N, T), EOS included, 0 on padding. The model's own, whatever was banned or forced.
    finished: (B, N) bool, False where the length limit forced EOS. Such a hypothesis is scored like any
    other, with the model's log-probability of EOS there.
    weights: (B, N, T, S) attention over the source, 0 on padding; None unless requested and the model
    attends.
    trace: any other per-step outputs of the decoder, each tensor (B, N, T, ...), 0 on padding; None if it has
    none. Entry t is from the step that read token t - 1 (BOS at first).

    A sentence with an empty source gets only EOS, with log-probability 0.
    """

    tokens: Tensor
    lengths: Tensor
    scores: Tensor
    log_probs: Tensor
    token_log_probs: Tensor
    finished: Tensor
    weights: Tensor | None = None
    trace: Any = None

    @classmethod
    def of(
        cls,
        tokens: Tensor,
        scores: Tensor,
        token_log_probs: Tensor,
        limits: Tensor,
        pad: int,
        weights: Tensor | None,
        trace: Any,
        whole_objects: bool,
    ) -> Self:
        """Derives the other fields; ``limits`` (B,) are the maximum numbers of words."""
        log_probs = whole_log_probs(token_log_probs, trace, whole_objects)
        lengths = (tokens != pad).sum(2)
        finished = (lengths > 0) & (lengths <= limits.unsqueeze(1))
        return cls(tokens, lengths, scores, log_probs, token_log_probs, finished, weights, trace)

    def __len__(self) -> int:
        return len(self.tokens)

    def best(self, count: int) -> Self:
        """The ``count`` hypotheses of each sentence with the highest scores, best first."""
        order = self.scores.sort(dim=1, descending=True, stable=True).indices[:, :count]
        rows = torch.arange(len(self), device=order.device).unsqueeze(1)
        values = [getattr(self, field.name) for field in fields(self)]
        return type(self)(*map_tensors(lambda tensor: tensor[rows, order], values))

    def to(self, device: torch.device | str) -> Self:
        values = [getattr(self, field.name) for field in fields(self)]
        return type(self)(*map_tensors(lambda tensor: tensor.to(device), values))


def whole_log_probs(token_log_probs: Tensor, trace: Any, whole_objects: bool) -> Tensor:
    """(B, N) the sum over a hypothesis of its token_log_probs (B, N, T), and with ``whole_objects`` of those
    of its trace, which is None where nothing was written.
    """
    total = token_log_probs.sum(2)
    return total + trace.log_probs.sum(2) if whole_objects and trace is not None else total


def expand(mask: Tensor, values: Tensor) -> Tensor:
    """``mask`` with trailing dimensions added, so that it broadcasts with ``values``."""
    return mask.view(*mask.shape, *[1] * (values.dim() - mask.dim()))


def force_empty(tokens: Tensor, scores: Tensor, sentences: Tensor, eos: int) -> None:
    """Replaces every hypothesis of ``sentences`` (any,) by EOS alone, in place: tokens (B, N, T), scores (B,
    N).
    """
    tokens[sentences, :, 0] = eos
    scores[sentences] = 0.0
