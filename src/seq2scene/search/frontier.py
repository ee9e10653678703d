"""Where a search stands: the rows that are still being written."""

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils._pytree import tree_map_only

from seq2scene.sequences.memory import Memory

WORTH_MOVING = 1 / 8


class Decoder(Protocol):
    """All that a search knows of a model. Rows are sentences x beams, the beams of a sentence adjacent."""

    def start(self, memory: Memory) -> Any:
        """The state before the first word: nested tuples of tensors, one row per sentence."""

    def step(self, previous: Tensor, state: Any, memory: Memory) -> tuple[Tensor, Any, Tensor | None]:
        """Reads ``previous`` (rows,): features (rows, any), the new state, attention (rows, S) or None.

        ``memory`` has one row per sentence, so rows / len(memory) beams share one.
        """

    def output(self, features: Tensor) -> Tensor:
        """Features (any, ...) -> logits (any, V)."""


class Frontier:
    """The decoder with the memory and state of the b sentences that are not done.

    sentences: (b,) their places in the batch. Sentences without a source never enter.
    """

    def __init__(self, decoder: Decoder, memory: Memory) -> None:
        self.decoder = decoder
        self.sentences = memory.lengths.nonzero().squeeze(1)
        self.memory = memory if len(self) == len(memory) else memory[self.sentences]
        self.state = decoder.start(self.memory) if len(self) else ()
        self.log_probs = torch.empty(0, 0, device=memory.lengths.device)

    def __len__(self) -> int:
        return len(self.sentences)

    def step(self, previous: Tensor, rows: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Reads ``previous`` (b, beams): float32 log-probabilities (rows, V), attention (b * beams, S) or
        None.

        rows: those (any,) of the b * beams whose log-probabilities are wanted; None for all. The
        log-probabilities are overwritten by the next step.
        """
        features, self.state, weights = self.decoder.step(previous.flatten(), self.state, self.memory)
        logits = self.decoder.output(features if rows is None else features[rows])
        if self.log_probs.numel() < logits.numel():
            self.log_probs = torch.empty_like(logits, dtype=torch.float32)
        # One buffer for all steps: on a CPU, touching fresh memory takes longer than the softmax.
        log_probs = self.log_probs[: len(logits)]
        if logits.dtype != torch.float32:
            logits = log_probs.copy_(logits)
        return torch.log_softmax(logits, -1, out=log_probs), weights

    def follow(self, parents: Tensor, beams: int, going: Tensor | None = None) -> None:
        """Row j of each sentence becomes what row ``parents[:, j]`` (b, any) of its ``beams`` rows was.

        going: the sentences (any,) to go on with; None for all.
        """
        rows = torch.arange(len(self), device=parents.device).unsqueeze(1) * beams + parents
        if going is not None:
            rows = rows[going]
            self.memory = self.memory[going]
            self.sentences = self.sentences[going]
        rows = rows.flatten()
        self.state = tree_map_only(Tensor, lambda leaf: leaf.index_select(0, rows), self.state)


def unfinished(done: Tensor) -> Tensor | None:
    """The sentences that are not ``done`` (b,), or None while too few are to be worth moving the others."""
    if int(done.sum()) < max(1, len(done) * WORTH_MOVING):
        return None
    return (~done).nonzero().squeeze(1)
