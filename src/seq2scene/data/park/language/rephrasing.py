"""Regrouping and rephrasing of messages: two children in one sentence, pronouns, other articles, fewer
colours.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations
from random import Random

from seq2scene.data.park.language.lexicon import DEFINITE
from seq2scene.data.park.language.meaning import Clause, Mention, Message
from seq2scene.data.park.language.stating import stated
from seq2scene.data.park.world import CHILDREN


def regroup(messages: Sequence[Message], rng: Random) -> list[Message]:
    """The same number of messages, stating the same facts. In half of the cases ``Mike does A and does B``,
    ``Jenny does C and does D`` become ``Mike does A, and Jenny does C``, ``Mike does B, and Jenny does D``;
    what both do is stated about both together.
    """
    for one, other in combinations(messages, 2):
        alone = one.frame == other.frame == "same"
        if alone and {one.clauses[0].subject.name, other.clauses[0].subject.name} == {*CHILDREN}:
            if rng.random() < 0.5:
                swapped = {one: _pair(one, other, 0), other: _pair(one, other, 1)}
                return [swapped.get(message, message) for message in messages]
            break
    return list(messages)


def _pair(one: Message, other: Message, place: int) -> Message:
    """The first clauses of both messages as one message, or the second ones."""
    clauses = (one.clauses[place], other.clauses[place])
    both = Message("plain", (replace(clauses[0], subject=Mention("both", "name")),))
    pair = Message("and", clauses)
    return both if {*stated(both)} == {*stated(pair)} else pair


def rephrase(message: Message, rng: Random) -> Message:
    """The same message with other mentions; its second clause may get a pronoun subject, become a reason, or
    come first. It states nothing that the original does not, but may leave out colours.
    """
    first, *others = (_rephrase_clause(clause, rng) for clause in message.clauses)
    if message.frame != "same":
        return replace(message, clauses=(first, *others))
    second, subject = others[0], first.subject
    again = replace(second, subject=Mention(subject.name, "pronoun"))
    ways = [("same", (first, second)), ("same", (replace(second, subject=subject), first))]
    ways.append(("and", (first, again)))
    if first.adjective and second.object:
        ways.append(("because", (first, again)))
    return Message(*rng.choice(ways))


def _rephrase_clause(clause: Clause, rng: Random) -> Clause:
    place = clause.place and replace(clause.place, anchor=_rephrase_mention(clause.place.anchor, rng))
    return replace(
        clause,
        subject=_rephrase_mention(clause.subject, rng),
        object=clause.object and _rephrase_mention(clause.object, rng),
        recipient=clause.recipient and _rephrase_mention(clause.recipient, rng),
        place=place,
    )


def _rephrase_mention(mention: Mention, rng: Random) -> Mention:
    if mention.name in CHILDREN:
        forms = (mention.form, "name", "pronoun", "definite", "indefinite")
        return replace(mention, form=rng.choices(forms, (6, 1, 2, 1, 0.3))[0])
    if mention.form == "pronoun" or mention.name in (*DEFINITE, "both"):
        return mention
    form = rng.choices((mention.form, "definite", "indefinite"), (6, 1, 2))[0]
    return replace(mention, form=form, colour=rng.choice((mention.colour, None)))
