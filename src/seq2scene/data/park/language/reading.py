"""What typed English states: sentences of the park's grammar, with the words that people use, to facts.

A sentence is understood as a whole or not at all. Its words are those of ``english`` and ``rich_english``; of
a sentence with any other word, or of another form, nothing is claimed. Nor is it of what the scenes cannot
show, such as the mood of a dog, and of denials whose extent is not plain: who is "not sitting on the bench"
may sit elsewhere, or stand on it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise, product

from seq2scene.data.park.language.meaning import Clause, Place
from seq2scene.data.park.language.noun_phrases import (
    Noun,
    coloured,
    match,
    noun_phrase,
    noun_phrases,
    place_phrases,
)
from seq2scene.data.park.language.stating import of_clause
from seq2scene.data.park.language.typed_words import (
    AFTER_BE,
    BASE,
    BE,
    COLOURS,
    DO_NOT,
    EMPTY_PHRASES,
    FINITE,
    NEARBY,
    NO_WEATHER_PHRASES,
    SUBJECTS,
    TRANSITIVE,
    WEATHER_PHRASES,
    Words,
    words_of,
)
from seq2scene.data.park.world import CHILDREN, INSIDES, SURFACES, THINGS
from seq2scene.scenes.facts import MOODS, Fact, Things, holds
from seq2scene.scenes.scene_texts import split_sentences


@dataclass(frozen=True)
class Statement:
    """One thing that a sentence states.

    said: the fact with the nouns that were typed; its count is the least number of subjects, whatever the
    kind. facts: what it may mean, by the classes that the nouns may mean (each ball); none if nothing can be
    meant, such as a red dog where dogs are black.
    """

    said: Fact
    facts: tuple[Fact, ...]

    def holds(self, things: Things) -> bool:
        """Whether one of the meanings holds; of a count, of as many subjects, whatever their classes; of a
        denial, whether all do whose subject is there.
        """
        if self.said.denied:
            there = [fact for fact in self.facts if fact.kind == "thing" or fact.subject in things]
            return bool(there) and all(holds(fact, things) for fact in there)
        if self.said.count > 1:
            return len([*self._subjects(things)]) >= self.said.count
        return any(holds(fact, things) for fact in self.facts)

    def _subjects(self, things: Things) -> Iterator[object]:
        """The subjects of which one of the meanings holds."""
        facts = [replace(fact, count=1) for fact in self.facts]
        for name in dict.fromkeys(fact.subject for fact in facts):
            for one in things.get(name, ()):
                alone = {**things, name: [one]}
                if any(holds(fact, alone) for fact in facts if fact.subject == name):
                    yield one


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


# Clauses: each of these yields what can start at a position, and the position after it


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
    for _, end in match(words, at, BE):
        negated = words[end : end + 1] == ("not",)
        yield from _after_be(words, end + negated, it, negated)
    if words[at : at + 2] in DO_NOT:
        yield from _verb(words, at + 2, it, BASE, True)
    yield from _verb(words, at, it, FINITE, False)


def _after_be(words: Words, at: int, it: Noun | None, negated: bool) -> Iterator[tuple[Said, int]]:
    yield from _verb(words, at, it, AFTER_BE, negated)
    for places, end in place_phrases(words, at, it):
        if places and {noun.form for _, noun in places} == {"no"} and not negated:  # "is near no tree"
            places = [(relation, replace(noun, form="indefinite")) for relation, noun in places]
            yield Said("be", places=tuple(places), negated=True), end
        elif places and not (negated and len(places) > 1):
            yield Said("be", places=tuple(places), negated=negated), end
    if not negated and words[at : at + 1] and words[at] in NEARBY:
        yield Said("be", nearby=True), at + 1


def _verb(words: Words, at: int, it: Noun | None, table: dict, negated: bool) -> Iterator[tuple[Said, int]]:
    for phrase, end in match(words, at, table):
        verb, adjective = table[phrase]
        said = Said(verb, adjective, negated=negated)
        if verb in TRANSITIVE:
            yield from _with_object(said, words, end, it)
        if verb not in TRANSITIVE or phrase[-1] in ("kicking", "kicks", "kick", "waving", "waves", "wave"):
            for places, last in place_phrases(words, end, it):
                if not (negated and len(places) > 1):
                    yield replace(said, places=tuple(places)), last


def _with_object(said: Said, words: Words, at: int, it: Noun | None) -> Iterator[tuple[Said, int]]:
    for nouns, end in noun_phrases(words, at, it):
        if said.negated and len(nouns) > 1:
            continue  # neither, or not both?
        whole = replace(said, objects=nouns)
        if {noun.form for noun in nouns} == {"no"} and not said.negated:
            nouns = tuple(replace(noun, form="indefinite") for noun in nouns)
            whole = replace(said, objects=nouns, negated=True)
        if words[end : end + 1] == ("to",) and said.verb in ("give", "kick"):
            for recipient, last in noun_phrase(words, end + 1, it):
                yield replace(whole, recipient=recipient), last
        if words[end : end + 1] == ("up",) and said.verb in ("have", "hold"):
            yield replace(whole, verb="raise"), end + 1
        if said.verb != "give":
            for places, last in place_phrases(words, end, it):
                yield replace(whole, places=tuple(places)), last


Found = tuple[
    tuple[Statement, ...], "Noun | None", tuple[Noun, ...]
]  # statements, what ``it`` is, the subjects


def _clause(words: Words, at: int, it: Noun | None, before: tuple[Noun, ...]) -> Iterator[tuple[Found, int]]:
    for table, denied in ((WEATHER_PHRASES, False), (NO_WEATHER_PHRASES, True)):
        for phrase, end in match(words, at, table):
            fact = Fact("thing", table[phrase], denied=denied)
            yield ((Statement(fact, (fact,)),), it, before), end
    for seen in (("you", "can", "see", "that"), ("you", "see"), ("you", "can", "see")):
        if words[at : at + len(seen)] == seen:
            yield from _clause(words, at + len(seen), it, before)
    if words[at : at + 1] == ("there",) and words[at + 1 : at + 2] in BE:
        for nouns, end in noun_phrases(words, at + 2, it):
            yield from _existing(nouns, words, end, it)
    for front, comma in place_phrases(words, at, it):  # "under the tree, Mike is sitting"
        if front and words[comma : comma + 1] == (",",):
            for nouns, end in noun_phrases(words, comma + 1, it):
                for said, last in _predicate(words, end, it):
                    if not said.negated:
                        said = replace(said, places=(*front, *said.places))
                        yield from ((found, last) for found in _found(nouns, said, it, before))
    for nouns, end in noun_phrases(words, at, it):
        if words[end : end + 3] == ("can", "see", "that"):
            yield from _clause(words, end + 3, it, before)
        for said, last in _predicate(words, end, it):
            yield from ((found, last) for found in _found(nouns, said, it, before))
        # Not in "does not hold a ball and a kite", "holds a ball and no kite"
        joined = {"not", "no"} & {*words[:at]} or (before and any(noun.form == "no" for noun in nouns))
        if not joined and (end < len(words) or all(noun.form != "name" for noun in nouns)):
            yield from _existing(nouns, words, end, it)
    if _goes_on_denying(words, at):
        return
    for said, end in _predicate(words, at, it):  # of the same subject
        if before:
            yield from ((found, end) for found in _found(before, said, it, before))


def _goes_on_denying(words: Words, at: int) -> bool:
    """Whether the verb at a position may belong to a denial before: ``does not smile and hold the ball``."""
    return any(pair in DO_NOT for pair in pairwise(words[:at])) and any(match(words, at, BASE))


def _found(
    subjects: tuple[Noun, ...], said: Said, it: Noun | None, before: tuple[Noun, ...]
) -> Iterator[Found]:
    """What a clause states, unless no facts can tell it."""
    if said.adjective in COLOURS:
        if said.negated:
            return
        each = [[*coloured(subject, said.adjective)] for subject in subjects]
        subjects, said = tuple(noun for found in each for noun in found), replace(said, adjective=None)
        if not all(each):
            return
    if _is_plain(subjects, said):
        statements = _statements(subjects, said, before)
        if statements is not None:
            yield statements, _it(subjects, said, it), subjects


def _is_plain(subjects: tuple[Noun, ...], said: Said) -> bool:
    """Whether it is plain what is denied, if anything is, and that of several things each subject has one."""
    others = [
        *said.objects,
        *([said.recipient] if said.recipient else []),
        *(noun for _, noun in said.places),
    ]
    if any(noun.form == "no" for noun in (*subjects, *others)):
        return False
    if not said.negated:
        many = sum(2 if noun.names == ("both",) else noun.count for noun in subjects)
        return all(noun.count in (1, many) for noun in others)
    # "not a big ball": no ball, or a small one?
    open_ = [noun for noun in others if noun.form == "indefinite" and (noun.size or noun.wrong_colour)]
    return not open_ and all(noun.count == 1 for noun in others)


def _existing(nouns: tuple[Noun, ...], words: Words, at: int, it: Noun | None) -> Iterator[tuple[Found, int]]:
    """``there is a dog under the tree``, ``a dog under the tree``, ``no dog``."""
    for places, end in place_phrases(words, at, it):
        said = Said("be", places=tuple(places))
        if {noun.form for noun in nouns} == {"no"}:
            if not places and all(noun.count == 1 and not (noun.size or noun.wrong_colour) for noun in nouns):
                yield (tuple(map(_absent, nouns)), it, ()), end
            continue
        yield from ((found, end) for found in _found(nouns, said, it, ()))


def _absent(noun: Noun) -> Statement:
    facts = tuple(Fact("thing", name, denied=True) for name in noun.names)
    said = " ".join(filter(None, (noun.colour, noun.said)))
    return Statement(replace(facts[0], subject=said), facts)


def _it(subjects: tuple[Noun, ...], said: Said, before: Noun | None) -> Noun | None:
    """What ``it`` means afterwards: the first thing that the clause mentions, children aside."""
    others = [*said.objects, *(noun for _, noun in said.places)]
    mentioned = [*subjects, *(noun for noun in others if not (said.negated and noun.form == "indefinite"))]
    things = [noun for noun in mentioned if not {*noun.names} & {*CHILDREN, "both"}]
    return things[0] if things else before


JOINTS = (
    *((",", "and"), (",", "but"), (",", "while"), (",", "because"), (",", "so")),
    *(("and",), ("but",), ("because",), ("since",), ("while",), ("as",), (",",)),
)


Reading = tuple[tuple[Statement, ...], "Noun | None"]  # of what follows; what ``it`` is at the end


def _reading(words: Words, it: Noun | None) -> Reading | None:
    """What a whole sentence states; None if it is not understood."""
    starts = [0, *(end + (words[end : end + 1] == (",",)) for _, end in match(words, 0, EMPTY_PHRASES))]
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


def _statements(
    subjects: tuple[Noun, ...], said: Said, before: tuple[Noun, ...]
) -> tuple[Statement, ...] | None:
    """None if the scenes cannot show one of the things that are said."""
    found: list[Statement] = []
    places: list[tuple[str, Noun] | None] = [*said.places]
    places += [("near", noun) for noun in before if said.nearby]
    for subject in subjects:
        found += _counted(subject)
        for thing in said.objects or (None,):
            for place in places or [None]:
                one = _of_one(subject, said, thing, place)
                if one is None:
                    return None
                found += one
    for noun in (*said.objects, *(noun for _, noun in said.places)):
        found += _counted(noun)
    return tuple(found)


def _counted(noun: Noun) -> list[Statement]:
    if noun.count == 1:
        return []
    facts = tuple(Fact("thing", name, count=noun.count) for name in noun.names)
    return [Statement(replace(facts[0], subject=noun.said), facts)]


def _of_one(
    subject: Noun, said: Said, thing: Noun | None, place: tuple[str, Noun] | None
) -> list[Statement] | None:
    """The statements of a clause with one subject, at most one object, at most one place."""
    nouns = [noun for noun in (subject, thing, said.recipient, place and place[1]) if noun]
    clauses = []
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
        clauses.append(_as_worn(clause))
    if not any(map(_can_be_shown, clauses)):
        return None
    rows = [[*of_clause(clause)] for clause in clauses]
    if said.negated and sum(fact.denied for fact in rows[0]) != len(_each(clauses[0].subject.name)):
        return None  # one thing can be denied, not two together
    typed = {name: noun.said for noun in nouns for name in noun.names if noun.form != "name"}
    columns = zip(*rows, strict=True)
    found = [
        Statement(_as_typed(column[0], typed, subject), tuple(dict.fromkeys(column))) for column in columns
    ]
    for noun in nouns:
        if noun.wrong_colour:
            found.append(Statement(Fact("colour", noun.said, value=noun.wrong_colour), ()))
    return found


def _each(name: str) -> tuple[str, ...]:
    return CHILDREN if name == "both" else (name,)


def _kind(name: str) -> str:
    return THINGS[_each(name)[0]].kind


def _as_worn(clause: Clause) -> Clause:
    """What a child has, of clothes, or what is on a child, it wears."""
    if clause.verb == "have" and clause.object:
        return replace(clause, verb="wear" if _kind(clause.object.name) == "clothing" else "hold")
    place = clause.place
    if place is None or place.relation != "on" or clause.verb != "be":
        return clause
    if _kind(clause.subject.name) != "clothing" or _kind(place.anchor.name) != "child":
        return clause
    return replace(clause, verb="wear", subject=place.anchor, object=clause.subject, place=None)


def _can_be_shown(clause: Clause) -> bool:
    """Whether a scene can show what a clause states, of things of these classes."""
    kind = _kind(clause.subject.name)
    if kind not in (("child",) if clause.adjective in MOODS else SUBJECTS.get(clause.verb, (kind,))):
        return False
    if clause.verb == "follow" and clause.object and _kind(clause.object.name) != "child":
        return False
    rests = {"on": SURFACES, "in": INSIDES}
    place = clause.place
    return place is None or place.relation not in rests or place.anchor.name in rests[place.relation]


def _as_typed(fact: Fact, typed: dict[str, str], subject: Noun) -> Fact:
    keys = ("subject", "object", "recipient")
    said = {key: typed.get(getattr(fact, key), getattr(fact, key)) for key in keys}
    counted = subject.count if fact.kind != "thing" and fact.subject in subject.names else 1
    return replace(fact, **said, count=counted)
