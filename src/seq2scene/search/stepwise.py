"""Word by word without backtracking: greedy search and sampling."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from seq2scene.search.constraints import Constraints, Rules, require, require_number, require_whole, top
from seq2scene.search.decoder import ActiveSentences, Decoder, map_tensors, unfinished
from seq2scene.search.hypotheses import Hypotheses, expand, force_empty
from seq2scene.sequences.memory import Memory

# Log-probabilities (b * copies, V) and the batch indices (b,) of their sentences -> log-probabilities and ids
# of the chosen words, each (b * copies, 1).
Chooser = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


@dataclass(frozen=True, kw_only=True)
class Greedy(Constraints):
    """Writes the most probable allowed word at each step: one hypothesis, scored by its log-probability."""

    @torch.no_grad()
    def __call__(
        self,
        decoder: Decoder,
        memory: Memory,
        *,
        bos: int,
        eos: int,
        pad: int,
        unk: int,
        prefix: Tensor | None = None,
        most: Tensor | None = None,
        keep_weights: bool = False,
    ) -> Hypotheses:
        """Searches for the B sentences of ``memory``. ``prefix``: (B, P) forced beginnings, right-padded.
        ``most``: (V,) how often each id may be written, None for any number.
        """
        rules = self.rules(memory, bos, eos, pad, unk, prefix, most)
        return write_stepwise(decoder, memory, rules, likeliest, bos=bos, pad=pad, keep_weights=keep_weights)


def likeliest(log_probs: Tensor, sentences: Tensor) -> tuple[Tensor, Tensor]:
    """The first of each row's top two, so that ties are broken as in a beam of size 1."""
    values, tokens = top(log_probs, 2)
    return values[:, :1], tokens[:, :1]


@dataclass(frozen=True, kw_only=True)
class Sample(Constraints):
    """Samples ``num_samples`` hypotheses per sentence from p^(1 / temperature), truncated and renormalised.

    top_k: only the k most probable words; 0 for all. top_p: of these only the smallest set of most probable
    words that reaches this probability (Holtzman et al. 2020, section 3.1). The log-probabilities returned
    are the model's own, before temperature and truncation, and scores are their sums.

    Raises UserError if a value is out of range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    num_samples: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("temperature", self.temperature, 0)
        require("temperature", self.temperature, self.temperature > 0, "above 0")
        require_whole("top_k", self.top_k, 0)
        require_number("top_p", self.top_p, 0, 1)
        require("top_p", self.top_p, self.top_p > 0, "above 0 and at most 1")
        require_whole("num_samples", self.num_samples, 1)

    @torch.no_grad()
    def __call__(
        self,
        decoder: Decoder,
        memory: Memory,
        *,
        bos: int,
        eos: int,
        pad: int,
        unk: int,
        prefix: Tensor | None = None,
        most: Tensor | None = None,
        keep_weights: bool = False,
        generator: torch.Generator | None = None,
    ) -> Hypotheses:
        """Samples for the B sentences of ``memory``. ``prefix``: (B, P) forced beginnings, right-padded.
        ``most``: (V,) how often each id may be written, None for any number.

        generator: a random number generator on any device; None for PyTorch's global one. The same generator
        state gives the same output.
        """
        rules = self.rules(memory, bos, eos, pad, unk, prefix, most)
        device = memory.lengths.device if generator is None else generator.device

        def draw(log_probs: Tensor, sentences: Tensor) -> tuple[Tensor, Tensor]:
            # One number for every hypothesis of the batch, active or not, so that a sample does not depend on
            # when the others end.
            shape = len(memory), self.num_samples
            chance = torch.rand(shape, dtype=torch.float64, generator=generator, device=device)
            return self.choose(log_probs, chance.to(sentences.device)[sentences].view(-1, 1))

        return write_stepwise(
            decoder, memory, rules, draw, bos=bos, pad=pad, copies=self.num_samples, keep_weights=keep_weights
        )

    def choose(self, log_probs: Tensor, chance: Tensor) -> tuple[Tensor, Tensor]:
        """Inverse-CDF sampling at ``chance`` (rows, 1) in [0, 1): log-probability and id (rows, 1); any word
        if all are banned.
        """
        kept, words = log_probs, None
        if self.top_k > 0 or self.top_p < 1:
            kept, words = top(log_probs, self.top_k or log_probs.shape[1])
        scaled = (kept - kept.amax(1, keepdim=True)).double() / self.temperature
        probs = scaled.softmax(1)
        if self.top_p < 1:
            before = probs.cumsum(1) - probs
            probs = probs.masked_fill(before >= self.top_p, 0.0)
        mass = probs.cumsum(1)
        place = torch.searchsorted(mass, chance * mass[:, -1:], right=True)
        place = place.clamp(max=kept.shape[1] - 1)  # past the end if every word has probability 0
        return kept.gather(1, place), place if words is None else words.gather(1, place)


class Outputs:
    """The words written, one column (B, copies, ...) per step, blank after a sentence has ended."""

    def __init__(self, sentences: int, copies: int, pad: int) -> None:
        self.shape = sentences, copies
        self.pad = pad
        self.tokens: list[Tensor] = []
        self.log_probs: list[Tensor] = []
        self.beside: list[tuple[Tensor | None, Any]] = []  # weights and trace

    def write(
        self, sentences: Tensor, tokens: Tensor, log_probs: Tensor, weights: Tensor | None, trace: Any
    ) -> None:
        """Adds a step of the sentences (b,): tokens and log_probs (b, copies); weights and trace, b * copies
        rows.
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
        """The hypotheses; ``rules`` of all B sentences, ``empty`` (any,) those with an empty source."""
        tokens = torch.stack(self.tokens, dim=2)
        log_probs = torch.stack(self.log_probs, dim=2)
        scores = log_probs.sum(2)
        force_empty(tokens, scores, empty, rules.eos)
        weights, trace = map_tensors(lambda *columns: torch.stack(columns, dim=2), *self.beside)
        return Hypotheses.of(tokens, scores, log_probs, rules.limits, self.pad, weights, trace)


def write_stepwise(
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
    """Writes ``copies`` independent hypotheses for each of the B sentences of ``memory``."""
    outputs = Outputs(len(memory), copies, pad)
    active = ActiveSentences(decoder, memory)
    live = rules[active.sentences]
    previous = live.limits.new_full((len(active), copies), bos)
    active.follow(torch.zeros_like(previous), beams=1)
    history = previous.unsqueeze(2)  # (b, copies, 1 + step), BOS first
    done = torch.zeros_like(previous, dtype=torch.bool)
    if len(active) == 0:
        outputs.write(active.sentences, previous, previous.float(), None, None)
    while len(active):
        step = history.shape[2] - 1
        log_probs, weights, trace = active.step(previous)
        pick = partial(choose, sentences=active.sentences)
        rows = torch.arange(len(active), device=done.device).repeat_interleave(copies)
        choice = live.propose(log_probs, step, history[:, :, 1:].flatten(0, 1), pick, rows)
        values, previous = (chosen.view_as(done) for chosen in choice)
        previous = previous.masked_fill(done, pad)
        looked = weights if keep_weights else None
        outputs.write(active.sentences, previous, values.masked_fill(done, 0), looked, trace)
        history = torch.cat([history, previous.unsqueeze(2)], dim=2)
        done = done | (previous == rules.eos)
        going = unfinished(done.all(1))
        if going is not None:
            active.follow(torch.arange(copies, device=done.device).expand_as(done), copies, going)
            live, previous, history, done = live[going], previous[going], history[going], done[going]
    return outputs.read(rules, (memory.lengths == 0).nonzero().squeeze(1))
