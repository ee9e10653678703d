"""How a decoder of scenes chooses an object's attributes and place: the likeliest, or drawn at random."""

from typing import Protocol

from torch import Tensor


class Draw(Protocol):
    """Random choices for the N rows of a step; a search says at which temperature."""

    def choose(self, logits: Tensor) -> Tensor:
        """Logits (N, K) -> of each row one of the K (N,)."""

    def laplace(self, centres: Tensor, scales: Tensor) -> Tensor:
        """Points (N, D): each coordinate from a Laplace distribution around ``centres`` (N, D), with
        ``scales`` (N, D) times the temperature.
        """


def choose(logits: Tensor, draw: Draw | None) -> Tensor:
    """Of each row of logits (N, K) one of the K (N,): the likeliest, unless they are drawn."""
    return logits.argmax(1) if draw is None else draw.choose(logits)


def log_prob(logits: Tensor, chosen: Tensor) -> Tensor:
    """(N,) float32, of ``chosen`` (N,) under the softmax of logits (N, K)."""
    return logits.float().log_softmax(1).gather(1, chosen.unsqueeze(1)).squeeze(1)
