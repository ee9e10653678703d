"""Constraints on a search: lengths, banned words, repeated n-grams and forced prefixes; and a fast top k."""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, Self

import torch
from torch import Tensor

from seq2scene.errors import UserError
from seq2scene.search.decoder import Decoder, PlacingDecoder
from seq2scene.search.hypotheses import Hypotheses
from seq2scene.sequences.memory import Memory

NEVER = -math.inf
FREE = -1  # in a prefix: the search chooses
Normalisation = Literal["none", "average", "gnmt"]  # of the log-probability of a hypothesis
LIMITS = ("max_ratio", "max_extra", "max_length")  # the options that bound the length of outputs
MOST = 1_000_000  # of whatever is counted; more must be a typo
BLOCK = 64  # columns per block in ``top``


def require(name: str, value: object, good: bool, wanted: str) -> None:
    """Raises UserError unless ``value`` is ``good``."""
    if not good:
        raise UserError(f"search.{name}={value}: it must be {wanted}")


def require_whole(name: str, value: object, low: int) -> None:
    good = isinstance(value, int) and low <= value <= MOST
    require(name, value, good, f"a whole number of at least {low} and at most {MOST}")


def require_number(name: str, value: object, low: float, high: float = math.inf) -> None:
    good = isinstance(value, int | float) and low <= value <= high and math.isfinite(value)
    upper = f" and at most {high}" if high < math.inf else ""
    require(name, value, good, f"a number of at least {low}{upper}")


