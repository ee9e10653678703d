"""Writing word by word, without looking back: what greedy search and sampling have in common."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from seq2scene.search.constraints import Rules
from seq2scene.search.frontier import Decoder, Frontier, unfinished
from seq2scene.search.hypotheses import Hypotheses, say_nothing
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
        self.weights: list[Tensor] = []

    def write(self, sentences: Tensor, tokens: Tensor, log_probs: Tensor, weights: Tensor | None) -> None:
        """Adds a step of the sentences (b,): tokens and log_probs (b, copies), weights (b * copies, S)."""
        self.tokens.append(self._column(sentences, tokens, self.pad))
        self.log_probs.append(self._column(sentences, log_probs, 0.0))
        if weights is not None:
            weights = weights.unflatten(0, tokens.shape) * (tokens != self.pad).unsqueeze(2)
            self.weights.append(self._column(sentences, weights, 0.0))

    def _column(self, sentences: Tensor, values: Tensor, blank: float) -> Tensor:
        column = values.new_full((*self.shape, *values.shape[2:]), blank)
        return column.index_copy_(0, sentences, values)

    def read(self, rules: Rules, empty: Tensor) -> Hypotheses:
        """All that was written; ``rules`` of all B sentences, ``empty`` (any,) those without a source."""
        tokens = torch.stack(self.tokens, dim=2)
        log_probs = torch.stack(self.log_probs, dim=2)
        scores = log_probs.sum(2)
        say_nothing(tokens, scores, empty, rules.eos)
        weights = torch.stack(self.weights, dim=2) if self.weights else None
        return Hypotheses.of(tokens, scores, log_probs, rules.limits, self.pad, weights)


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
    frontier = Frontier(decoder, memory)
    live = rules[frontier.sentences]
    previous = live.limits.new_full((len(frontier), copies), bos)
    frontier.follow(torch.zeros_like(previous), beams=1)
    history = previous.unsqueeze(2)  # (b, copies, 1 + step), BOS first
    done = torch.zeros_like(previous, dtype=torch.bool)
    if len(frontier) == 0:
        pages.write(frontier.sentences, previous, previous.float(), None)
    while len(frontier):
        step = history.shape[2] - 1
        log_probs, weights = frontier.step(previous)
        pick = partial(choose, sentences=frontier.sentences)
        rows = torch.arange(len(frontier), device=done.device).repeat_interleave(copies)
        choice = live.propose(log_probs, step, history[:, :, 1:].flatten(0, 1), pick, rows)
        values, previous = (chosen.view_as(done) for chosen in choice)
        previous = previous.masked_fill(done, pad)
        pages.write(
            frontier.sentences, previous, values.masked_fill(done, 0), weights if keep_weights else None
        )
        history = torch.cat([history, previous.unsqueeze(2)], dim=2)
        done = done | (previous == rules.eos)
        going = unfinished(done.all(1))
        if going is not None:
            frontier.follow(torch.arange(copies, device=done.device).expand_as(done), copies, going)
            live, previous, history, done = live[going], previous[going], history[going], done[going]
    return pages.read(rules, (memory.lengths == 0).nonzero().squeeze(1))
