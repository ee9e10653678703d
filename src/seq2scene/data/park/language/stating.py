"""The facts that a message states, independent of language (``scenes.facts``)."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from seq2scene.data.park.language.lexicon import ADJECTIVES
from seq2scene.data.park.language.meaning import Clause, Mention, Message, Place
from seq2scene.data.park.world import CHILDREN, THINGS
from seq2scene.scenes.facts import MOODS, Fact
from seq2scene.scenes.relations import BOX_RELATIONS, RELATIONS

POSE_SAID = {  # by verb: the pose that it implies
    **{verb: verb for verb in ("run", "sit", "kneel", "stand", "kick", "wave")},
    **{"run_to": "run", "flee": "run", "raise": "arms_up", "cheer": "arms_up"},
}


def stated(message: Message) -> tuple[Fact, ...]:
    """The facts of a message, each once, in the order of its clauses."""
    return tuple(dict.fromkeys(fact for clause in message.clauses for fact in of_clause(clause)))


def of_clause(clause: Clause) -> Iterator[Fact]:
    """The facts of a clause, repeated where it mentions a thing repeatedly. A negated clause denies its verb,
    its adjective and its place; what it mentions is there all the same, unless it has the indefinite article.
    """
    places = [place for place in (clause.place, clause.front) if isinstance(place, Place)]
    subjects = CHILDREN if clause.subject.name == "both" else (clause.subject.name,)
    yield from _of_mention(clause.subject)
    for mention in (clause.object, clause.recipient, *(place.anchor for place in places)):
        # "Mike is not holding a ball": no ball; "is not holding the ball": there is one.
        if mention and not (clause.negated and mention.form == "indefinite"):
            yield from _of_mention(mention)
    if clause.verb == "rain":
        yield Fact("thing", "s_5", denied=clause.negated)
    for subject in subjects:
        yield from _of_subject(clause, subject)
        for place in places:
            denied = clause.negated and place is clause.place
            yield Fact(place.relation, subject, place.anchor.name, denied=denied)


def _of_subject(clause: Clause, subject: str) -> Iterator[Fact]:
    """What the verb implies about its subject."""
    if clause.adjective:
        kind = "mood" if clause.adjective in MOODS else "colour"
        yield Fact(kind, subject, value=clause.adjective, denied=clause.negated)
    if clause.verb in MOODS:
        yield Fact("mood", subject, value=clause.verb, denied=clause.negated)
    # Who "is not running to the tree" may run elsewhere.
    if subject in CHILDREN and clause.verb in POSE_SAID and not (clause.negated and clause.object):
        yield Fact("pose", subject, value=POSE_SAID[clause.verb], denied=clause.negated)
    if clause.verb in RELATIONS and clause.object:
        recipient = clause.recipient.name if clause.recipient else None
        yield Fact(clause.verb, subject, clause.object.name, recipient, denied=clause.negated)


def _of_mention(mention: Mention) -> Iterator[Fact]:
    names = CHILDREN if mention.name == "both" else (mention.name,) if mention.name in THINGS else ()
    for name in names:
        yield Fact("thing", name)
    if mention.colour:
        yield Fact("colour", mention.name, value=mention.colour)
    if mention.size:
        yield Fact("size", mention.name, value=ADJECTIVES[mention.size].english)
    if mention.relative:
        yield from of_clause(mention.relative)


def seen_in_boxes(facts: Iterable[Fact], categories: Mapping[str, str]) -> tuple[Fact, ...]:
    """The facts that can be checked on boxes, with category names: the presence of things, counting the
    different ones mentioned, and relations that need neither pose nor direction.
    """
    facts = [fact for fact in facts if not fact.denied]
    counts = Counter(categories[fact.subject] for fact in facts if fact.kind == "thing")
    things = [Fact("thing", name, count=count) for name, count in counts.items()]
    relations = [
        replace(fact, subject=categories[fact.subject], object=categories[fact.object])
        for fact in facts
        if fact.kind in BOX_RELATIONS and fact.object is not None
    ]
    return tuple(dict.fromkeys([*things, *relations]))
