"""What recurrent decoders with attention share: the initial state, attention, and the decoder contract
(``seq2scene.search.decoder``).

N rows (sentences, or beams of sentences), T steps, S source positions, H cells, L layers, D memory features.
"""

import torch
from torch import Tensor, nn

from seq2scene.nets.text.bridge import Bridge
from seq2scene.sequences.memory import Memory

Recurrent = tuple[Tensor, ...]  # (h,) or (h, c), each (N, L, H)
State = tuple  # (recurrent, number of the next step (N,), from 0) and whatever else a decoder carries


class RecurrentDecoder(nn.Module):
    """A decoder of words; a subclass builds its parts and defines its steps in ``run``.

    attention: one of ``seq2scene.attention``, or None. combine: W_c, with attention only. bridge: from the
    encoder's final state to the decoder's initial one.
    """

    attention: nn.Module | None
    combine: nn.Linear
    bridge: Bridge

    def keys(self, states: Tensor) -> Tensor:
        """The memory's states as attention keys; computed once per sentence."""
        return states if self.attention is None else self.attention.keys(states)

    def start(self, memory: Memory) -> State:
        """The state before the first step, one row per sentence."""
        return self.bridge(memory), torch.zeros_like(memory.lengths)

    def step(
        self, previous: Tensor, state: State, memory: Memory
    ) -> tuple[Tensor, State, Tensor | None, None]:
        """One step of every row: previous (N,) ids -> h~ (N, H), state, weights (N, S) or None, and no trace.

        N = len(memory) * beams, with the beams of a sentence adjacent: they share its memory as separate
        queries. ``output`` turns h~ into logits; the caller does this, as it knows which rows it needs.
        """
        features, weights, state = self.run(previous.unsqueeze(1), state, memory)
        return features.squeeze(1), state, None if weights is None else weights.squeeze(1), None

    def forward(self, memory: Memory, previous: Tensor) -> tuple[Tensor, Tensor | None]:
        """The teacher-forced pass: previous (B, T) ids -> h~ (B, T, H), weights (B, T, S) or None.

        ``output`` turns h~ into logits; the caller does this, as it knows which positions are real.
        """
        features, weights, _ = self.run(previous, self.start(memory), memory)
        return features, weights

    def run(self, previous: Tensor, state: State, memory: Memory) -> tuple[Tensor, Tensor | None, State]:
        """T steps from ``state``: previous (N, T) ids -> h~ (N, T, H), weights (N, T, S) or None, state."""
        raise NotImplementedError

    def attend(self, hidden: Tensor, memory: Memory, steps: Tensor) -> tuple[Tensor | None, Tensor | None]:
        """h (N, T, H) at steps (N, T) -> context (N, T, D), weights (N, T, S); None without attention."""
        if self.attention is None:
            return None, None
        sentences = len(memory)
        query = hidden.reshape(sentences, -1, hidden.shape[2])  # beams as additional queries
        context, weights = self.attention(query, memory, steps.view(sentences, -1))
        return context.view(*steps.shape, -1), weights.view(*steps.shape, -1)

    def attentional(self, context: Tensor | None, hidden: Tensor) -> Tensor:
        """h~ = tanh(W_c [c; h]) (Luong et al. 2015, eq. 5), for c (N, T, D) and h (N, T, H); h itself without
        c.
        """
        if context is None:
            return hidden
        return torch.tanh(self.combine(torch.cat([context, hidden], dim=2)))  # context half first
