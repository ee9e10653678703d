"""The relations that the park states, derived from positions, depths, flips, poses and expressions alone.

``scenes.relations`` defines the relations; this module selects those worth stating: for example, not the
location of things that are carried or rest on another, and of what a creature looks at only the nearest.
"""

from collections.abc import Iterator, Sequence
from itertools import permutations

from seq2scene.data.park.world import BALLS, BEASTS, POSES, SHELTERS, Placed, Relation
from seq2scene.scenes.relations import RELATIONS, SEATED, ahead, faces, receives

ACTIONS = ("hold", "wear", "kick")
OUT_OF_PLAY = ("t_10", "t_12", "t_14")  # toys that are not played with
SNACKS = ("e_0", "e_1", "e_2", "e_5")


def relations_of(things: Sequence[Placed]) -> tuple[Relation, ...]:
    """All relations between the things of a scene, in a fixed order."""
    found = [
        Relation(kind, one.name, other.name)
        for one, other in permutations(things, 2)
        for kind in _touching(one, other)
    ]
    attached = {r.object if r.kind in ACTIONS else r.subject for r in found}
    free = [thing for thing in things if thing.name not in attached]
    for one, other in permutations(free, 2):
        found += [Relation(kind, one.name, other.name) for kind in _places(one, other)]
    return (*found, *_doings(things, found))


def _true_of(one: Placed, other: Placed, kinds: Sequence[str]) -> Iterator[str]:
    yield from (kind for kind in kinds if RELATIONS[kind](one, other, 0))


def _touching(one: Placed, other: Placed) -> Iterator[str]:
    """Relations of things that touch."""
    if one.kind == "child":
        yield from _true_of(one, other, ("hold",) * (other.kind in ("toy", "food")))
        yield from _true_of(one, other, ("wear",) * (other.kind == "clothing"))
        yield from _true_of(one, other, ("kick",) * (other.name in BALLS))
    if one.kind not in ("sky", "large", "clothing"):
        yield from _true_of(one, other, ("on", "in"))


def _places(one: Placed, other: Placed) -> Iterator[str]:
    """Spatial relations of two things, neither of which is carried or rests on another."""
    if other.kind not in ("large", "child", "animal"):
        return
    if one.kind == "sky":
        yield from _true_of(one, other, ("above",))
    elif other.name in SHELTERS and one.kind != "large" and RELATIONS["under"](one, other, 0):
        yield "under"
    else:
        kinds = ("next_to", "left_of", "right_of", "near", "far_from", "in_front_of", "behind")
        yield from _true_of(one, other, kinds)


def _nearest_ahead(one: Placed, others: list[Placed]) -> list[Placed]:
    seen = [other for other in others if faces(one, other)]
    return sorted(seen, key=lambda other: ahead(one, other))[:1]


def _doings(things: Sequence[Placed], found: list[Relation]) -> Iterator[Relation]:
    """What children and animals do with things around them, given the relations of touching things."""
    taken = {relation.object: relation.subject for relation in found if relation.kind in ("hold", "wear")}
    resting = {relation.subject for relation in found if relation.kind in ("on", "in")}
    loose = [thing for thing in things if thing.name not in taken and thing.name not in resting]
    for one in things:
        others = [thing for thing in things if thing is not one]
        if one.kind == "child":
            yield from _gestures(one, others, loose)
            yield from _uses(one, others, taken)
            if POSES[one.pose] in SEATED:
                yield from _plays(one, loose)
        if one.kind in ("child", "animal"):
            yield from _looks(one, [thing for thing in others if thing.name not in taken])
        if one.name in ("a_1", "a_2") and one.name not in resting:
            yield from _plays(one, loose)
        if one.name in ("a_1", "a_2", "a_3"):
            yield from _follows(one, others)


def _gestures(one: Placed, others: list[Placed], loose: list[Placed]) -> Iterator[Relation]:
    alive = [thing for thing in others if thing.kind in ("child", "animal")]
    beasts = [thing for thing in alive if thing.name in BEASTS]
    pose = POSES[one.pose]
    if pose == "wave":
        yield from (Relation("wave", one.name, other.name) for other in _nearest_ahead(one, alive))
    if pose == "run":
        yield from (Relation("flee", one.name, b.name) for b in beasts if RELATIONS["flee"](one, b, 0))
        goals = [t for t in loose if t.kind in ("child", "animal", "large", "toy") and t.name not in BEASTS]
        goals = [goal for goal in goals if goal is not one and goal.z == one.z]
        yield from (Relation("run_to", one.name, goal.name) for goal in _nearest_ahead(one, goals))
    yield from (Relation("fear", one.name, b.name) for b in beasts if RELATIONS["fear"](one, b, 0))


def _uses(one: Placed, others: list[Placed], taken: dict[str, str]) -> Iterator[Relation]:
    """What a child does with what it holds."""
    held = [thing for thing in others if taken.get(thing.name) == one.name and thing.kind in ("toy", "food")]
    other_child = [thing for thing in others if thing.kind == "child"]
    pose = POSES[one.pose]
    for thing in held:
        if pose == "arms_up":
            yield Relation("raise", one.name, thing.name)
        if pose in SEATED and thing.name in SNACKS:
            yield Relation("eat", one.name, thing.name)
        if pose in SEATED and thing.name == "t_12":
            yield Relation("read", one.name, thing.name)
        if pose == "arms_out":
            near = [child for child in _nearest_ahead(one, other_child) if receives(one, child)]
            yield from (Relation("give", one.name, thing.name, child.name) for child in near)


def _plays(one: Placed, loose: list[Placed]) -> Iterator[Relation]:
    toys = [t for t in loose if t.kind == "toy" and t.z == one.z and t.name not in OUT_OF_PLAY]
    near = [toy for toy in _nearest_ahead(one, toys) if RELATIONS["play"](one, toy, 0)]
    yield from (Relation("play", one.name, toy.name) for toy in near)


def _looks(one: Placed, others: list[Placed]) -> Iterator[Relation]:
    """A creature looks at the nearest of each kind ahead of it."""
    for kind in ("child", "animal", "toy", "large", "sky"):
        seen = [other for other in others if other.kind == kind and other.name != "s_3"]
        if kind == "sky":
            seen = [other for other in seen if RELATIONS["look"](one, other, 0)][:1]
        else:
            seen = _nearest_ahead(one, seen)
        yield from (Relation("look", one.name, other.name) for other in seen)


def _follows(one: Placed, others: list[Placed]) -> Iterator[Relation]:
    running = [t for t in others if t.kind == "child" and POSES[t.pose] == "run" and t.flip == one.flip]
    yield from (Relation("follow", one.name, child.name) for child in _nearest_ahead(one, running))
