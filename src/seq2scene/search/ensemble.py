"""Ensembles: several models that write one sentence together, averaging each word's distribution.

Of M models with the next-word distributions p_m, each the softmax of its logits_m, the ensemble has

    logits      p ~ exp(mean_m logits_m)    the geometric mean, renormalised (Luong et al., released code)
    log_probs   p ~ exp(mean_m log p_m)     the same: log p_m is logits_m minus a constant
    probs       p = mean_m p_m              the arithmetic mean

To be likely, a word needs the support of all models under the geometric mean, of one under the arithmetic.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seq2scene.errors import UserError
from seq2scene.sequences.memory import Memory

AVERAGES = ("logits", "log_probs", "probs")


def require_average(average: str) -> None:
    """Raises UserError, which lists the valid choices, for an unknown kind of average."""
    if average not in AVERAGES:
        raise UserError(f"ensemble={average} is not a choice; choose one of {', '.join(AVERAGES)}")


def combine(logits: Sequence[Tensor], average: str) -> Tensor:
    """The members' logits, each (..., V), as logits (..., V) of the ensemble, in float32 or wider."""
    wide = torch.promote_types(logits[0].dtype, torch.float32)
    if average == "probs":
        log_probs = torch.stack([one.log_softmax(-1, dtype=wide) for one in logits])
        return log_probs.logsumexp(0) - math.log(len(logits))
    return sum(one.to(wide) for one in logits) / len(logits)


def mean_weights(weights: Sequence[Tensor | None]) -> Tensor | None:
    """The mean attention of the members that attend; None if none does."""
    given = [one for one in weights if one is not None]
    return sum(given) / len(given) if given else None


@dataclass(frozen=True)
class Memories:
    """Each member's memory of the same B sentences; indexed by sentence like a single memory."""

    members: tuple[Memory, ...]

    def __len__(self) -> int:
        return len(self.members[0])

    def __getitem__(self, index: Tensor) -> "Memories":
        return Memories(tuple(memory[index] for memory in self.members))

    @property
    def lengths(self) -> Tensor:
        return self.members[0].lengths

    @property
    def mask(self) -> Tensor:
        return self.members[0].mask


class EnsembleDecoder:
    """Decoders over one vocabulary as a single decoder: its state is a tuple of theirs, its attention their
    mean, and its trace a tuple of theirs, or None if no member has one.

    Raises UserError if ``average`` is not one of ``AVERAGES``.
    """

    def __init__(self, members: Sequence[nn.Module], average: str = "logits") -> None:
        require_average(average)
        self.members = tuple(members)
        self.average = average

    @property
    def attention(self) -> tuple[nn.Module, ...] | None:
        """The attentions of the members that attend; None if none does."""
        return tuple(one.attention for one in self.members if one.attention is not None) or None

    def start(self, memory: Memories) -> tuple:
        return tuple(one.start(part) for one, part in zip(self.members, memory.members, strict=True))

    def step(
        self, previous: Tensor, state: tuple, memory: Memories
    ) -> tuple[Tensor, tuple, Tensor | None, tuple[Any, ...] | None]:
        """One step of every row: previous (N,) ids -> the members' concatenated features (N, sum of H),
        state, weights (N, S) or None, trace or None.
        """
        parts = zip(self.members, state, memory.members, strict=True)
        steps = [one.step(previous, *part) for one, *part in parts]
        features, states, weights, traces = zip(*steps, strict=True)
        trace = None if all(one is None for one in traces) else traces
        return torch.cat(features, dim=-1), states, mean_weights(weights), trace

    def __call__(self, memory: Memories, previous: Tensor) -> tuple[Tensor, Tensor | None]:
        """The teacher-forced pass: previous (B, T) ids -> the members' concatenated features (B, T, sum of
        H), weights (B, T, S) or None.
        """
        runs = (one(part, previous) for one, part in zip(self.members, memory.members, strict=True))
        features, weights = zip(*runs, strict=True)
        return torch.cat(features, dim=-1), mean_weights(weights)

    def output(self, features: Tensor) -> Tensor:
        """The members' concatenated features (..., sum of H) -> logits (..., V)."""
        outputs = [one.output for one in self.members]
        parts = features.split([output.in_features for output in outputs], dim=-1)
        logits = [output(part) for output, part in zip(outputs, parts, strict=True)]
        return combine(logits, self.average)
