"""Beam search, for all sentences of a batch at once.

Hypotheses of unequal length are ranked by log P(Y|X) / lp(Y) + cp(X; Y) (Wu et al. 2016, "Google's Neural
Machine Translation System", equation 14).
"""

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal, Self

import torch
from torch import Tensor

from seq2scene.errors import UserError
from seq2scene.search.backpointers import Step, best_endings, follow
from seq2scene.search.constraints import (
    NEVER,
    Constraints,
    Normalisation,
    Rules,
    require,
    require_number,
    require_whole,
    top,
)
from seq2scene.search.decoder import ActiveSentences, Decoder, unfinished
from seq2scene.search.hypotheses import Hypotheses, force_empty
from seq2scene.sequences.memory import Memory

LARGEST = 1e30  # length penalty: log-probabilities divided by it are still normal float32 numbers


@dataclass(frozen=True)
class Live:
    """The beams of the b active sentences, w per sentence.

    previous: (b, w) their last words. totals: (b, w) their log-probabilities, -inf for dead beams.
    best: (b, n_best) the best scores of ended hypotheses. ended: (b,) the number of ended hypotheses.
    history: (b, w, step) all their words, stored only if the rules read them.
    coverage: (b, w, S) the attention that each source position received so far, stored only if there is a
    coverage penalty.
    """

    rules: Rules
    previous: Tensor
    totals: Tensor
    best: Tensor
    ended: Tensor
    history: Tensor
    coverage: Tensor | None

    @classmethod
    def start(cls, rules: Rules, n_best: int) -> Self:
        """One beam per sentence, so that the first words of its beams differ."""
        previous = torch.full_like(rules.limits, rules.bos).unsqueeze(1)
        totals = torch.zeros_like(previous, dtype=torch.float32)
        best = totals.new_full((len(totals), n_best), NEVER)
        ended, history = torch.zeros_like(rules.limits), previous.unsqueeze(2)[:, :, :0]
        return cls(rules, previous, totals, best, ended, history, coverage=None)

    def __getitem__(self, index: Tensor) -> Self:
        """The beams of the sentences ``index`` (any,)."""
        values: list[Any] = [None if value is None else value[index] for value in vars(self).values()]
        return type(self)(*values)


