"""The decoder contract, which is all a search knows about a model, and the active sentences of a search."""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from seq2scene.nets.scene.placing import Draw
from seq2scene.scenes.objects import Objects
from seq2scene.sequences.memory import Memory

WORTH_MOVING = 1 / 8
ALIGNED = 16  # float32 numbers, a cache line


class Decoder(Protocol):
    """A model that writes sequences step by step: words, or the objects of a scene.

    Rows are sentences x beams, N in all, with the beams of a sentence adjacent. A decoder is a module with
    these three methods; one that can be trained has a fourth, ``forward(memory, previous)``: the
    teacher-forced pass over all T steps of previous (B, T) at once, which gives the same numbers as stepping.

    State and trace are pytrees of tensors (nested tuples, named tuples, lists and dicts; None for a missing
    part), each tensor with the rows first; a trace has the same structure, dtypes and sizes at every step. A
    search does not look inside (but see ``PlacingDecoder``): it reorders all tensors by one index as beams
    change.
    """

    def start(self, memory: Memory) -> Any:
        """The state before the first token, one row per sentence."""

    def step(
        self, previous: Tensor, state: Any, memory: Memory
    ) -> tuple[Tensor, Any, Tensor | None, Any | None]:
        """Reads ``previous`` (N,) ids, BOS at first: features, the new state, weights and trace.

        ``memory`` has one row per sentence, so N / len(memory) beams share one.

        features: (N, any), the input of ``output``.
        weights: (N, S), the attention over the S positions of the memory used to predict the next token, and
        nothing else; 0 on padding. None without attention.
        trace: any other per-step outputs, in their own types, e.g. where ``previous`` was placed. Searches
        return it for the best hypotheses (``Hypotheses.trace``). None if there are none, which costs nothing.
        """

    def output(self, features: Tensor) -> Tensor:
        """Features (any, ...) -> logits (any, V); called only for live rows."""


@runtime_checkable
class PlacingDecoder(Decoder, Protocol):
    """A decoder whose steps also choose how the object that they read stands: its attributes and its place.

    Its traces have ``log_probs`` (N,) float32, at most 0: of these choices, given all before; 0 where nothing
    was placed. So the log-probability of a scene is that of its classes and EOS plus the sum of these.
    """

    def step(
        self, previous: Tensor, state: Any, memory: Memory, draw: Draw | None = None
    ) -> tuple[Tensor, Any, Tensor | None, Any]:
        """As above; ``draw`` makes the choices, None for the likeliest."""

    def read_trace(self, tokens: Tensor, trace: Any) -> tuple[Objects, Tensor | None]:
        """Tokens (B, N, T) and the trace of a search -> the objects (B * N, T), and the attention (B * N, T,
        W) while each was placed, or None.
        """


def map_tensors(change: Callable[..., Tensor], *trees: Any) -> Any:
    """Applies ``change`` to the corresponding tensors of pytrees of the same structure; None stays None."""
    return tree_map(lambda *leaves: change(*leaves) if isinstance(leaves[0], Tensor) else leaves[0], *trees)


class ActiveSentences:
    """The decoder with the memory and state of the b sentences not yet finished.

    sentences: (b,) their indices in the batch. Sentences with an empty source are never active.
    draws: makes the draws of a step for the sentences (any,) if its decoder is to place objects at random.
    """

    def __init__(
        self, decoder: Decoder, memory: Memory, draws: Callable[[Tensor], Draw] | None = None
    ) -> None:
        self.decoder = decoder
        self.draws = draws
        self.sentences = memory.lengths.nonzero().squeeze(1)
        self.memory = memory if len(self) == len(memory) else memory[self.sentences]
        self.state = decoder.start(self.memory) if len(self) else ()
        self.buffer = torch.empty(0, 0, device=memory.lengths.device)

    def __len__(self) -> int:
        return len(self.sentences)

    def step(self, previous: Tensor, rows: Tensor | None = None) -> tuple[Tensor, Tensor | None, Any]:
        """Reads ``previous`` (b, beams): float32 log-probabilities (rows, V); weights and trace from the
        decoder, b * beams rows each.

        rows: the indices (any,) of the b * beams rows to compute log-probabilities for; None for all. The
        next step overwrites the log-probabilities.
        """
        options = {} if self.draws is None else {"draw": self.draws(self.sentences)}
        step = self.decoder.step(previous.flatten(), self.state, self.memory, **options)
        features, self.state, weights, trace = step
        return self._log_probs(features if rows is None else features[rows]), weights, trace

    def _log_probs(self, features: Tensor) -> Tensor:
        """Features (rows, any) -> float32 log-probabilities (rows, V), in a buffer for all steps: on a CPU,
        touching fresh memory takes longer than the softmax. Its rows begin at multiples of ``ALIGNED``
        numbers, as MKL writes products to others at half the speed.
        """
        output: Any = self.decoder.output  # a method, or a module that is called like one
        logits = None
        words = output.out_features if _is_plain(output, features) else None
        if words is None:
            logits = output(features)
            words = logits.shape[1]
        if len(self.buffer) < len(features):
            width = -(-words // ALIGNED) * ALIGNED
            self.buffer = features.new_empty(len(features), width, dtype=torch.float32)
        whole = self.buffer[: len(features)]
        log_probs = whole[:, :words]
        if logits is not None:
            log_probs.copy_(logits)
        elif output.bias is None:
            torch.mm(features, output.weight.t(), out=log_probs)
        else:
            torch.addmm(output.bias, features, output.weight.t(), out=log_probs)
        whole[:, words:] = -torch.inf
        torch.log_softmax(whole, -1, out=whole)
        return log_probs

    def follow(self, parents: Tensor, beams: int, going: Tensor | None = None) -> None:
        """Replaces row j of each sentence by row ``parents[:, j]`` (b, any) of its ``beams`` rows.

        going: the sentences (any,) to keep; None for all.
        """
        rows = torch.arange(len(self), device=parents.device).unsqueeze(1) * beams + parents
        if going is not None:
            rows = rows[going]
            self.memory = self.memory[going]
            self.sentences = self.sentences[going]
        rows = rows.flatten()
        self.state = map_tensors(lambda leaf: leaf.index_select(0, rows), self.state)


def _is_plain(output: Any, features: Tensor) -> bool:
    """Whether logits are a matrix product in float32 on a CPU and nothing else."""
    plain = type(output) is nn.Linear and not torch.is_autocast_enabled("cpu")
    return plain and features.is_cpu and features.dtype == output.weight.dtype == torch.float32


def unfinished(done: Tensor) -> Tensor | None:
    """The sentences that are not ``done`` (b,), or None while too few are done for compaction to pay off."""
    if int(done.sum()) < max(1, len(done) * WORTH_MOVING):
        return None
    return (~done).nonzero().squeeze(1)
