"""What can be said about a scene: messages sampled from its facts.

Each kind of sentence is a function that samples one message, or returns None if the scene has no suitable
facts.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random

from seq2scene.data.park.language.facts import MOODS, SPATIAL, Facts
from seq2scene.data.park.language.lexicon import DEFINITE, NOUNS, SHARED
from seq2scene.data.park.language.meaning import Clause, Mention, Message, Place
from seq2scene.data.park.world import CHILDREN, EXPRESSIONS, POSES, Placed, Relation, Scene

TIMES = ("now", "today", "morning", "moment")
FRONTS = ("now", "today", "now", "today", "morning", "moment", "park", "picture", "outside")


def plain(facts: Facts) -> Message | None:
    """One fact."""
    fact = facts.relation()
    return Message("plain", (facts.clause(fact),)) if fact else None


def alone(facts: Facts) -> Message | None:
    """The state of a child, or what it lacks."""
    child = facts.rng.choice(facts.children)
    clause = facts.rng.choice((facts.state, facts.denial))(child)
    return Message("plain", (clause,))


def opened(facts: Facts) -> Message | None:
    """An adverbial first: a time, a place, or the depth of the subject."""
    fact = facts.relation()
    if fact is None:
        return None
    thing = facts.scene[fact.subject]
    if thing.kind == "large":
        return None
    fronts = list(FRONTS)
    if thing.kind != "sky":
        fronts += {0: ["foreground"] * 2, 1: [], 2: ["background"] * 9}[thing.z]
    return Message("plain", (replace(facts.clause(fact), front=facts.rng.choice(fronts)),))


def placed(facts: Facts) -> Message | None:
    """Where somebody is, in first position, and what they do there."""
    kinds = ("hold", "wear", "raise", "eat", "read", "look", "wave", "play", "kick", "give")
    fact = facts.relation(kinds)
    if fact is None:
        return None
    where = facts.relation(SPATIAL, fact.subject)
    if where is None or facts.scene[where.object].kind != "large" or fact.object == where.object:
        return None
    front = Place(where.kind, facts.mention(where.object, 0.88))
    return Message("plain", (replace(facts.clause(fact), front=front),))


def there(facts: Facts) -> Message | None:
    """That there is something somewhere."""
    found = [fact for kind in SPATIAL for fact in facts.by_kind.get(kind, [])]
    found = [fact for fact in found if fact.subject not in (*CHILDREN, *DEFINITE)]
    if not found:
        return None
    kind = facts.rng.choice(sorted({fact.kind for fact in found}))
    fact = facts.rng.choice([fact for fact in found if fact.kind == kind])
    return Message("there", (facts.clause(fact, facts.mention(fact.subject, 0.0)),))


def seen(facts: Facts) -> Message | None:
    """What a child facing that way, or anybody, can see."""
    fact = facts.relation()
    if fact is None:
        return None
    thing, told = facts.scene[fact.subject], (fact.subject, fact.object, fact.recipient)
    clause = facts.clause(fact)
    if thing.kind == "child" and facts.rng.random() < 0.25:
        clause = facts.rng.choice(facts.bearing(thing, clause.subject) or [clause])
    watchers = [child for child in facts.children if child.name not in told and _faces(child, thing)]
    if watchers and facts.rng.random() < 0.6:
        watcher = Clause("see", facts.mention(facts.rng.choice(watchers).name))
        return Message("that", (watcher, clause))
    return Message("seen", (clause,))


def _faces(child: Placed, other: Placed) -> bool:
    return child.facing * (other.x - child.x) > 30


def because(facts: Facts) -> Message | None:
    """A mood and a possible reason."""
    child = facts.rng.choice(facts.children)
    feeling = MOODS[EXPRESSIONS[child.expression]]
    mood = Clause("be", Mention(child.name, "name"), adjective=feeling)
    reason = _reason(facts, child, feeling)
    return Message("because", (mood, reason)) if reason else None


def _reason(facts: Facts, child: Placed, mood: str) -> Clause | None:
    own, others = Mention(child.name, "pronoun"), [c for c in facts.children if c is not child]
    gains = ("hold", "raise", "wear", "eat", "read", "play", "give", "kick")
    if mood in ("sad", "angry"):
        if "s_5" in facts.scene and facts.rng.random() < 0.5:
            return Clause("rain", Mention("it", "pronoun"))
        lack = facts.denial(child, own)
        fact = facts.relation(gains, others[0].name) if others else None
        if fact and fact.recipient is None and facts.rng.random() < 0.5:
            return facts.clause(fact)
        return lack if lack.object else None
    if mood == "surprised":
        fact = facts.relation(("next_to", "behind", "in_front_of", "above", "look", "in", "on"))
        if fact is None or fact.object == child.name:
            return None
        return facts.clause(fact) if facts.scene[fact.subject].kind in ("animal", "sky") else None
    if "s_3" in facts.scene and facts.rng.random() < 0.5:
        return Clause("shine", Mention("s_3"))
    fact = facts.relation(gains, child.name)
    return facts.clause(fact, own) if fact else None


def described(facts: Facts) -> Message | None:
    """A thing with a restrictive relative clause, as the subject or the object of the main clause."""
    fact, which = facts.relation(), facts.relation()
    if fact is None or which is None or "s_3" in (fact.subject, fact.object):
        return None
    if fact.subject == which.subject:
        return _described_subject(facts, fact, which)
    if fact.object == which.subject and which.object != fact.subject:
        return _described_object(facts, fact, which)
    return None


def _described_subject(facts: Facts, fact: Relation, which: Relation) -> Message | None:
    if fact.kind == which.kind or {fact.kind, which.kind} <= set(SPATIAL):
        return None
    if {fact.object, fact.recipient} & {which.object, which.recipient} - {None}:
        return None
    inner = facts.clause(which, Mention(fact.subject, "gap"))
    head = replace(facts.subject_mention(fact.subject), form="definite", relative=inner)
    return Message("plain", (facts.clause(fact, head),))


def _described_object(facts: Facts, fact: Relation, which: Relation) -> Message | None:
    thing = facts.mention(fact.object, 1.0)
    if fact.recipient or which.recipient or thing.form == "name":
        return None
    inner = facts.clause(which, Mention(thing.name, "gap"))
    return _with_head(facts, fact, replace(thing, relative=inner))


def owned(facts: Facts) -> Message | None:
    """A thing with a relative clause whose object it is: where it is, or its colour."""
    which = facts.relation(("hold", "raise", "wear", "look", "eat", "read", "follow"))
    if which is None or which.object in (*CHILDREN, *DEFINITE):
        return None
    inner = replace(facts.clause(which), object=Mention(which.object, "gap"))
    head = replace(facts.mention(which.object, 1.0), relative=inner)
    colour, others = NOUNS[which.object].colour, _others(facts, which)
    if others and (not colour or facts.rng.random() < 0.7):
        return _with_head(facts, facts.rng.choice(others), head)
    if colour and which.object not in SHARED:
        return Message("plain", (Clause("be", replace(head, colour=None), adjective=colour),))
    return None


def _others(facts: Facts, which: Relation) -> list[Relation]:
    """Where the object of a fact is and what looks at it, other than the subject of that fact."""
    found = [
        fact for kind in ("look", *SPATIAL) for fact in facts.by_kind.get(kind, []) if kind != which.kind
    ]
    found = [fact for fact in found if which.object in (fact.subject, fact.object)]
    return [fact for fact in found if which.subject not in (fact.subject, fact.object)]


def _with_head(facts: Facts, fact: Relation, head: Mention) -> Message:
    """A fact with one of its things replaced by ``head``, which has a relative clause."""
    if fact.subject == head.name:
        return Message("plain", (facts.clause(fact, head),))
    clause = facts.clause(fact)
    if clause.object:
        return Message("plain", (replace(clause, object=head),))
    assert clause.place is not None, "a relation is a verb with an object, or a place"
    return Message("plain", (replace(clause, place=replace(clause.place, anchor=head)),))


def coloured(facts: Facts) -> Message | None:
    """The colour of a thing, then a clause with a pronoun for it: who holds it, looks at it, waves at it."""
    fact = facts.relation(("hold", "raise", "wear", "look", "wave", "read", "follow"))
    if fact is None or fact.object in CHILDREN or not NOUNS[fact.object].colour or fact.object in SHARED:
        return None
    head = replace(facts.mention(fact.object, 1.0), colour=None)
    again = replace(facts.clause(fact), object=Mention(fact.object, "pronoun"))
    return Message("and", (Clause("be", head, adjective=NOUNS[fact.object].colour), again))


def again(facts: Facts) -> Message | None:
    """Where a thing or child is, then a clause with a pronoun for it: what another does."""
    fact = facts.relation(("look", "wave", "give"))
    if fact is None:
        return None
    name = fact.recipient or fact.object
    where = facts.relation(SPATIAL, name)
    if where is None or where.object == fact.subject:
        return None
    first, second = facts.clause(where, facts.mention(name, 1.0)), facts.clause(fact)
    if name in CHILDREN:
        first = replace(first, subject=Mention(name, "name"))
    again = Mention(name, "pronoun")
    second = replace(second, recipient=again) if fact.recipient else replace(second, object=again)
    return Message("and", (first, second))


def twice(facts: Facts) -> Message | None:
    """Two things one child does, with the subject stated once."""
    child = facts.rng.choice(facts.children)
    one, two = facts.relation(subject=child.name), facts.relation(subject=child.name)
    if one is None or two is None or one.kind == two.kind or two.kind in SPATIAL:
        return None
    if {one.object, one.recipient} & {two.object, two.recipient} - {None}:
        return None
    first = facts.clause(one)
    second = facts.clause(two, first.subject)
    if facts.rng.random() < 0.3:
        second = facts.rng.choice(facts.bearing(child, first.subject) or [second])
    return Message("same", (first, second))


def meanwhile(facts: Facts) -> Message | None:
    """What the two children do at the same time, or one of them while it rains or the sun shines."""
    child, fact = facts.rng.choice(facts.children), None
    other = next((one for one in facts.children if one is not child), None)
    first = facts.weather() if facts.rng.random() < 0.4 or other is None else None
    two = facts.relation(subject=child.name)
    if first is None and other is not None:
        fact = facts.relation(subject=other.name)
        first = facts.clause(fact) if fact else None
    if first is None or two is None or (fact and {fact.subject, fact.object} & {two.object, two.recipient}):
        return None
    second = facts.clause(two)
    if facts.rng.random() < 0.25:
        second = facts.rng.choice(facts.bearing(child, second.subject) or [second])
    return Message(facts.rng.choice(("while", "while_first")), (first, second))


def unlike(facts: Facts) -> Message | None:
    """What one child holds, wears or feels and the other does not."""
    if len(facts.children) < 2:
        return None
    one, two = facts.rng.sample(facts.children, 2)
    fact = facts.relation(("hold", "wear"), one.name)
    if fact is None or facts.rng.random() < 0.2:
        mood, other = (MOODS[EXPRESSIONS[child.expression]] for child in (one, two))
        feels = Clause("be", facts.mention(one.name), adjective=mood)
        lacks = Clause("be", facts.mention(two.name), adjective=mood, negated=True)
        return None if mood == other else Message("but", (feels, lacks))
    first, second = facts.clause(fact), facts.denial(two, kind=fact.kind)
    if facts.rng.random() < 0.5 and not _has_like(facts, two, fact.object):
        second = replace(second, object=Mention(fact.object, "pronoun"))
    return Message("but", (first, second))


def _has_like(facts: Facts, child: Placed, name: str) -> bool:
    return any(r.subject == child.name and r.object == name for r in facts.scene.relations)


def together(facts: Facts) -> Message | None:
    """What is true for both children, alone or with the weather."""
    if len(facts.children) < 2:
        return None
    states, shared = _shared_states(facts), _shared_facts(facts)
    ways = shared if shared and facts.rng.random() < 0.6 else states
    if not ways:
        return None
    clause, weather = facts.rng.choice(ways), facts.weather()
    if weather and facts.rng.random() < 0.5:
        return _under(weather, clause)
    if facts.rng.random() < 0.3:
        return Message("seen", (clause,))
    front = facts.rng.choice((None, None, None, None, *TIMES))
    return Message("plain", (replace(clause, front=front),))


def _under(weather: Clause, clause: Clause) -> Message:
    """The weather as the reason for a mood (sun: happy; rain: sad or angry), or as happening at the same
    time.
    """
    moods = {"shine": ("happy",), "rain": ("sad", "angry")}[weather.verb]
    if clause.adjective in moods:
        return Message("because", (clause, weather))
    return Message("while_first", (weather, clause))


def _shared_states(facts: Facts) -> list[Clause]:
    both = Mention("both", "name")
    moods = {MOODS[EXPRESSIONS[child.expression]] for child in facts.children}
    poses = {POSES[child.pose] for child in facts.children}
    ways = [Clause("be", both, adjective=mood) for mood in moods if len(moods) == 1]
    return ways + [Clause(p, both) for p in poses if len(poses) == 1 and p in ("run", "sit", "kneel")]


def _shared_facts(facts: Facts) -> list[Clause]:
    """Clauses with both children as the subject, one for each kind of relation they share."""
    one, two = ({(fact.kind, fact.object): fact for fact in _facts_of(facts, c)} for c in facts.children)
    alike = len({facts.stance(child.name) for child in facts.children}) == 1
    shared = [one[key] for key in one if key in two]
    kinds = ("look", "fear", *SPATIAL) if alike else ("look", "fear")
    by_kind = {fact.kind: fact for fact in shared if fact.kind in kinds}
    return [facts.clause(fact, Mention("both", "name")) for fact in by_kind.values()]


def _facts_of(facts: Facts, child: Placed) -> list[Relation]:
    return [fact for found in facts.by_kind.values() for fact in found if fact.subject == child.name]


WAYS: dict[Callable[[Facts], Message | None], int] = {
    plain: 8,
    alone: 5,
    opened: 8,
    placed: 6,
    there: 6,
    seen: 6,
    because: 6,
    described: 20,
    owned: 6,
    coloured: 3,
    again: 6,
    twice: 6,
    meanwhile: 8,
    unlike: 4,
    together: 11,
}


def tell(scene: Scene, rng: Random, count: int) -> list[Message]:
    """``count`` different messages about a scene, all true."""
    facts = Facts(scene, rng)
    found: list[Message] = []
    while len(found) < count:
        way = rng.choices(list(WAYS), list(WAYS.values()))[0]
        message = way(facts.begin())
        if message and message not in found:
            found.append(message)
    return found
