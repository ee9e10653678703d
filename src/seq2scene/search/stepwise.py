"""Word by word without backtracking: greedy search and sampling."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor

from seq2scene.search.beam import length_penalty
from seq2scene.search.constraints import (
    Constraints,
    Normalisation,
    Rules,
    require,
    require_number,
    require_whole,
    top,
)
from seq2scene.search.decoder import ActiveSentences, Decoder, PlacingDecoder, map_tensors, unfinished
from seq2scene.search.drawing import PlaceDraw, draw, exact
from seq2scene.search.hypotheses import Hypotheses, expand, force_empty, whole_log_probs
from seq2scene.sequences.memory import Memory


class Chooser(Protocol):
    """How words are chosen: log-probabilities (b * copies, V) and the batch indices (b,) of their sentences
    -> log-probabilities and ids of the chosen words, (b * copies, 1) each.
    """

    def __call__(self, log_probs: Tensor, sentences: Tensor) -> tuple[Tensor, Tensor]: ...


@dataclass(frozen=True, kw_only=True)
class Greedy(Constraints):
    """Writes the most probable allowed word at each step: one hypothesis, scored by its log-probability."""

    def search(self, decoder: Decoder, memory: Memory, rules: Rules, keep_weights: bool) -> Hypotheses:
        return write_stepwise(
            decoder,
            memory,
            rules,
            likeliest,
            keep_weights=keep_weights,
            whole_objects=self.whole_objects,
        )


def likeliest(log_probs: Tensor, sentences: Tensor) -> tuple[Tensor, Tensor]:
    """The first of each row's top two, so that ties are broken as in a beam of size 1."""
    values, tokens = top(log_probs, 2)
    return values[:, :1], tokens[:, :1]


@dataclass(frozen=True, kw_only=True)
class Sample(Constraints):
    """Samples ``num_samples`` hypotheses per sentence from p^(1 / temperature), truncated and renormalised.

    temperature: 0 for the most probable word, as greedy search. top_k: only the k most probable words; 0 for
    all. top_p: of these only the smallest set of most probable words that reaches this probability (Holtzman
    et al. 2020, section 3.1). The log-probabilities returned are the model's own, before temperature and
    truncation.
    place_temperature: of scenes, the temperature at which attributes and places are sampled, also truncated
    by ``top_p``; 0 for the likeliest.
    n_best: only so many of the samples, those with the highest scores, best first; None for all, in sampling
    order. normalisation: what log-probabilities are divided by to become scores: none, average (the length,
    EOS included) or gnmt (``length_penalty``).

    Raises UserError if a value is out of range.
    """

    temperature: float = 1.0
    place_temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    num_samples: int = 1
    n_best: int | None = None
    normalisation: Normalisation = "none"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number("temperature", self.temperature, 0)
        require_number("place_temperature", self.place_temperature, 0)
        require_whole("top_k", self.top_k, 0)
        require_number("top_p", self.top_p, 0, 1)
        require("top_p", self.top_p, self.top_p > 0, "above 0 and at most 1")
        require_whole("num_samples", self.num_samples, 1)
        if self.n_best is not None:
            require_whole("n_best", self.n_best, 1)
            fits = self.n_best <= self.num_samples
            require("n_best", self.n_best, fits, f"at most search.num_samples={self.num_samples}")

    def search(
        self,
        decoder: Decoder,
        memory: Memory,
        rules: Rules,
        keep_weights: bool,
        generator: torch.Generator | None = None,
    ) -> Hypotheses:
        """generator: a random number generator on any device; None for PyTorch's global one. The same
        generator state gives the same output.
        """
        place = exact(memory.lengths.device)
        device = place if generator is None else generator.device

        def chances(sentences: Tensor) -> Tensor:
            """Of each hypothesis of the ``sentences`` (b,) a number in [0, 1): (b * num_samples, 1)."""
            # One number for every hypothesis of the batch, active or not, so that a sample does not depend on
            # when the others end.
            shape = len(memory), self.num_samples
            drawn = torch.rand(shape, dtype=torch.float64, generator=generator, device=device)
            return drawn.to(place)[sentences.to(place)].view(-1, 1)

        def choose(log_probs: Tensor, sentences: Tensor) -> tuple[Tensor, Tensor]:
            return draw(log_probs, chances(sentences), self.temperature, self.top_k, self.top_p)

        def draws(sentences: Tensor) -> PlaceDraw:
            return PlaceDraw(partial(chances, sentences), self.place_temperature, self.top_p)

        found = write_stepwise(
            decoder,
            memory,
            rules,
            likeliest if self.temperature == 0 else choose,
            copies=self.num_samples,
            draws=draws if self.place_temperature and isinstance(decoder, PlacingDecoder) else None,
            keep_weights=keep_weights,
            whole_objects=self.whole_objects,
        )
        penalty = length_penalty(found.lengths, self.normalisation, alpha=1.0)
        return self._kept(replace(found, scores=found.scores / penalty))

    def _kept(self, found: Hypotheses) -> Hypotheses:
        return found if self.n_best is None else found.best(self.n_best)


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

    def read(self, rules: Rules, empty: Tensor, whole_objects: bool) -> Hypotheses:
        """The hypotheses, scored by their log-probabilities; ``rules`` of all B sentences, ``empty`` (any,)
        those with an empty source.
        """
        tokens = torch.stack(self.tokens, dim=2)
        log_probs = torch.stack(self.log_probs, dim=2)
        weights, trace = map_tensors(lambda *columns: torch.stack(columns, dim=2), *self.beside)
        scores = whole_log_probs(log_probs, trace, whole_objects)
        force_empty(tokens, scores, empty, rules.eos)
        return Hypotheses.of(tokens, scores, log_probs, rules.limits, self.pad, weights, trace, whole_objects)


def write_stepwise(
    decoder: Decoder,
    memory: Memory,
    rules: Rules,
    choose: Chooser,
    *,
    copies: int = 1,
    draws: Callable[[Tensor], PlaceDraw] | None = None,
    keep_weights: bool = False,
    whole_objects: bool = False,
) -> Hypotheses:
    """Writes ``copies`` independent hypotheses for each of the B sentences of ``memory``. draws: as of
    ``ActiveSentences``.
    """
    outputs = Outputs(len(memory), copies, rules.pad)
    active = ActiveSentences(decoder, memory, draws)
    live = rules[active.sentences]
    previous = live.limits.new_full((len(active), copies), rules.bos)
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
        previous = previous.masked_fill(done, rules.pad)
        looked = weights if keep_weights else None
        outputs.write(active.sentences, previous, values.masked_fill(done, 0), looked, trace)
        history = torch.cat([history, previous.unsqueeze(2)], dim=2)
        done = done | (previous == rules.eos)
        going = unfinished(done.all(1))
        if going is not None:
            active.follow(torch.arange(copies, device=done.device).expand_as(done), copies, going)
            live, previous, history, done = live[going], previous[going], history[going], done[going]
    return outputs.read(rules, (memory.lengths == 0).nonzero().squeeze(1), whole_objects)
