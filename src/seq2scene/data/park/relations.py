"""The relations that hold in a scene, read from positions, depths, flips, poses and expressions alone."""

from collections.abc import Iterator, Sequence
from itertools import permutations

from seq2scene.data.park.world import (
    BALLS,
    BEASTS,
    INSIDES,
    POSES,
    SHELTERS,
    SURFACES,
    Placed,
    Relation,
)

NEAR = 8  # pixels within which a thing is at a hand, a head, a surface
ACTIONS = ("hold", "wear", "kick")


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


def _close(point: tuple[float, float], other: Placed, reach: float = NEAR) -> bool:
    return abs(point[0] - other.x) <= reach and abs(point[1] - other.y) <= reach


def _touching(one: Placed, other: Placed) -> Iterator[str]:
    """Relations of things that touch."""
    if one.kind == "child" and one.z == other.z:
        if other.kind in ("toy", "food") and one.pose != POSES.index("kick") and _close(one.hand, other):
            yield "hold"
        if other.kind == "clothing" and _close(one.head(other.name), other):
            yield "wear"
        if other.name in BALLS and one.pose == POSES.index("kick") and _close(one.foot, other):
            yield "kick"
    if one.z != other.z or one.kind in ("sky", "large", "clothing"):
        return
    across = abs(one.x - other.x)
    if other.name in SURFACES and across <= 0.4 * other.width:
        surface = other.top + SURFACES[other.name] * other.height
        if abs(one.bottom - surface) <= NEAR:
            yield "on"
    if other.name in INSIDES and across <= 0.35 * other.width and one.height <= 0.5 * other.height + 90:
        inside = other.top + INSIDES[other.name] * other.height
        if abs(one.bottom - inside) <= NEAR:
            yield "in"


def _places(one: Placed, other: Placed) -> Iterator[str]:
    """Relations in space of two things of which neither is carried or rests on another."""
    across = abs(one.x - other.x)
    gap = across - (one.width + other.width) / 2
    if one.kind == "sky":
        if other.kind in ("large", "child", "animal") and across <= 45 and one.bottom <= other.top:
            yield "above"
        return
    if other.kind not in ("large", "child", "animal"):
        return
    sheltered = one.z == other.z and other.name in SHELTERS and one.kind != "large"
    if sheltered and across <= 0.25 * other.width and one.height <= 0.75 * other.height:
        yield "under"
        return
    if one.z == other.z and -12 <= gap <= 45:
        yield "next_to"
    if abs(one.z - other.z) <= 1 and 0 <= gap <= 170:
        yield "left_of" if one.x < other.x else "right_of"
    if abs(one.z - other.z) <= 1 and 0 <= gap <= 100:
        yield "near"
    if gap >= 240:
        yield "far_from"
    if one.z < other.z and across <= 0.5 * other.width:
        yield "in_front_of"
    if one.z > other.z and across <= 0.4 * (one.width + other.width):
        yield "behind"


def _ahead(one: Placed, other: Placed) -> float:
    """How far the other is ahead of a thing in the direction it looks; negative behind its back."""
    return one.facing * (other.x - one.x)


def _nearest_ahead(one: Placed, others: list[Placed]) -> list[Placed]:
    seen = [other for other in others if 30 <= _ahead(one, other) <= 260 and abs(one.z - other.z) <= 1]
    return sorted(seen, key=lambda other: _ahead(one, other))[:1]


