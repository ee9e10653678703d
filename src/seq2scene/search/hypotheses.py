"""What a search found."""

from dataclasses import dataclass, fields
from typing import Any, Self

import torch
from torch import Tensor

from seq2scene.search.decoder import map_tensors


@dataclass(frozen=True)
class Hypotheses:
    """N hypotheses for each of B sentences: best first from a beam, in the order drawn from a sampler.

    tokens: (B, N, T) int64, each ending in EOS and then padded.
    lengths: (B, N) int64, EOS included; 0 where a beam found fewer than N hypotheses.
    scores: (B, N), what hypotheses are ranked by: normalised, EOS included; -inf where the length is 0.
    log_probs: (B, N), the model's log-probability of the whole hypothesis: the sum of ``token_log_probs``.
    token_log_probs: (B, N, T), EOS included, 0 on padding. Of the model itself, whatever was banned or
    forced.
    finished: (B, N) bool, False where the length limit left no choice but EOS. Such a hypothesis is scored
    like any other, with the log-probability that the model gives to EOS there.
    weights: (B, N, T, S) attention over the source, 0 on padding; None unless asked for and there is
    attention.
    trace: what else the decoder found at each step, as it gave it, but each tensor (B, N, T, ...), 0 on
    padding; None where it gives none. Entry t is of the step that read token t - 1 (BOS at first).

    A sentence without a source has EOS alone, at log-probability 0.
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
    ) -> Self:
        """Derives the rest; ``limits`` (B,) are the most words that each sentence may have."""
        lengths = (tokens != pad).sum(2)
        finished = (lengths > 0) & (lengths <= limits.unsqueeze(1))
        return cls(tokens, lengths, scores, token_log_probs.sum(2), token_log_probs, finished, weights, trace)

    def __len__(self) -> int:
        return len(self.tokens)

    def to(self, device: torch.device | str) -> Self:
        values = [getattr(self, field.name) for field in fields(self)]
        return type(self)(*map_tensors(lambda tensor: tensor.to(device), values))


def expand(mask: Tensor, values: Tensor) -> Tensor:
    """``mask`` with as many dimensions as ``values``, so that the two can be multiplied."""
    return mask.view(*mask.shape, *[1] * (values.dim() - mask.dim()))


def force_empty(tokens: Tensor, scores: Tensor, sentences: Tensor, eos: int) -> None:
    """Makes EOS alone every hypothesis of ``sentences`` (any,), in place: tokens (B, N, T), scores (B, N)."""
    tokens[sentences, :, 0] = eos
    scores[sentences] = 0.0