@dataclass(frozen=True, kw_only=True)
class Beam(Constraints):
    """Keeps the ``size`` most probable prefixes of each sentence and returns the ``n_best`` best hypotheses.

    A hypothesis ends when EOS is among the ``size`` best continuations of its sentence; ``size`` others go
    on.
    Score: log-probability / lp + coverage penalty, computed once, when the hypothesis ends, with EOS included
    in its length (``length_penalty``, ``coverage_penalty``).

    normalisation, alpha: the kind of lp (none, average or gnmt) and its exponent.
    coverage: the weight beta of the coverage penalty; 0 for none.
    stop: when a sentence is done. ``exact``: once none of its beams can beat its ``n_best`` hypotheses, which
    loses nothing; until then, those that cannot are dropped. ``size``: also as soon as ``size`` hypotheses
    have ended. ``best``: also as soon as the best continuation of a step is EOS and ``n_best`` hypotheses
    have ended.
    pruning: drop a beam if its log-probability is more than this many nats below that of the best beam of its
    sentence (Freitag and Al-Onaizan 2017, relative threshold pruning); 0 for no pruning. Fewer than
    ``n_best`` hypotheses may then be found.

    Pruned beams, and those of finished sentences, are not projected to the vocabulary.

    Raises UserError if a value is out of range, or if coverage is used with a model without attention.
    """

    size: int = 5
    n_best: int = 1
    normalisation: Normalisation = "none"
    alpha: float = 1.0
    coverage: float = 0.0
    stop: Literal["exact", "size", "best"] = "exact"
    pruning: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole("size", self.size, 1)
        require_whole("n_best", self.n_best, 1)
        require("n_best", self.n_best, self.n_best <= self.size, f"at most search.size={self.size}")
        require_number("pruning", self.pruning, 0)
        require_number("alpha", self.alpha, 0)
        self._require_digits()
        require_number("coverage", self.coverage, 0)

    def _require_digits(self) -> None:
        """Raises UserError if lp is so large that scores divided by it underflow."""
        base = length_penalty(self.max_length + 1, self.normalisation, 1.0)
        most = math.log(LARGEST) / math.log(base) if base > 1 else math.inf
        wanted = f"at most {most:.4g} with search.max_length={self.max_length}"
        require("alpha", self.alpha, self.alpha <= most, wanted)

    def search(
        self,
        decoder: Decoder,
        memory: Memory,
        rules: Rules,
        keep_weights: bool,
        record: list[Step] | None = None,
    ) -> Hypotheses:
        """record: an empty list, to which every step of the search is appended (``search.beam_tree``)."""
        active = ActiveSentences(decoder, memory)
        live = Live.start(rules[active.sentences], self.n_best)
        backpointers: list[Step] = [] if record is None else record
        while len(active):
            step, live = self._step(active, live, len(backpointers))
            backpointers.append(step if keep_weights else replace(step, weights=None))
        return self._read(backpointers, memory, rules)

    def _step(self, active: ActiveSentences, live: Live, number: int) -> tuple[Step, Live]:
        """Extends every beam by word ``number``, counted from 0, and drops the sentences that are done."""
        rows = (live.totals > NEVER).flatten().nonzero().squeeze(1)
        log_probs, weights, trace = active.step(live.previous, rows)
        if self.whole_objects:
            live = replace(live, totals=live.totals + trace.log_probs.view_as(live.totals))
        live = self._cover(live, weights)
        values, words = self._propose(live, log_probs, number, rows)
        totals = (live.totals.view(-1, 1) + values).view(len(active), -1)  # (b, w * k)
        totals, order = totals.sort(dim=1, descending=True, stable=True)
        totals, order = totals[:, : 2 * self.size], order[:, : 2 * self.size]
        parents = order // words.shape[1]
        tokens = words.view(len(active), -1).gather(1, order)
        ends = tokens == live.rules.eos
        scores = self._score(totals, number + 1, parents, live.coverage, active.memory.mask)
        step = Step(
            sentences=active.sentences,
            tokens=tokens,
            log_probs=values.view(len(active), -1).gather(1, order),
            parents=parents,
            kept=ends.byte().sort(dim=1, stable=True).indices[:, : self.size],
            ended=scores.masked_fill(~ends, NEVER)[:, : self.size],
            weights=weights,
            trace=trace,
        )
        return step, self._go_on(active, live, step, totals.masked_fill(ends, NEVER))

    def _propose(self, live: Live, log_probs: Tensor, number: int, rows: Tensor) -> tuple[Tensor, Tensor]:
        """The best words after each beam, and their log-probabilities, (b * w, k); -inf after dead beams.

        log_probs: (R, V) of the live beams ``rows`` (R,).
        """
        choose = partial(top, k=self.size + 1)  # at most one is EOS, so ``size`` others remain
        sentences, history = rows // live.totals.shape[1], live.history.flatten(0, 1)[rows]
        values, words = live.rules.propose(log_probs, number, history, choose, sentences)
        everywhere = live.totals.numel(), values.shape[1]
        return (
            values.new_full(everywhere, NEVER).index_copy_(0, rows, values),
            words.new_zeros(everywhere).index_copy_(0, rows, words),
        )

    def _cover(self, live: Live, weights: Tensor | None) -> Live:
        """Adds this step's attention (b * w, S) to the coverage, if there is a coverage penalty."""
        if self.coverage == 0:
            return live
        if weights is None:
            raise UserError(f"search.coverage={self.coverage}: the model has no attention; set it to 0")
        weights = weights.unflatten(0, live.totals.shape)
        return replace(live, coverage=weights if live.coverage is None else live.coverage + weights)

    def _score(
        self, totals: Tensor, length: int, parents: Tensor, coverage: Tensor | None, mask: Tensor
    ) -> Tensor:
        """(b, C) the scores of candidates with log-probability ``totals`` if they end here."""
        scores = totals / length_penalty(length, self.normalisation, self.alpha)
        if coverage is None:
            return scores
        return scores + coverage_penalty(coverage, mask.unsqueeze(1), self.coverage).gather(1, parents)

    def _go_on(self, active: ActiveSentences, live: Live, step: Step, totals: Tensor) -> Live:
        """The kept candidates as beams; ``totals`` (b, C) is -inf for those that ended."""
        beams = live.totals.shape[1]
        parents, previous = step.parents.gather(1, step.kept), step.tokens.gather(1, step.kept)
        totals = totals.gather(1, step.kept)
        if self.pruning:
            hopeless = totals < totals.amax(1, keepdim=True) - self.pruning
            totals = totals.masked_fill(hopeless, NEVER)
        history = live.history
        if live.rules.reads_history:
            history = torch.cat([take(history, parents), previous.unsqueeze(2)], dim=2)
        live = Live(
            rules=live.rules,
            previous=previous,
            totals=totals,
            best=torch.cat([live.best, step.ended], dim=1).topk(self.n_best).values,
            ended=live.ended + (step.ended > NEVER).sum(1),
            history=history,
            coverage=None if live.coverage is None else take(live.coverage, parents),
        )
        bounds = self._bounds(live)
        done = self._done(live, bounds, best_ended=step.ended[:, 0] > NEVER)
        going = unfinished(done)
        active.follow(parents, beams, going)
        dropped = done.unsqueeze(1)
        if self.stop == "exact":  # what follows a beam that cannot win cannot win either
            dropped = dropped | (bounds <= live.best[:, -1:])
        live = replace(live, totals=live.totals.masked_fill(dropped, NEVER))
        return live if going is None else live[going]

    def _bounds(self, live: Live) -> Tensor:
        """(b, w) what the scores of the hypotheses that follow from each beam cannot exceed.

        Log-probabilities only fall and lp only grows, so a beam's score is bounded by its current total over
        the largest lp; the coverage penalty can only lower it.
        """
        longest = length_penalty(live.rules.limits.unsqueeze(1) + 1, self.normalisation, self.alpha)
        return live.totals / longest

    def _done(self, live: Live, bounds: Tensor, best_ended: Tensor) -> Tensor:
        """(b,) whether each sentence is done; ``best_ended`` (b,): whether the step's best candidate ended.

        Stopping is exact if no beam can beat the worst hypothesis that would be returned.
        """
        done = ~(bounds.amax(1) > live.best[:, -1])  # also if scores are NaN
        match self.stop:
            case "size":
                return done | (live.ended >= self.size)
            case "best":
                return done | (best_ended & (live.ended >= self.n_best))
        return done

    def _read(self, backpointers: list[Step], memory: Memory, rules: Rules) -> Hypotheses:
        endings = best_endings(backpointers, len(memory), self.n_best, memory.lengths.device)
        tokens, log_probs, weights, trace = follow(backpointers, endings, rules.pad)
        empty = (memory.lengths == 0).nonzero().squeeze(1)
        force_empty(tokens[:, :1], endings.scores[:, :1], empty, rules.eos)
        lost = (endings.steps[:, 0] < 0) & (memory.lengths > 0)  # the model's logits were NaN
        tokens[:, 0, 0].masked_fill_(lost, rules.eos)
        for values in (endings.scores, log_probs[:, :, 0]):
            values[:, 0].masked_fill_(lost, torch.nan)
        return Hypotheses.of(
            tokens, endings.scores, log_probs, rules.limits, rules.pad, weights, trace, self.whole_objects
        )


