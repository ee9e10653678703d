"""Noun phrases and places of typed English: each function yields what can start at a position of a sentence,
and the position after it.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from seq2scene.data.park.language.lexicon import NOUNS
from seq2scene.data.park.language.meaning import Mention
from seq2scene.data.park.language.typed_words import (
    ARTICLES,
    BOTH_PHRASES,
    COLOURS,
    COUNTS,
    EMPTY_PHRASES,
    NOUN_TABLE,
    PERSONS,
    PREPOSITIONS,
    SIZES,
    Words,
)


@dataclass(frozen=True)
class Noun:
    """A noun phrase. names: the classes that it may mean, or ("both",)."""

    names: tuple[str, ...]
    said: str
    form: str = "definite"
    size: str | None = None
    colour: str | None = None
    wrong_colour: str | None = None
    count: int = 1

    def mention(self, name: str) -> Mention:
        return Mention(name, self.form, self.size, self.colour)


def match(words: Words, at: int, phrases: Collection[Words]) -> Iterator[tuple[Words, int]]:
    """The phrases that start at a position, the longest first."""
    for length in range(min(6, len(words) - at), 0, -1):
        phrase = words[at : at + length]
        if phrase in phrases:
            yield phrase, at + length


def noun_phrase(words: Words, at: int, it: Noun | None) -> Iterator[tuple[Noun, int]]:
    if at >= len(words):
        return
    if words[at] in ("they", "them") and it is not None:
        if NOUNS[it.names[0]].english_plural:
            yield replace(it, form="definite", size=None, colour=None, wrong_colour=None), at + 1
            return
        if it.count > 1:
            return  # the children, or the balls?
    for phrase, end in match(words, at, BOTH_PHRASES):
        yield Noun(("both",), " ".join(phrase), "name"), end
    if words[at] in PERSONS:
        name = PERSONS[words[at]]
        yield Noun((name,), name, "name"), at + 1
    if words[at] == "it" and it is not None:
        yield replace(it, form="definite", size=None, colour=None, wrong_colour=None, count=1), at + 1
    yield from _described(words, at)


def _described(words: Words, at: int) -> Iterator[tuple[Noun, int]]:
    """An article or a number, adjectives, a noun."""
    form, count = ARTICLES.get(words[at]), 1
    if form is not None:
        at += 1
    if at < len(words) and words[at] in COUNTS:
        count, at, form = COUNTS[words[at]], at + 1, form or "indefinite"
    size = colour = None
    while True:
        for noun, end in match(words, at, NOUN_TABLE):
            names, is_plural = NOUN_TABLE[noun]
            if count > 1 and not is_plural and not NOUNS[names[0]].english_plural:
                continue
            counted = max(count, 1 if form == "no" else 2) if is_plural else 1
            found = Noun(names, " ".join(noun), form or "indefinite", size, count=counted)
            yield from ((each, end) for each in (coloured(found, colour) if colour else (found,)))
        if at < len(words) and words[at] in SIZES and size is None:
            size = SIZES[words[at]]
        elif at < len(words) and words[at].replace("gray", "grey") in COLOURS and colour is None:
            colour = words[at].replace("gray", "grey")
        else:
            return
        at += 1


def coloured(noun: Noun, colour: str) -> Iterator[Noun]:
    """The classes of a noun that have the colour; of things that have no colour nothing is known."""
    known = [name for name in noun.names if name in NOUNS and NOUNS[name].colour]
    fitting = tuple(name for name in known if NOUNS[name].colour == colour)
    if fitting:
        yield replace(noun, names=fitting, colour=colour)
    elif len(known) == len(noun.names):
        yield replace(noun, wrong_colour=colour)


def noun_phrases(words: Words, at: int, it: Noun | None) -> Iterator[tuple[tuple[Noun, ...], int]]:
    """Noun phrases joined by ``and`` or commas, as many as possible first."""
    for one, end in noun_phrase(words, at, it):
        for joint in (("and",), (",", "and"), (",",)):
            if words[end : end + len(joint)] == joint:
                for others, last in noun_phrases(words, end + len(joint), it):
                    yield (one, *others), last
        yield (one,), end


def place_phrases(words: Words, at: int, it: Noun | None) -> Iterator[tuple[list[tuple[str, Noun]], int]]:
    """Any number of prepositions with their nouns, and of adverbs that state nothing that is checked."""
    for phrase, end in match(words, at, PREPOSITIONS):
        for nouns, last in noun_phrases(words, end, it):
            for others, stop in place_phrases(words, last, it):
                yield [*((PREPOSITIONS[phrase], noun) for noun in nouns), *others], stop
    for _, end in match(words, at, EMPTY_PHRASES):
        yield from place_phrases(words, end, it)
    yield [], at
