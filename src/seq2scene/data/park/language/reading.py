"""What typed English states: sentences of the park's grammar, with the words that people use, to facts.

A sentence is understood as a whole or not at all. Its words are those of ``english`` and ``rich_english``; of
a sentence with any other word, or of another form, nothing is claimed.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

from seq2scene.data.park.language.lexicon import NOUNS
from seq2scene.data.park.language.meaning import Clause, Mention, Place
from seq2scene.data.park.language.stating import of_clause
from seq2scene.data.park.language.typed_words import (
    AFTER_BE,
    ARTICLES,
    BASE,
    BE,
    BOTH_PHRASES,
    COLOURS,
    COUNTS,
    EMPTY_PHRASES,
    FINITE,
    NEARBY,
    NOUN_TABLE,
    PERSONS,
    PREPOSITIONS,
    SIZES,
    TRANSITIVE,
    WEATHER_PHRASES,
    Words,
    words_of,
)
from seq2scene.data.park.world import CHILDREN
from seq2scene.scenes.facts import Fact, Things, holds
from seq2scene.scenes.scene_texts import split_sentences


@dataclass(frozen=True)
class Statement:
    """One thing that a sentence states.

    said: the fact with the nouns that were typed. facts: what it may mean, by the classes that the nouns may
    mean (each ball); none if nothing can be meant, such as a red dog where dogs are black.
    """

    said: Fact
    facts: tuple[Fact, ...]

    def holds(self, things: Things) -> bool:
        """Whether one of the meanings holds, or if denied all."""
        every = all if self.said.denied else any
        return bool(self.facts) and every(holds(fact, things) for fact in self.facts)


@dataclass(frozen=True)
class Sentence:
    """statements: None if the sentence was not understood."""

    text: str
    statements: tuple[Statement, ...] | None


def read_sentences(text: str) -> list[Sentence]:
    """The sentences of a typed text, each with what it states."""
    read, it = [], None
    for sentence in split_sentences(text):
        found = _reading(words_of(sentence), it)
        if found is not None:
            it = found[1]
        read.append(Sentence(sentence, None if found is None else tuple(dict.fromkeys(found[0]))))
    return read


# Phrases: each of these yields what can start at a position, and the position after it


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
        form = "indefinite" if self.form == "no" else self.form
        return Mention(name, form, self.size, self.colour)


def _match(words: Words, at: int, phrases: Collection[Words]) -> Iterator[tuple[Words, int]]:
    """The phrases that start at a position, the longest first."""
    for length in range(min(6, len(words) - at), 0, -1):
        phrase = words[at : at + length]
        if phrase in phrases:
            yield phrase, at + length


def _noun(words: Words, at: int, it: Noun | None) -> Iterator[tuple[Noun, int]]:
    if at >= len(words):
        return
    if words[at] in ("they", "them") and it is not None and NOUNS[it.names[0]].english_plural:
        yield replace(it, form="definite", size=None, colour=None, wrong_colour=None), at + 1
        return
    for phrase, end in _match(words, at, BOTH_PHRASES):
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
        for noun, end in _match(words, at, NOUN_TABLE):
            names, is_plural = NOUN_TABLE[noun]
            if count > 1 and not is_plural and not NOUNS[names[0]].english_plural:
                continue
            counted = max(count, 2) if is_plural else 1
            found = Noun(names, " ".join(noun), form or "indefinite", size, count=counted)
            yield from _coloured(found, colour, end)
        if at < len(words) and words[at] in SIZES and size is None:
            size = SIZES[words[at]]
        elif at < len(words) and words[at].replace("gray", "grey") in COLOURS and colour is None:
            colour = words[at].replace("gray", "grey")
        else:
            return
        at += 1


def _coloured(noun: Noun, colour: str | None, end: int) -> Iterator[tuple[Noun, int]]:
    """The classes of a noun that have the colour; of things that have no colour nothing is known."""
    if colour is None:
        yield noun, end
        return
    known = [name for name in noun.names if NOUNS[name].colour]
    fitting = tuple(name for name in known if NOUNS[name].colour == colour)
    if fitting:
        yield replace(noun, names=fitting, colour=colour), end
    elif len(known) == len(noun.names):
        yield replace(noun, wrong_colour=colour), end


def _nouns(words: Words, at: int, it: Noun | None) -> Iterator[tuple[tuple[Noun, ...], int]]:
    """Noun phrases joined by ``and`` or commas, as many as possible first."""
    for one, end in _noun(words, at, it):
        for joint in (("and",), (",", "and"), (",",)):
            if words[end : end + len(joint)] == joint:
                for others, last in _nouns(words, end + len(joint), it):
                    yield (one, *others), last
        yield (one,), end


def _places(words: Words, at: int, it: Noun | None) -> Iterator[tuple[list[tuple[str, Noun]], int]]:
    """Any number of prepositions with their nouns, and of adverbs that state nothing that is checked."""
    for phrase, end in _match(words, at, PREPOSITIONS):
        for nouns, last in _nouns(words, end, it):
            for others, stop in _places(words, last, it):
                yield [*((PREPOSITIONS[phrase], noun) for noun in nouns), *others], stop
    for _, end in _match(words, at, EMPTY_PHRASES):
        yield from _places(words, end, it)
    yield [], at


# Clauses


@dataclass(frozen=True)
class Said:
    """A predicate, before its subject is known."""

    verb: str
    adjective: str | None = None
    objects: tuple[Noun, ...] = ()
    recipient: Noun | None = None
    places: tuple[tuple[str, Noun], ...] = ()
    negated: bool = False
    nearby: bool = False


def _predicate(words: Words, at: int, it: Noun | None) -> Iterator[tuple[Said, int]]:
    for _, end in _match(words, at, BE):
        negated = words[end : end + 1] == ("not",)
        yield from _after_be(words, end + negated, it, negated)
    if words[at : at + 2] in (("does", "not"), ("do", "not")):
        yield from _verb(words, at + 2, it, BASE, True)
    yield from _verb(words, at, it, FINITE, False)


def _after_be(words: Words, at: int, it: Noun | None, negated: bool) -> Iterator[tuple[Said, int]]:
    yield from _verb(words, at, it, AFTER_BE, negated)
    for places, end in _places(words, at, it):
        if places:
            yield Said("be", places=tuple(places), negated=negated), end
    if not negated and words[at : at + 1] and words[at] in NEARBY:
        yield Said("be", nearby=True), at + 1


def _verb(words: Words, at: int, it: Noun | None, table: dict, negated: bool) -> Iterator[tuple[Said, int]]:
    for phrase, end in _match(words, at, table):
        verb, adjective = table[phrase]
        said = Said(verb, adjective, negated=negated)
        if verb in TRANSITIVE:
            yield from _with_object(said, words, end, it)
        if verb not in TRANSITIVE or phrase[-1] in ("kicking", "kicks", "kick", "waving", "waves", "wave"):
            for places, last in _places(words, end, it):
                yield replace(said, places=tuple(places)), last


def _with_object(said: Said, words: Words, at: int, it: Noun | None) -> Iterator[tuple[Said, int]]:
    for nouns, end in _nouns(words, at, it):
        if said.negated and len(nouns) > 1:
            continue  # neither, or not both?
        negated = said.negated or any(noun.form == "no" for noun in nouns)
        whole = replace(said, objects=nouns, negated=negated)
        if words[end : end + 1] == ("to",) and said.verb in ("give", "kick"):
            for recipient, last in _noun(words, end + 1, it):
                yield replace(whole, recipient=recipient), last
        if words[end : end + 1] == ("up",) and said.verb == "hold":
            yield replace(whole, verb="raise"), end + 1
        if said.verb != "give":
            for places, last in _places(words, end, it):
                yield replace(whole, places=tuple(places)), last


Found = tuple[
    tuple[Statement, ...], "Noun | None", tuple[Noun, ...]
]  # statements, what ``it`` is, the subjects


def _clause(words: Words, at: int, it: Noun | None, before: tuple[Noun, ...]) -> Iterator[tuple[Found, int]]:
    for phrase, end in _match(words, at, WEATHER_PHRASES):
        name = WEATHER_PHRASES[phrase]
        fact = Fact("thing", name)
        yield ((Statement(fact, (fact,)),), it, before), end
    for seen in (("you", "can", "see", "that"), ("you", "see"), ("you", "can", "see")):
        if words[at : at + len(seen)] == seen:
            yield from _clause(words, at + len(seen), it, before)
    if words[at : at + 1] == ("there",) and words[at + 1 : at + 2] in BE:
        for nouns, end in _nouns(words, at + 2, it):
            yield from _existing(nouns, words, end, it)
    for front, comma in _places(words, at, it):  # "under the tree, Mike is sitting"
        if front and words[comma : comma + 1] == (",",):
            for nouns, end in _nouns(words, comma + 1, it):
                for said, last in _predicate(words, end, it):
                    if not said.negated:
                        said = replace(said, places=(*front, *said.places))
                        yield (_statements(nouns, said, before), _it(nouns, said, it), nouns), last
    for nouns, end in _nouns(words, at, it):
        if words[end : end + 3] == ("can", "see", "that"):
            yield from _clause(words, end + 3, it, before)
        for said, last in _predicate(words, end, it):
            yield (_statements(nouns, said, before), _it(nouns, said, it), nouns), last
        if end < len(words) or all(noun.form != "name" for noun in nouns):
            yield from _existing(nouns, words, end, it)
    for said, end in _predicate(words, at, it):  # of the same subject
        if before:
            yield (_statements(before, said, before), _it(before, said, it), before), end


def _existing(nouns: tuple[Noun, ...], words: Words, at: int, it: Noun | None) -> Iterator[tuple[Found, int]]:
    """``there is a dog under the tree``, ``a dog under the tree``, ``no dog``."""
    for places, end in _places(words, at, it):
        said = Said("be", places=tuple(places))
        if any(noun.form == "no" for noun in nouns):
            if not places and len(nouns) == 1 and nouns[0].count == 1:
                facts = tuple(Fact("thing", name, denied=True) for name in nouns[0].names)
                yield ((Statement(replace(facts[0], subject=nouns[0].said), facts),), it, ()), end
            continue
        yield (_statements(nouns, said, ()), _it(nouns, said, it), nouns), end


def _it(subjects: tuple[Noun, ...], said: Said, before: Noun | None) -> Noun | None:
    """What ``it`` means afterwards: the first thing that the clause mentions, children aside."""
    mentioned = [*subjects, *said.objects, *(noun for _, noun in said.places)]
    things = [noun for noun in mentioned if not {*noun.names} & {*CHILDREN, "both"}]
    return things[0] if things else before


JOINTS = (
    *((",", "and"), (",", "but"), (",", "while"), (",", "because"), (",", "so")),
    *(("and",), ("but",), ("because",), ("since",), ("while",), ("as",), (",",)),
)


Reading = tuple[tuple[Statement, ...], "Noun | None"]  # of what follows; what ``it`` is at the end


def _reading(words: Words, it: Noun | None) -> Reading | None:
    """What a whole sentence states; None if it is not understood."""
    starts = [0, *(end + (words[end : end + 1] == (",",)) for _, end in _match(words, 0, EMPTY_PHRASES))]
    starts += [1] * (words[:1] in (("while",), ("as",)))
    found = (_rest(words, start, it, ()) for start in starts if words)
    return next((reading for reading in found if reading is not None), None)


@lru_cache(maxsize=4096)  # sentences of many joints would otherwise be read again and again
def _rest(words: Words, at: int, it: Noun | None, before: tuple[Noun, ...]) -> Reading | None:
    """The first reading of the clauses from a position to the end of the sentence."""
    for (statements, now, subjects), end in _clause(words, at, it, before):
        if end == len(words):
            return statements, now
        for joint in JOINTS:
            if words[end : end + len(joint)] == joint:
                others = _rest(words, end + len(joint), now, subjects)
                if others is not None:
                    return (*statements, *others[0]), others[1]
    return None


# Facts


def _statements(subjects: tuple[Noun, ...], said: Said, before: tuple[Noun, ...]) -> tuple[Statement, ...]:
    found: list[Statement] = []
    places: list[tuple[str, Noun] | None] = [*said.places]
    places += [("near", noun) for noun in before if said.nearby]
    for subject in subjects:
        found += _counted(subject)
        for thing in said.objects or (None,):
            for place in places or [None]:
                found += _of_one(subject, said, thing, place)
    return tuple(found)


def _counted(noun: Noun) -> list[Statement]:
    if noun.count == 1:
        return []
    facts = tuple(Fact("thing", name, count=noun.count) for name in noun.names)
    return [Statement(replace(facts[0], subject=noun.said), facts)]


def _of_one(subject: Noun, said: Said, thing: Noun | None, place: tuple[str, Noun] | None) -> list[Statement]:
    """The statements of a clause with one subject, at most one object, at most one place."""
    nouns = [noun for noun in (subject, thing, said.recipient, place and place[1]) if noun]
    rows = []
    for names in product(*(noun.names for noun in nouns)):
        mentions = iter([noun.mention(name) for noun, name in zip(nouns, names, strict=True)])
        clause = Clause(
            said.verb,
            next(mentions),
            next(mentions) if thing else None,
            next(mentions) if said.recipient else None,
            Place(place[0], next(mentions)) if place else None,
            said.adjective,
            said.negated,
        )
        rows.append(list(_denied(clause) if said.negated else of_clause(clause)))
    typed = {name: noun.said for noun in nouns for name in noun.names if noun.form != "name"}
    columns = zip(*rows, strict=True)
    found = [Statement(_as_typed(column[0], typed), tuple(dict.fromkeys(column))) for column in columns]
    for noun in nouns:
        if noun.wrong_colour:
            found.append(Statement(Fact("colour", noun.said, value=noun.wrong_colour), ()))
    return found


def _denied(clause: Clause) -> Iterator[Fact]:
    """As ``of_clause``, which leaves the relations of places as they are."""
    for fact in of_clause(clause):
        is_place = clause.place is not None and fact.kind == clause.place.relation
        yield replace(fact, denied=True) if is_place and clause.verb == "be" else fact


def _as_typed(fact: Fact, typed: dict[str, str]) -> Fact:
    keys = ("subject", "object", "recipient")
    return replace(fact, **{key: typed.get(getattr(fact, key), getattr(fact, key)) for key in keys})