def take(values: Tensor, beams: Tensor) -> Tensor:
    """Selects ``beams`` (b, any) from values (b, w, ...): (b, any, ...)."""
    return values[torch.arange(len(values), device=values.device).unsqueeze(1), beams]


def length_penalty(lengths: Tensor | int, normalisation: str, alpha: float) -> Tensor | float:
    """lp of hypotheses of ``lengths`` (any shape), EOS included.

    none: 1. average: length^alpha, so that alpha = 1 ranks by the mean log-probability. gnmt: ((5 + length) /
    6)^alpha.
    """
    if normalisation == "none":
        return 1.0
    if normalisation == "average":
        return lengths ** float(alpha)  # an integer power would overflow
    assert normalisation == "gnmt"
    return ((5 + lengths) / 6) ** float(alpha)


def coverage_penalty(coverage: Tensor, mask: Tensor, beta: float) -> Tensor:
    """cp = beta * sum_i log(min(coverage_i, 1)) over real source positions: (..., S) -> (...), at most 0.

    ``coverage`` is the total attention that each source position received, including that of the EOS step. It
    is clamped to the smallest normal number, so that the score stays finite.
    """
    received = coverage.clamp(torch.finfo(coverage.dtype).tiny, 1.0).log()
    return beta * received.masked_fill(~mask, 0.0).sum(-1)
