"""Ensembles: several models that write one sentence together, word by word.

Of M models with the next-word distributions p_m, each the softmax of its logits_m, the ensemble has

    logits      p ~ exp(mean_m logits_m)    the geometric mean, renormalised (Luong et al., released code)
    log_probs   p ~ exp(mean_m log p_m)     the same: log p_m is logits_m less a number, which cancels
    probs       p = mean_m p_m              the arithmetic mean

A word needs all models' consent under the geometric mean, and one model's under the arithmetic.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from seq2scene.errors import UserError
from seq2scene.search.decoder import Decoder
from seq2scene.sequences.memory import Memory

AVERAGES = ("logits", "log_probs", "probs")


def require_average(average: str) -> None:
    """Raises UserError, with the list of good ones, for a kind of average that there is not."""
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
    """The mean attention of the members that attend; None where none does."""
    given = [one for one in weights if one is not None]
    return sum(given) / len(given) if given else None


@dataclass(frozen=True)
class Memories:
    """The same B sentences as each member remembers them; indexed by sentence, as a single memory is."""

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
    """Decoders of one vocabulary as one decoder: its state is a tuple of theirs, its attention their mean,
    and its trace a tuple of theirs, None where no member has one.

    Raises UserError if ``average`` is none of ``AVERAGES``.
    """

    def __init__(self, members: Sequence[Decoder], average: str = "logits") -> None:
        require_average(average)
        self.members = tuple(members)
        self.average = average

    @property
    def attention(self) -> tuple[nn.Module, ...] | None:
        """The attentions of the members that attend; None where none does."""
        return tuple(one.attention for one in self.members if one.attention is not None) or None

    def start(self, memory: Memories) -> tuple:
        return tuple(one.start(part) for one, part in zip(self.members, memory.members, strict=True))

    def step(
        self, previous: Tensor, state: tuple, memory: Memories
    ) -> tuple[Tensor, tuple, Tensor | None, tuple[Any, ...] | None]:
        """One step of every row: previous (N,) ids -> the members' features side by side (N, sum of H),
        state, weights (N, S) or None, trace or None.
        """
        parts = zip(self.members, state, memory.members, strict=True)
        steps = [one.step(previous, *part) for one, *part in parts]
        features, states, weights, traces = zip(*steps, strict=True)
        trace = None if all(one is None for one in traces) else traces
        return torch.cat(features, dim=-1), states, mean_weights(weights), trace

    def __call__(self, memory: Memories, previous: Tensor) -> tuple[Tensor, Tensor | None]:
        """The teacher-forced pass: previous (B, T) ids -> the members' features side by side (B, T, sum of
        H), weights (B, T, S) or None.
        """
        runs = (one(part, previous) for one, part in zip(self.members, memory.members, strict=True))
        features, weights = zip(*runs, strict=True)
        return torch.cat(features, dim=-1), mean_weights(weights)

    def output(self, features: Tensor) -> Tensor:
        """Features (..., sum of H) of the members, side by side, -> logits (..., V)."""
        outputs = [one.output for one in self.members]
        parts = features.split([output.in_features for output in outputs], dim=-1)
        logits = [output(part) for output, part in zip(outputs, parts, strict=True)]
        return combine(logits, self.average)
