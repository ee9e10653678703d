"""Attention whose weights are set by hand: what would the decoder write if it looked elsewhere?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from seq2scene.errors import UserError
from seq2scene.models.model import with_parts
from seq2scene.nets.scene.relational.text_reader import ClassReadings
from seq2scene.sequences.memory import Memory


@dataclass(frozen=True)
class Change:
    """What happens to the attention of one step.

    masked: source positions that it cannot see, as if they were padding; the attention distributes its weight
    over the others as it would without them. weights: one for each source position, which replace the
    attention's own; None to keep these.

    Raises UserError for weights that are negative or not finite, and for negative positions.
    """

    masked: Sequence[int] = ()
    weights: Sequence[float] | None = None

    def __post_init__(self) -> None:
        if any(place < 0 for place in self.masked):
            raise UserError(f"masked={list(self.masked)}: positions are counted from 0")
        if self.weights is not None and not all(0 <= one < float("inf") for one in self.weights):
            raise UserError("weights: each must be a finite number of at least 0")


class ChangedAttention(nn.Module):
    """An attention of ``seq2scene.attention`` with some steps changed; all other steps are as they were.

    changes: by decoder step, counted from 0; they act on every sentence and every beam.

    Raises UserError when called if a change does not fit the source.
    """

    def __init__(self, attention: nn.Module, changes: Mapping[int, Change]) -> None:
        super().__init__()
        self.attention = attention
        self.changes = dict(changes)

    def keys(self, states: Tensor) -> Tensor:
        return self.attention.keys(states)

    def forward(self, query: Tensor, memory: Memory, steps: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Query (B, T, Q), steps (B, T), None for all 0 -> context (B, T, D), weights (B, T, S)."""
        if steps is None:
            steps = torch.zeros(query.shape[:2], dtype=torch.int64, device=query.device)
        context, weights = self.attention(query, memory, steps)
        for step, change in self.changes.items():
            here = (steps == step).unsqueeze(2)
            if here.any():
                new_context, new_weights = self._changed(change, query, memory, steps)
                context = new_context.where(here, context)
                weights = new_weights.where(here, weights)
        return context, weights

    def _changed(self, change: Change, query: Tensor, memory: Memory, steps: Tensor) -> tuple[Tensor, Tensor]:
        """Context and weights of all T queries with the change."""
        width = memory.mask.shape[1]
        if change.masked and max(change.masked) >= width:
            raise UserError(f"masked={list(change.masked)}: the source has {width} positions, from 0")
        seen = memory.mask.clone()
        seen[:, list(change.masked)] = False
        context, weights = self.attention(query, replace(memory, mask=seen), steps)
        if change.weights is None:
            return context, weights
        if len(change.weights) != width:
            raise UserError(f"{len(change.weights)} weights: the source has {width} positions, one for each")
        given = torch.tensor(change.weights, dtype=weights.dtype, device=weights.device)
        weights = (given * memory.mask.unsqueeze(1)).expand_as(weights).contiguous()
        return weights.to(memory.states.dtype) @ memory.states, weights


def changed_readings(
    readings: ClassReadings, changes: Mapping[int, Change], words: Tensor, mask: Tensor, last: Tensor
) -> dict[int, tuple[Tensor, Tensor]]:
    """``Readings.changed``: what the classes of a scene decoder read of the encoder's words (B, W, D), mask
    (B, W) and final state, if all of them, with all heads, attend to the words as ``changes`` say for the
    object of each number.
    """
    assert readings.reader is not None, "classes that attend to words"
    found = {}
    for number, change in changes.items():
        attention = ChangedAttention(readings.reader.attention, {0: change})
        reader = with_parts(readings.reader, attention=attention)
        found[number] = with_parts(readings, reader=reader)(words, mask, last)
    return found