@dataclass(frozen=True)
class Rules:
    """The constraints of the b active sentences.

    limits: (b,) maximum number of words before EOS. prefix: (b, P) forced tokens, FREE where there are none.
    banned: (any,) ids that are never written. bos, eos, pad: ids of special tokens. most: (V,) how often each
    id may be written; None: no limit.
    """

    limits: Tensor
    prefix: Tensor
    banned: Tensor
    bos: int
    eos: int
    pad: int
    min_length: int
    no_repeat_ngram: int
    most: Tensor | None = None

    def __getitem__(self, index: Tensor) -> Self:
        """The rules of the sentences ``index`` (any,)."""
        return replace(self, limits=self.limits[index], prefix=self.prefix[index])

    @property
    def reads_history(self) -> bool:
        """Whether what may come next depends on all that was written."""
        return self.no_repeat_ngram > 0 or self.most is not None

    def forced(self, step: int) -> Tensor:
        """(b,) the token forced at ``step``, counted from 0, or FREE."""
        forced = torch.where(self.limits <= step, self.eos, FREE)
        if step >= self.prefix.shape[1]:
            return forced
        return torch.where(self.prefix[:, step] == FREE, forced, self.prefix[:, step])

    def ban(self, log_probs: Tensor, step: int, history: Tensor) -> None:
        """Sets the log-probabilities of forbidden words to -inf, in place.

        log_probs: (rows, V). history: (rows, step), words so far; needed if ``reads_history``.
        """
        log_probs.index_fill_(1, self.banned, NEVER)
        if step < self.min_length:
            log_probs[:, self.eos] = NEVER
        if 0 < self.no_repeat_ngram <= step:
            log_probs.scatter_(1, self._repeats(history), NEVER)
        if self.most is not None:
            counts = torch.zeros_like(log_probs, dtype=torch.int64)
            counts.scatter_add_(1, history, torch.ones_like(history))
            log_probs.masked_fill_(counts >= self.most, NEVER)

    def _repeats(self, history: Tensor) -> Tensor:
        """(rows, windows) the words that would complete an n-gram of ``history``; elsewhere a banned id."""
        n = self.no_repeat_ngram
        windows = history.unfold(1, n, 1)  # (rows, windows, n)
        ending = history[:, history.shape[1] - n + 1 :].unsqueeze(1)  # the last n - 1 words
        begun = (windows[..., :-1] == ending).all(2)
        return torch.where(begun, windows[..., -1], self.banned[0])

    def propose(
        self,
        log_probs: Tensor,
        step: int,
        history: Tensor,
        choose: Callable[[Tensor], tuple[Tensor, Tensor]],
        sentences: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """The words picked by ``choose`` among those allowed, or the forced one: log-probabilities, ids
        (rows, k).

        log_probs: (rows, V), the model's; overwritten. history: (rows, step), needed if ``reads_history``.
        sentences: (rows,) which of the b sentences each row belongs to. A forced token keeps the model's
        log-probability even if it is banned, and the other k - 1 proposals of its row get -inf. If all tokens
        are banned, EOS is forced, so that every sentence ends.
        """
        forced = self.forced(step)[sentences].unsqueeze(1)  # (rows, 1)
        free = forced == FREE
        forced = forced.masked_fill(free, self.eos)
        forced_log_probs = log_probs.gather(1, forced)
        self.ban(log_probs, step, history)
        values, tokens = choose(log_probs)
        free = free & (values[:, :1] != NEVER)  # otherwise all words are banned
        others = torch.full_like(values[:, 1:], NEVER)
        values = torch.where(free, values, torch.cat([forced_log_probs, others], dim=1))
        return values, torch.where(free, tokens, forced)


@dataclass(frozen=True, kw_only=True)
class Constraints:
    """A search, and the options common to all. Lengths count words, without EOS.

    max_ratio, max_extra, max_length: a sentence has at most ``max_ratio * source length + max_extra`` words,
    and never more than ``max_length``; then EOS is forced. A longer forced prefix is written in full.
    min_length: EOS is banned before this many words, unless the limit forces it or nothing else is allowed.
    ban_unk: never write the unknown word.
    no_repeat_ngram: no n-gram of this size occurs twice in a sentence; 0 to allow repeats.
    repeat_objects: whether a scene may have more objects of a class than any training scene.
    whole_objects: whether scores and log-probabilities of scenes count how the objects stand, by attributes
    and places, and not only their classes.

    Raises UserError if a value is out of range.
    """

    max_ratio: float = 2.0
    max_extra: int = 10
    max_length: int = 200
    min_length: int = 0
    ban_unk: bool = False
    no_repeat_ngram: int = 0
    repeat_objects: bool = False
    whole_objects: bool = False

    def __post_init__(self) -> None:
        require_number("max_ratio", self.max_ratio, 0)
        require_whole("max_extra", self.max_extra, 0)
        require_whole("max_length", self.max_length, 1)
        require_whole("min_length", self.min_length, 0)
        fits = self.min_length <= self.max_length
        require("min_length", self.min_length, fits, f"at most search.max_length={self.max_length}")
        require_whole("no_repeat_ngram", self.no_repeat_ngram, 0)

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
        **own: Any,
    ) -> Hypotheses:
        """Searches for the B sentences of ``memory``.

        prefix: (B, P) forced beginnings, right-padded. most: (V,) how often each id may be written, None for
        any number. keep_weights: whether to return the attention. own: arguments of this search alone (see
        its ``search``).
        """
        self.require_objects(decoder)
        rules = self.rules(memory, bos, eos, pad, unk, prefix, most)
        return self.search(decoder, memory, rules, keep_weights, **own)

    def search(self, decoder: Decoder, memory: Memory, rules: Rules, keep_weights: bool) -> Hypotheses:
        """Searches under the ``rules`` of the B sentences of ``memory``."""
        raise NotImplementedError

    def limits(self, lengths: Tensor) -> Tensor:
        """The most words of a sentence, EOS not counted, for sources of ``lengths`` (any)."""
        ratio, extra = min(self.max_ratio, self.max_length), min(self.max_extra, self.max_length)
        return ((lengths * ratio).long() + extra).clamp(max=self.max_length)

    def shared(self) -> dict[str, Any]:
        """The options that all searches have, as keyword arguments of another one."""
        return {field.name: getattr(self, field.name) for field in fields(Constraints)}

    def require_objects(self, decoder: Decoder) -> None:
        """Raises UserError for ``whole_objects`` where the decoder writes words."""
        if self.whole_objects and not isinstance(decoder, PlacingDecoder):
            raise UserError("search.whole_objects=true: this model writes words, not objects; leave it out")

    def rules(
        self,
        memory: Memory,
        bos: int,
        eos: int,
        pad: int,
        unk: int,
        prefix: Tensor | None,
        most: Tensor | None = None,
    ) -> Rules:
        """The rules for the B sentences of ``memory``; ``prefix`` is (B, P), right-padded; ``most`` (V,) says
        how often each id may be written, unless ``repeat_objects``.
        """
        if prefix is None:
            prefix = memory.lengths.new_empty(len(memory), 0)
        assert len(prefix) == len(memory)
        limits = self.limits(memory.lengths).maximum((prefix != pad).sum(1))
        return Rules(
            limits=limits,
            prefix=prefix.masked_fill(prefix == pad, FREE),
            banned=torch.tensor([pad, bos, unk] if self.ban_unk else [pad, bos], device=limits.device),
            bos=bos,
            eos=eos,
            pad=pad,
            min_length=self.min_length,
            no_repeat_ngram=self.no_repeat_ngram,
            most=None if self.repeat_objects else most,
        )


def top(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest values of each row of (R, V) and their columns, each (R, min(k, V)), largest first.

    ``torch.topk`` in half the time on a CPU for V in the thousands: the k blocks of columns with the largest
    maxima contain k largest values, and block maxima take one vectorised pass.
    """
    width = values.shape[1]
    blocks = width // BLOCK
    if blocks < 2 * k:
        return values.topk(min(k, width))
    maxima = values[:, : blocks * BLOCK].unflatten(1, (blocks, BLOCK)).amax(2)  # (R, blocks)
    chosen = maxima.topk(k).indices.unsqueeze(2)  # (R, k, 1)
    columns = (chosen * BLOCK + torch.arange(BLOCK, device=values.device)).flatten(1)
    rest = torch.arange(blocks * BLOCK, width, device=values.device).expand(len(values), -1)
    columns = torch.cat([columns, rest], dim=1)
    largest, places = values.gather(1, columns).topk(k)
    return largest, columns.gather(1, places)
