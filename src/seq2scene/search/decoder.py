"""The decoder contract, all that a search knows of a model, and the sentences that it is still writing."""

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils._pytree import tree_map

from seq2scene.sequences.memory import Memory

WORTH_MOVING = 1 / 8


class Decoder(Protocol):
    """What writes sequences step by step: words, or the objects of a scene.

    Rows are sentences x beams, N in all, the beams of a sentence adjacent. A decoder is a module with these
    three methods; one that is trained has a fourth, ``forward(memory, previous)``: the teacher-forced pass
    over all T steps of previous (B, T) at once, which gives the same numbers as stepping.

    State and trace are pytrees of tensors (nested tuples, named tuples, lists and dicts; None where a part is
    left out), each tensor with the rows first; a trace has the same parts, of the same types and sizes, at
    every step. A search never looks inside: it reorders all their tensors by one index as beams come and go.
    """

    def start(self, memory: Memory) -> Any:
        """The state before the first token, one row per sentence."""

    def step(
        self, previous: Tensor, state: Any, memory: Memory
    ) -> tuple[Tensor, Any, Tensor | None, Any | None]:
        """Reads ``previous`` (N,) ids, BOS at first: features, the new state, weights and trace.

        ``memory`` has one row per sentence, so N / len(memory) beams share one.

        features: (N, any), what ``output`` makes logits of.
        weights: (N, S), the attention over the S positions of the memory while the next token is scored, and
        nothing else; 0 on padding. None where there is no attention.
        trace: whatever else the step found, each thing in its own type: where ``previous`` was placed, for
        one. Searches keep it for the hypotheses that win (``Hypotheses.trace``). None where there is nothing,
        which costs nothing.
        """

    def output(self, features: Tensor) -> Tensor:
        """Features (any, ...) -> logits (any, V); asked only for rows that live."""


def map_tensors(change: Callable[..., Tensor], *trees: Any) -> Any:
    """A pytree of ``change`` of the tensors at each place of pytrees of one structure; None stays None."""
    return tree_map(lambda *leaves: change(*leaves) if isinstance(leaves[0], Tensor) else leaves[0], *trees)


class ActiveSentences:
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

    def step(self, previous: Tensor, rows: Tensor | None = None) -> tuple[Tensor, Tensor | None, Any]:
        """Reads ``previous`` (b, beams): float32 log-probabilities (rows, V); weights and trace as the
        decoder gives them, b * beams rows each.

        rows: those (any,) of the b * beams whose log-probabilities are wanted; None for all. The
        log-probabilities are overwritten by the next step.
        """
        features, self.state, weights, trace = self.decoder.step(previous.flatten(), self.state, self.memory)
        logits = self.decoder.output(features if rows is None else features[rows])
        if self.log_probs.numel() < logits.numel():
            self.log_probs = torch.empty_like(logits, dtype=torch.float32)
        # One buffer for all steps: on a CPU, touching fresh memory takes longer than the softmax.
        log_probs = self.log_probs[: len(logits)]
        if logits.dtype != torch.float32:
            logits = log_probs.copy_(logits)
        return torch.log_softmax(logits, -1, out=log_probs), weights, trace

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
        self.state = map_tensors(lambda leaf: leaf.index_select(0, rows), self.state)


def unfinished(done: Tensor) -> Tensor | None:
    """The sentences that are not ``done`` (b,), or None while too few are to be worth moving the others."""
    if int(done.sum()) < max(1, len(done) * WORTH_MOVING):
        return None
    return (~done).nonzero().squeeze(1)
