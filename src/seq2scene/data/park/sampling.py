"""Random scenes: things are placed where they make sense, and relations are derived from positions."""

from dataclasses import replace
from random import Random

from seq2scene.data.park.relations import relations_of
from seq2scene.data.park.world import (
    BALLS,
    BEASTS,
    CANVAS,
    CHILDREN,
    GROUND,
    INSIDES,
    PORTABLE,
    POSES,
    SCALES,
    SHELTERS,
    SURFACES,
    THINGS,
    Placed,
    Scene,
    names_of,
)
from seq2scene.scenes.clip_art import type_of

SEATS = ("p_0", "p_1", "p_2", "p_4")


def sample_scene(rng: Random) -> Scene:
    """A scene of up to 15 things, mostly 6 to 9, and its relations; determined by the state of ``rng``."""
    things: list[Placed] = []
    children: list[Placed] = []
    while not children:  # a crowded park may leave no room for a child
        things = _large(rng)
        for name in CHILDREN if rng.random() < 0.9 else rng.sample(CHILDREN, 1):
            _child(rng, name, things)
        children = [thing for thing in things if thing.kind == "child"]
    for child in children:
        _company(rng, child, things)
    for name in _unused(rng, names_of("animal"), things)[: rng.choice((0, 0, 1, 1))]:
        _beside_something(rng, name, things)
    for child in children:
        _belongings(rng, child, things)
    for name in _unused(rng, names_of("toy", "food"), things)[: rng.choice((0, 1, 1))]:
        _loose(rng, name, things)
    _sky(rng, things)
    things.sort(key=lambda thing: type_of(thing.name))
    return Scene(tuple(things), relations_of(things))


def _put(name: str, x: float, bottom: float, z: int, flip: int, pose: int = 0, expression: int = 0) -> Placed:
    """A thing with its bottom edge at ``bottom``."""
    return Placed(
        name, round(x), round(bottom - SCALES[z] * THINGS[name].height / 2), z, flip, pose, expression
    )


def _centred(name: str, at: tuple[float, float], z: int, flip: int) -> Placed:
    return Placed(name, round(at[0]), round(at[1]), z, flip)


def _unused(rng: Random, names: list[str], things: list[Placed]) -> list[str]:
    present = {thing.name for thing in things}
    return rng.sample(left := [name for name in names if name not in present], len(left))


def _fits(thing: Placed, things: list[Placed]) -> bool:
    """Whether a thing is on the canvas and overlaps nothing at its depth; children must not overlap at any
    depth.
    """
    if thing.left < -10 or thing.right > CANVAS[0] + 10:
        return False
    level = [other for other in things if other.z == thing.z or other.kind == thing.kind == "child"]
    level = [other for other in level if other.kind not in ("sky", "clothing")]
    return all(abs(thing.x - other.x) >= (thing.width + other.width) / 2 - 10 for other in level)


def _somewhere(
    rng: Random, name: str, depths: tuple[int, ...], things: list[Placed], **attributes: int
) -> bool:
    """Tries to place a thing on free ground; returns whether there was room."""
    for _ in range(12):
        z = rng.choice(depths)
        x = rng.uniform(0.08, 0.92) * CANVAS[0]
        thing = _put(name, x, rng.uniform(*GROUND[z]), z, rng.randrange(2), **attributes)
        if _fits(thing, things):
            things.append(thing)
            return True
    return False


def _large(rng: Random) -> list[Placed]:
    things: list[Placed] = []
    for name in rng.sample(names_of("large"), rng.choice((1, 1, 2))):
        _somewhere(rng, name, (1, 1, 2) if name in SHELTERS[1:] else (0, 1, 1, 2), things)
    return things


def _child(rng: Random, name: str, things: list[Placed]) -> None:
    others = [thing for thing in things if thing.kind == "child"]
    pose = others[0].pose if others and rng.random() < 0.25 else rng.randrange(len(POSES))
    expression = others[0].expression if others and rng.random() < 0.25 else rng.randrange(5)
    seats = [t for t in things if t.name in SEATS]
    free = [seat for seat in seats if not any(t.kind == "child" and t.x == seat.x for t in things)]
    if POSES[pose] in ("sit", "kneel") and free and rng.random() < 0.7:
        seat = rng.choice(free)
        height = SURFACES[seat.name] if seat.name in SURFACES else INSIDES[seat.name]
        bottom = seat.top + height * seat.height
        things.append(_put(name, seat.x, bottom, seat.z, rng.randrange(2), pose, expression))
        return
    _somewhere(rng, name, (0, 0, 1), things, pose=pose, expression=expression)
    if others and things[-1].name == name and rng.random() < 0.6:
        things[-1] = _turned(things[-1], others[0])


def _turned(one: Placed, other: Placed) -> Placed:
    """The same thing, facing another."""
    return replace(one, flip=int(other.x < one.x))


