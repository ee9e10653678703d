"""The language-independent meaning of a sentence: mentions of things, clauses, their combination."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Mention:
    """A mention of a thing.

    name: its class, ``both`` for the two children, or ``it`` for the subject of the weather.
    form: ``name``, ``definite``, ``indefinite``, ``pronoun``, or, inside a relative clause, ``gap`` for the
    thing that the clause is about.
    """

    name: str
    form: str = "definite"
    size: str | None = None
    colour: str | None = None
    relative: "Clause | None" = None


@dataclass(frozen=True)
class Place:
    """A preposition, named after the relation it states, and the mention it governs."""

    relation: str
    anchor: Mention


@dataclass(frozen=True)
class Clause:
    """A verb and its arguments.

    front: a place or an adverb in first position. adjective: the predicate of ``be``.
    """

    verb: str
    subject: Mention
    object: Mention | None = None
    recipient: Mention | None = None
    place: Place | None = None
    adjective: str | None = None
    negated: bool = False
    front: "Place | str | None" = None

    def combinations(self) -> Iterator[str]:
        """Each subject, relation and object that the clause and the relative clauses in it state or deny."""
        subjects = ("hb0", "hb1") if self.subject.name == "both" else (self.subject.name,)
        places = [place for place in (self.place, self.front) if isinstance(place, Place)]
        stated = [(place.relation, place.anchor) for place in places]
        if self.object:
            stated.append((self.verb, self.object))
        for relation, mention in stated:
            yield from (f"{subject}|{relation}|{mention.name}" for subject in subjects)
        mentions = [self.subject, self.object, self.recipient, *(place.anchor for place in places)]
        for each in mentions:
            if each and each.relative:
                yield from each.relative.combinations()


@dataclass(frozen=True)
class Message:
    """A sentence with one or two clauses.

    frame: ``plain``, ``there`` (there is ...), ``seen`` (you can see that ...), and for two clauses ``and``,
    ``but``, ``because``, ``that``, ``while``, ``while_first``, or ``same`` (and, with the subject stated
    once).
    """

    frame: str
    clauses: tuple[Clause, ...]

    @property
    def combinations(self) -> tuple[str, ...]:
        return tuple(combination for clause in self.clauses for combination in clause.combinations())
