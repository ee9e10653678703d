"""Writing word by word, without looking back: what greedy search and sampling have in common."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from seq2scene.search.constraints import Rules
from seq2scene.search.decoder import ActiveSentences, Decoder, map_tensors, unfinished
from seq2scene.search.hypotheses import Hypotheses, expand, force_empty
from seq2scene.sequences.memory import Memory

# From log-probabilities (b * copies, V) and the places (b,) of their sentences in the batch
# to the log-probabilities and ids of the chosen words, each (b * copies, 1).
Chooser = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Pages:
    """What was written, one column (B, copies, ...) per step, blank where a sentence had ended."""

    def __init__(self, sentences: int, copies: int, pad: int) -> None:
        self.shape = sentences, copies
        self.pad = pad
        self.tokens: list[Tensor] = []
        self.log_probs: list[Tensor] = []
        self.beside: list[tuple[Tensor | None, Any]] = []  # weights and trace

    def write(
        self, sentences: Tensor, tokens: Tensor, log_probs: Tensor, weights: Tensor | None, trace: Any
    ) -> None:
        """Adds a step of the sentences (b,): tokens and log_probs (b, copies); weights and trace, rows of b *
        copies.
        """
        self.tokens.append(self._column(sentences, tokens, self.pad))
        self.log_probs.append(self._column(sentences, log_probs, 0.0))
        written = tokens != self.pad

        def column(leaf: Tensor) -> Tensor:
            leaf = leaf.unflatten(0, tokens.shape)
            return self._column(sentences, leaf * expand(written, leaf), 0)

        self.beside.append(map_tensors(column, (weights, trace)))

    def _column(self, sentences: Tensor, values: Tensor, blank: float) -> Tensor:
        column = values.new_full((*self.shape, *values.shape[2:]), blank)
        return column.index_copy_(0, sentences, values)

    def read(self, rules: Rules, empty: Tensor) -> Hypotheses:
        """All that was written; ``rules`` of all B sentences, ``empty`` (any,) those without a source."""
        tokens = torch.stack(self.tokens, dim=2)
        log_probs = torch.stack(self.log_probs, dim=2)
        scores = log_probs.sum(2)
        force_empty(tokens, scores, empty, rules.eos)
        weights, trace = map_tensors(lambda *columns: torch.stack(columns, dim=2), *self.beside)
        return Hypotheses.of(tokens, scores, log_probs, rules.limits, self.pad, weights, trace)


def walk(
    decoder: Decoder,
    memory: Memory,
    rules: Rules,
    choose: Chooser,
    *,
    bos: int,
    pad: int,
    copies: int = 1,
    keep_weights: bool = False,
) -> Hypotheses:
    """Writes ``copies`` hypotheses for each of the B sentences of ``memory``, each on its own."""
    pages = Pages(len(memory), copies, pad)
    active = ActiveSentences(decoder, memory)
    live = rules[active.sentences]
    previous = live.limits.new_full((len(active), copies), bos)
    active.follow(torch.zeros_like(previous), beams=1)
    history = previous.unsqueeze(2)  # (b, copies, 1 + step), BOS first
    done = torch.zeros_like(previous, dtype=torch.bool)
    if len(active) == 0:
        pages.write(active.sentences, previous, previous.float(), None, None)
    while len(active):
        step = history.shape[2] - 1
        log_probs, weights, trace = active.step(previous)
        pick = partial(choose, sentences=active.sentences)
        rows = torch.arange(len(active), device=done.device).repeat_interleave(copies)
        choice = live.propose(log_probs, step, history[:, :, 1:].flatten(0, 1), pick, rows)
        values, previous = (chosen.view_as(done) for chosen in choice)
        previous = previous.masked_fill(done, pad)
        looked = weights if keep_weights else None
        pages.write(active.sentences, previous, values.masked_fill(done, 0), looked, trace)
        history = torch.cat([history, previous.unsqueeze(2)], dim=2)
        done = done | (previous == rules.eos)
        going = unfinished(done.all(1))
        if going is not None:
            active.follow(torch.arange(copies, device=done.device).expand_as(done), copies, going)
            live, previous, history, done = live[going], previous[going], history[going], done[going]
    return pages.read(rules, (memory.lengths == 0).nonzero().squeeze(1))
