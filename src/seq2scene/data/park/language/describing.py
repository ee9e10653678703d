"""Three short sentences that together describe as much of a scene as they can: the input that it is to be
drawn from.

A saying is the possible content of one sentence: a relation, something about one child, or two of these about
the same child. Sayings are picked greedily to cover what has not been said yet: the things of the scene, and
the mood and pose of each child. Every scene with a child gets three sentences: if there is less to say, a
mood is stated in several ways.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import permutations, product
from random import Random
from typing import NamedTuple

from seq2scene.data.park.language.facts import MOODS, SPATIAL, Facts
from seq2scene.data.park.language.meaning import Clause, Mention, Message
from seq2scene.data.park.world import CHILDREN, EXPRESSIONS, POSES, Placed, Relation, Scene

SENTENCES = 3
WHIM = 1.0  # how many fewer things than the best a saying may cover and still be picked
SHOWS_POSE = ("kick", "wave", "raise", "flee", "run_to", "eat", "read")
SPOKEN_POSES = ("run", "sit", "kneel")


class Saying(NamedTuple):
    """What a sentence would cover, and how to make it."""

    tells: frozenset[str]
    message: Callable[[], Message]


def describe(scene: Scene, rng: Random) -> list[Message]:
    """Three different messages, all true for the scene."""
    facts = Facts(scene, rng)
    sayings = list(_sayings(facts.begin()))
    if len(sayings) < SENTENCES:
        sayings += _moods_again(facts)
    told: set[str] = set()
    found: list[Message] = []
    while len(found) < SENTENCES:
        ranked = {saying: len(saying.tells - told) + WHIM * rng.random() for saying in sayings}
        saying = max(ranked, key=ranked.__getitem__)
        sayings.remove(saying)
        found.append(saying.message())
        told |= saying.tells
    return rng.sample(found, SENTENCES)


def _sayings(facts: Facts) -> Iterator[Saying]:
    fair = [fact for kind, group in facts.by_kind.items() if kind != "far_from" for fact in group]
    for fact in fair:
        yield Saying(_told(facts, fact), partial(_plain, facts, fact))
    for fact, name in product(fair, (thing.name for thing in facts.scene.things if thing.kind == "sky")):
        if fact.subject in CHILDREN and name not in (fact.object, fact.subject):
            yield Saying(_told(facts, fact) | {name}, partial(_while, facts, fact, name))
    for child in facts.children:
        yield from _sayings_of(facts, child, [fact for fact in fair if fact.subject == child.name])
    if len({child.expression for child in facts.children}) == 1 < len(facts.children):
        yield _shared_mood(facts)


def _sayings_of(facts: Facts, child: Placed, own: list[Relation]) -> Iterator[Saying]:
    """Sayings about one child: its mood, its pose, either with something it does, or two things it does."""
    subject = facts.mention(child.name)
    mood, pose = f"{child.name} mood", f"{child.name} pose"
    states = [(Clause("be", subject, adjective=MOODS[EXPRESSIONS[child.expression]]), mood)]
    states += [
        (bearing, pose if bearing.verb == "cheer" else mood) for bearing in facts.bearing(child, subject)
    ]
    if POSES[child.pose] in SPOKEN_POSES:
        states.append((Clause(POSES[child.pose], subject), pose))
    for state, shown in states:
        yield Saying(frozenset({child.name, shown}), partial(Message, "plain", (state,)))
        for fact in own:
            if state.verb not in SPOKEN_POSES or fact.kind not in SPATIAL:
                tells = _told(facts, fact) | {shown}
                yield Saying(tells, partial(_both, facts, state, fact))
    for one, two in permutations(own, 2):
        if one.kind in ("hold", "wear", "raise") and two.kind in ("hold", "wear", "raise", "look", "kick"):
            tells = _told(facts, one) | _told(facts, two)
            yield Saying(tells, partial(_both, facts, facts.clause(one, subject), two))


def _moods_again(facts: Facts) -> Iterator[Saying]:
    """The mood of each child in two other ways, for scenes in which little goes on."""
    for child in facts.children:
        mood = Clause("be", facts.mention(child.name), adjective=MOODS[EXPRESSIONS[child.expression]])
        tells = frozenset({child.name, f"{child.name} mood"})
        yield Saying(tells, partial(Message, "seen", (mood,)))
        yield Saying(tells, partial(Message, "plain", (replace(mood, front="picture"),)))


def _plain(facts: Facts, fact: Relation) -> Message:
    return Message("plain", (facts.clause(fact),))


def _while(facts: Facts, fact: Relation, sky: str) -> Message:
    """What a child does while something is in the sky."""
    return Message("while", (facts.clause(fact), Clause(facts.stance(sky), facts.subject_mention(sky))))


def _both(facts: Facts, first: Clause, fact: Relation) -> Message:
    """Two clauses with one subject, stated once."""
    return Message("same", (first, facts.clause(fact, first.subject)))


def _shared_mood(facts: Facts) -> Saying:
    mood = MOODS[EXPRESSIONS[facts.children[0].expression]]
    clause = Clause("be", Mention("both", "name"), adjective=mood)
    tells = {part for child in facts.children for part in (child.name, f"{child.name} mood")}
    return Saying(frozenset(tells), partial(Message, "plain", (clause,)))


def _told(facts: Facts, fact: Relation) -> frozenset[str]:
    """The things that a relation mentions, and whether the sentence gives the pose of its subject."""
    names = {name for name in (fact.subject, fact.object, fact.recipient) if name is not None}
    stance = facts.stance(fact.subject) if fact.kind in SPATIAL else None
    return frozenset(
        names | ({f"{fact.subject} pose"} if fact.kind in SHOWS_POSE or stance in SPOKEN_POSES else set())
    )