def _doings(things: Sequence[Placed], found: list[Relation]) -> Iterator[Relation]:
    """What children and animals do with what is around them, given the things that touch."""
    taken = {relation.object: relation.subject for relation in found if relation.kind in ("hold", "wear")}
    resting = {relation.subject for relation in found if relation.kind in ("on", "in")}
    loose = [thing for thing in things if thing.name not in taken and thing.name not in resting]
    for one in things:
        others = [thing for thing in things if thing is not one]
        if one.kind == "child":
            yield from _gestures(one, others, loose)
            yield from _uses(one, others, taken)
            if POSES[one.pose] in ("kneel", "sit"):
                yield from _plays(one, loose, 110)
        if one.kind in ("child", "animal"):
            yield from _looks(one, [thing for thing in others if thing.name not in taken])
        if one.name in ("a_1", "a_2") and one.name not in resting:
            yield from _plays(one, loose, 90)
        if one.name in ("a_1", "a_2", "a_3"):
            yield from _follows(one, others)


def _gestures(one: Placed, others: list[Placed], loose: list[Placed]) -> Iterator[Relation]:
    alive = [thing for thing in others if thing.kind in ("child", "animal")]
    pose = POSES[one.pose]
    if pose == "wave":
        yield from (Relation("wave", one.name, other.name) for other in _nearest_ahead(one, alive))
    if pose == "run":
        beasts = [
            b for b in alive if b.name in BEASTS and 0 < -_ahead(one, b) <= 220 and abs(one.z - b.z) <= 1
        ]
        yield from (Relation("flee", one.name, beast.name) for beast in beasts)
        goals = [t for t in loose if t.kind in ("child", "animal", "large", "toy") and t.name not in BEASTS]
        goals = [goal for goal in goals if goal is not one and goal.z == one.z]
        yield from (Relation("run_to", one.name, goal.name) for goal in _nearest_ahead(one, goals))
    if one.expression == 4:
        beasts = [
            b for b in alive if b.name in BEASTS and abs(_ahead(one, b)) <= 220 and abs(one.z - b.z) <= 1
        ]
        yield from (Relation("fear", one.name, beast.name) for beast in beasts)


def _uses(one: Placed, others: list[Placed], taken: dict[str, str]) -> Iterator[Relation]:
    """What a child does with what it holds."""
    held = [thing for thing in others if taken.get(thing.name) == one.name and thing.kind in ("toy", "food")]
    other_child = [thing for thing in others if thing.kind == "child"]
    for thing in held:
        if POSES[one.pose] == "arms_up":
            yield Relation("raise", one.name, thing.name)
        if POSES[one.pose] in ("kneel", "sit") and thing.name in ("e_0", "e_1", "e_2", "e_5"):
            yield Relation("eat", one.name, thing.name)
        if POSES[one.pose] in ("kneel", "sit") and thing.name == "t_12":
            yield Relation("read", one.name, thing.name)
        if POSES[one.pose] == "arms_out":
            near = [c for c in _nearest_ahead(one, other_child) if _ahead(one, c) <= 200]
            yield from (Relation("give", one.name, thing.name, child.name) for child in near)


def _plays(one: Placed, loose: list[Placed], reach: float) -> Iterator[Relation]:
    toys = [t for t in loose if t.kind == "toy" and t.z == one.z and t.name not in ("t_12", "t_14", "t_10")]
    near = [toy for toy in _nearest_ahead(one, toys) if _ahead(one, toy) <= reach]
    yield from (Relation("play", one.name, toy.name) for toy in near)


def _looks(one: Placed, others: list[Placed]) -> Iterator[Relation]:
    """A creature looks at the nearest of each kind ahead of it."""
    for kind in ("child", "animal", "toy", "large", "sky"):
        ahead = [other for other in others if other.kind == kind and other.name != "s_3"]
        if kind == "sky":
            ahead = [other for other in ahead if 30 <= _ahead(one, other) <= 260][:1]
        else:
            ahead = _nearest_ahead(one, ahead)
        yield from (Relation("look", one.name, other.name) for other in ahead)


def _follows(one: Placed, others: list[Placed]) -> Iterator[Relation]:
    running = [t for t in others if t.kind == "child" and POSES[t.pose] == "run" and t.flip == one.flip]
    yield from (Relation("follow", one.name, child.name) for child in _nearest_ahead(one, running))
