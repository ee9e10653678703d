"""What typed English states: sentences of the park's grammar, with the words that people use, to facts.

A sentence is understood as a whole or not at all. Its words are those of ``english`` and ``rich_english``; of
a sentence with any other word, or of another form, nothing is claimed.
"""

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

from seq2scene.data.park.language import english, rich_english
from seq2scene.data.park.language.lexicon import NOUNS
from seq2scene.data.park.language.meaning import Clause, Mention, Place
from seq2scene.data.park.language.stating import of_clause
from seq2scene.data.park.world import CHILDREN
from seq2scene.scenes.facts import Fact, Things, holds
from seq2scene.scenes.scene_texts import split_sentences

MOST_WORDS = 36  # of a sentence


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
        found = _reading(_words(sentence), it)
        if found is not None:
            it = found[1]
        read.append(Sentence(sentence, None if found is None else tuple(dict.fromkeys(found[0]))))
    return read


# Words

CONTRACTED = (
    ("[\u2019`]", "'"),
    (r"\b(is|are|does|do)n't\b", r"\1 not"),
    (r"\b(mike|jenny|he|she|it|there)'s\b", r"\1 is"),
    (r"\b(they|there)'re\b", r"\1 are"),
    (r"\bno one\b|\bnobody\b", "?"),
)
SIZES = {"big": "big", "large": "big", "huge": "big", "small": "small", "little": "small", "tiny": "small"}
COLOURS = {noun.colour for noun in NOUNS.values()} - {None} | {"black", "brown"}
COUNTS = {"two": 2, "three": 3, "four": 4, "five": 5}
ARTICLES = {"the": "definite", "a": "indefinite", "an": "indefinite", "some": "indefinite", "no": "no"}
BOTH = (
    *("mike and jenny", "jenny and mike", "they", "them", "the children", "the kids", "both children"),
    *("the boy and the girl", "the girl and the boy", "both of them", "the two kids", "the friends"),
)
PERSONS = {"mike": "hb0", "he": "hb0", "him": "hb0", "jenny": "hb1", "she": "hb1", "her": "hb1"}
NEARBY = ("near", "nearby", "close", "there")  # "because the bear is near": near the one spoken of
EMPTY = (
    "now",
    "today",
    "this morning",
    "at the moment",
    "in the park",
    "in the picture",
    "outside",
    "together",
)
WEATHER = {"it is raining": "s_5", "it is rainy": "s_5", "it is sunny": "s_3", "it is a sunny day": "s_3"}


def _words(sentence: str) -> tuple[str, ...]:
    """Lower-case words and commas; () for a sentence with anything else."""
    text = sentence.lower().strip().rstrip(".!").rstrip()
    for pattern, way in CONTRACTED:
        text = re.sub(pattern, way, text)
    words = tuple(re.findall(r"[a-z][a-z'-]*|,|\S", text))
    return words if len(words) <= MOST_WORDS else ()


def _phrases(table: dict[str, object]) -> dict[tuple[str, ...], object]:
    return {tuple(phrase.split()): value for phrase, value in table.items()}


def _plural(noun: str) -> str:
    return re.sub("(ch|x|sh)$", r"\1e", re.sub("(?<![aeiou])y$", "ie", noun)) + "s"


def _noun_table() -> dict[str, tuple[tuple[str, ...], bool]]:
    """Of each noun the classes that it may mean, and whether it is a plural that counts them."""
    found: dict[str, list[str]] = {}
    for name, noun in NOUNS.items():
        plain = noun.english.replace(" 's", "'s")
        for said in (plain, *rich_english.SYNONYMS.get(plain, ())):
            found.setdefault(said, []).append(name)
    one = {noun: (tuple(names), False) for noun, names in found.items()}
    many = {_plural(noun): (tuple(names), True) for noun, names in found.items() if not noun.endswith("s")}
    return {**many, **one}


def _verb_tables() -> tuple[dict[str, tuple[str, str | None]], ...]:
    """What follows a form of ``be``, and finite verbs, singular and plural: each as the verb of a clause and
    an adjective.
    """
    after_be: dict[str, tuple[str, str | None]] = {}
    finite: dict[str, tuple[str, str | None]] = {}
    base: dict[str, tuple[str, str | None]] = {}
    meanings: dict[str, tuple[str, str | None]] = {"surprised and is looking at": ("look", "surprised")}
    for key, verb in english.VERBS.items():
        if verb.form:
            said = " ".join(filter(None, (verb.form, verb.particle, verb.preposition)))
            meanings[said] = (key, None)
    meanings |= {mood: ("be", mood) for mood in ("angry", "happy", "sad", "surprised")}
    meanings |= {colour: ("be", colour) for colour in COLOURS}
    for said, meaning in meanings.items():
        if " is " not in said:
            after_be[said] = meaning
        for way in rich_english.VERBS.get(said, ()):
            one, many = way.split("|")
            if one.startswith("is not "):
                continue  # read as the denial that it is
            if one.startswith("is "):
                after_be[one.removeprefix("is ")] = meaning
                continue
            finite[one] = meaning
            if many:
                finite[many] = base[many] = meaning
    after_be |= {"waving": ("wave", None), "playing": ("be", None)}
    finite |= {"waves": ("wave", None), "wave": ("wave", None), "plays": ("be", None), "play": ("be", None)}
    return after_be, finite, base


def _preposition_table() -> dict[str, str]:
    found = {}
    for relation, said in english.PREPOSITIONS.items():
        key = "on the" if relation == "on" else said
        for way in (said, *rich_english.PHRASES.get(key, ())):
            found.setdefault(way.removesuffix(" the"), relation)
    return {**found, "inside": "in", "close to": "near", "by": "near", "far away from": "far_from"}


NOUN_TABLE = _phrases(_noun_table())
AFTER_BE, FINITE, BASE = map(_phrases, _verb_tables())
PREPOSITIONS = _phrases(_preposition_table())
BE = {("is",), ("are",)}
TRANSITIVE = {
    *("hold", "raise", "wear", "eat", "read", "kick", "wave", "look", "follow", "run_to", "flee"),
    *("fear", "play", "give"),
}


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


Words = tuple[str, ...]


def _match(words: Words, at: int, phrases: Collection[Words]) -> Iterator[tuple[Words, int]]:
    """The phrases that start at a position, the longest first."""
    for length in range(min(6, len(words) - at), 0, -1):
        phrase = words[at : at + length]
        if phrase in phrases:
            yield phrase, at + length


BOTH_PHRASES = {tuple(phrase.split()) for phrase in BOTH}
EMPTY_PHRASES = {tuple(phrase.split()) for phrase in EMPTY}
WEATHER_PHRASES = _phrases(WEATHER)


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
    places = list(said.places) + [("near", noun) for noun in before if said.nearby]
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
