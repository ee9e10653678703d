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
    log_probs: (B, N), the model's log-probability of the whole hypothesis: the sum of ``token_log_probs``.
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
    ) -> Self:
        """Derives the other fields; ``limits`` (B,) are the maximum numbers of words."""
        lengths = (tokens != pad).sum(2)
        finished = (lengths > 0) & (lengths <= limits.unsqueeze(1))
        return cls(tokens, lengths, scores, token_log_probs.sum(2), token_log_probs, finished, weights, trace)

    def __len__(self) -> int:
        return len(self.tokens)

    def to(self, device: torch.device | str) -> Self:
        values = [getattr(self, field.name) for field in fields(self)]
        return type(self)(*map_tensors(lambda tensor: tensor.to(device), values))


def expand(mask: Tensor, values: Tensor) -> Tensor:
    """``mask`` with trailing dimensions added, so that it broadcasts with ``values``."""
    return mask.view(*mask.shape, *[1] * (values.dim() - mask.dim()))


def force_empty(tokens: Tensor, scores: Tensor, sentences: Tensor, eos: int) -> None:
    """Replaces every hypothesis of ``sentences`` (any,) by EOS alone, in place: tokens (B, N, T), scores (B,
    N).
    """
    tokens[sentences, :, 0] = eos
    scores[sentences] = 0.0
