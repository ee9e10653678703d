"""How scene decoders choose an object's attributes and place: the most probable, or sampled."""

from typing import Protocol

from torch import Tensor


class Draw(Protocol):
    """Random choices for the N rows of a step, at the temperature of a search."""

    def choose(self, logits: Tensor) -> Tensor:
        """Logits (N, K) -> a sampled index for each row (N,)."""

    def laplace(self, centres: Tensor, scales: Tensor) -> Tensor:
        """Sampled points (N, D): each coordinate from a Laplace distribution around ``centres`` (N, D), with
        ``scales`` (N, D) times the temperature.
        """


def choose(logits: Tensor, draw: Draw | None) -> Tensor:
    """An index (N,) for each row of logits (N, K): the most probable, or sampled if there is a ``draw``."""
    return logits.argmax(1) if draw is None else draw.choose(logits)


def log_prob(logits: Tensor, chosen: Tensor) -> Tensor:
    """Log-probabilities (N,) float32 of ``chosen`` (N,) under the softmax of logits (N, K)."""
    return logits.float().log_softmax(1).gather(1, chosen.unsqueeze(1)).squeeze(1)