def _company(rng: Random, child: Placed, things: list[Placed]) -> None:
    """Places an animal behind a running or surprised child, a toy in front of a kneeling or sitting one."""
    pose = POSES[child.pose]
    if (pose == "run" or child.expression == 4) and rng.random() < 0.6:
        beast = _unused(rng, list(BEASTS) if rng.random() < 0.6 else ["a_1", "a_2", "a_3"], things)
        for name in beast[:1]:
            _aside(rng, child, name, -child.facing, child.flip, things)
    if pose in ("kneel", "sit") and rng.random() < 0.6:
        toy = _unused(rng, names_of("toy"), things)[0]
        _aside(rng, child, toy, child.facing, 0, things)


def _aside(rng: Random, child: Placed, name: str, side: int, flip: int, things: list[Placed]) -> None:
    apart = (child.width + SCALES[child.z] * THINGS[name].width) / 2 + rng.uniform(0, 12)
    thing = _put(name, child.x + side * apart, child.bottom + rng.uniform(-2, 2), child.z, flip)
    if _fits(thing, things):
        things.append(thing)


def _near(rng: Random, name: str, anchor: Placed) -> Placed:
    """A thing next to, in front of, behind, on, in or under an anchor, as the anchor allows."""
    flip, z = rng.randrange(2), anchor.z
    ways = ["beside", "beside"] + ["before"] * (z > 0) + ["behind"] * (z < 2)
    ways += ["on"] * (anchor.name in SURFACES and THINGS[name].height < 90)
    ways += ["in"] * (anchor.name == "p_2" or (anchor.name in INSIDES and name in ("a_1", "a_4", "t_13")))
    ways += ["under", "under"] * (anchor.name in SHELTERS and THINGS[name].height < 90)
    way = rng.choice(ways)
    if way in ("on", "in"):
        share = SURFACES[anchor.name] if way == "on" else INSIDES[anchor.name]
        x = anchor.x + rng.uniform(-0.2, 0.2) * anchor.width
        return _put(name, x, anchor.top + share * anchor.height, z, flip)
    if way == "under":
        x = anchor.x + rng.uniform(-0.2, 0.2) * anchor.width
        return _put(name, x, anchor.bottom + rng.uniform(0, 3), z, flip)
    if way == "beside":
        apart = (anchor.width + SCALES[z] * THINGS[name].width) / 2 + rng.uniform(2, 32)
        return _put(name, anchor.x + rng.choice((-1, 1)) * apart, anchor.bottom + rng.uniform(-3, 3), z, flip)
    z += -1 if way == "before" else 1
    x = anchor.x + rng.uniform(-0.35, 0.35) * anchor.width
    return _put(name, x, rng.uniform(*GROUND[z]), z, flip)


def _beside_something(rng: Random, name: str, things: list[Placed]) -> None:
    """Places an animal or a toy near one of the things, if there is room."""
    anchors = [thing for thing in things if thing.kind in ("large", "child", "animal")]
    for anchor in rng.sample(anchors, len(anchors)):
        thing = _near(rng, name, anchor)
        resting = abs(thing.bottom - anchor.bottom) > 8 and thing.z == anchor.z
        if _fits(thing, [t for t in things if t is not anchor]) and not (
            resting and _occupied(anchor, things)
        ):
            things.append(thing)
            return


def _occupied(seat: Placed, things: list[Placed]) -> bool:
    return any(t is not seat and t.z == seat.z and abs(t.x - seat.x) < 0.4 * seat.width for t in things)


def _belongings(rng: Random, child: Placed, things: list[Placed]) -> None:
    """Places what a child wears, and what it holds or kicks."""
    if rng.random() < 0.5:
        clothing = _unused(rng, names_of("clothing"), things)[0]
        things.append(_centred(clothing, child.head(clothing), child.z, child.flip))
    if POSES[child.pose] == "kick":
        ball = _unused(rng, list(BALLS), things)[0]
        things.append(_centred(ball, child.foot, child.z, 0))
    elif rng.random() < 0.6:
        held = _unused(rng, list(PORTABLE), things)[0]
        things.append(_centred(held, child.hand, child.z, child.flip))


def _loose(rng: Random, name: str, things: list[Placed]) -> None:
    """Places a toy or food that nobody holds: food on a table if possible, toys near other things."""
    if THINGS[name].kind == "toy":
        _beside_something(rng, name, things)
        return
    tables = [thing for thing in things if thing.name in ("p_0", "p_6") and not _occupied(thing, things)]
    for table in tables[:1]:
        top = table.top + SURFACES[table.name] * table.height
        things.append(_put(name, table.x + rng.uniform(-0.25, 0.25) * table.width, top, table.z, 0))


def _sky(rng: Random, things: list[Placed]) -> None:
    """Places one or two things in the sky, often above something on the ground."""
    for name in rng.sample(names_of("sky"), rng.choice((1, 1, 1, 2))):
        z = rng.choice((0, 1, 1, 2))
        width, height = SCALES[z] * THINGS[name].width, SCALES[z] * THINGS[name].height
        x = rng.choice(things).x + rng.uniform(-30, 30) if rng.random() < 0.6 else rng.uniform(50, 450)
        x = min(max(x, width / 2), CANVAS[0] - width / 2)
        thing = _put(name, x, rng.uniform(height + 2, max(height + 10, 130)), z, rng.randrange(2))
        if all(t.kind != "sky" or abs(t.x - x) > (t.width + thing.width) / 2 for t in things):
            things.append(thing)
