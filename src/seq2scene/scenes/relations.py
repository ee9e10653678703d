"""The meaning of each relation between two things of a scene, in pixels of a 500 x 400 canvas.

A relation is a predicate of a subject, an object and a slack, the number of pixels by which each bound is
widened. It depends on these two things only. With slack 0 it holds for every pair for which the park states
it.
"""

from collections.abc import Callable
from dataclasses import dataclass

from seq2scene.scenes.clip_art import INSIDES, POSES, SURFACES, Placed

NEAR = 8  # pixels within which a thing is at a hand, head or surface
OVERLAP = 12  # greatest overlap of things next to each other
SEATED = ("kneel", "sit")


@dataclass(frozen=True)
class Box:
    """A box in a photo: centre, width and height in pixels of a canvas 500 wide."""

    x: float
    y: float
    width: float
    height: float
    z: int = 0
    kind: str = "box"

    @property
    def top(self) -> float:
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height / 2


Predicate = Callable[[Placed, Placed, float], bool]
BoxPredicate = Callable[[Box, Box, float], bool]


def pose(child: Placed) -> str:
    return POSES[child.pose] if child.kind == "child" else ""


def ahead(one: Placed, other: Placed) -> float:
    """How far the other is ahead of a thing in the direction it faces; negative behind it."""
    return one.facing * (other.x - one.x)


def faces(one: Placed, other: Placed, slack: float = 0, reach: float = 260) -> bool:
    """Whether a thing faces another that is neither too near nor farther than ``reach``."""
    return 30 - slack <= ahead(one, other) <= reach + slack and abs(one.z - other.z) <= 1


def _gap(one: Placed | Box, other: Placed | Box) -> float:
    """The horizontal gap between two things; negative if they overlap."""
    return abs(one.x - other.x) - (one.width + other.width) / 2


def _at(point: tuple[float, float], other: Placed, slack: float) -> bool:
    reach = NEAR + slack
    return abs(point[0] - other.x) <= reach and abs(point[1] - other.y) <= reach


# Things that touch


def hold(one: Placed, other: Placed, slack: float = 0) -> bool:
    """At the hand of a child that is not kicking, at its depth."""
    able = one.kind == "child" and one.z == other.z and pose(one) != "kick"
    return able and _at(one.hand, other, slack)


def wear(one: Placed, other: Placed, slack: float = 0) -> bool:
    """On the head of a child; glasses on its eyes."""
    return one.kind == "child" and one.z == other.z and _at(one.head(other.name), other, slack)


def kick(one: Placed, other: Placed, slack: float = 0) -> bool:
    """At the foot of a kicking child."""
    return pose(one) == "kick" and one.z == other.z and _at(one.foot, other, slack)


def on(one: Placed, other: Placed, slack: float = 0) -> bool:
    """The bottom edge at the surface of the other, which must have one."""
    if other.name not in SURFACES or one.z != other.z:
        return False
    surface = other.top + SURFACES[other.name] * other.height
    beside = abs(one.x - other.x) <= 0.4 * other.width + slack
    return beside and abs(one.bottom - surface) <= NEAR + slack


def in_(one: Placed, other: Placed, slack: float = 0) -> bool:
    """The bottom edge inside the other, which must be hollow and large enough."""
    if other.name not in INSIDES or one.z != other.z or one.height > 0.5 * other.height + 90:
        return False
    inside = other.top + INSIDES[other.name] * other.height
    beside = abs(one.x - other.x) <= 0.35 * other.width + slack
    return beside and abs(one.bottom - inside) <= NEAR + slack


# Where things are


def above(one: Placed | Box, other: Placed | Box, slack: float = 0) -> bool:
    return abs(one.x - other.x) <= 45 + slack and one.bottom <= other.top + slack


def under(one: Placed, other: Placed, slack: float = 0) -> bool:
    """At the depth and the foot of something taller, near its middle."""
    fits = one.z == other.z and one.height <= 0.75 * other.height
    low = other.bottom - one.bottom <= 0.1 * other.height + slack
    return fits and low and abs(one.x - other.x) <= 0.25 * other.width + slack


def next_to(one: Placed | Box, other: Placed | Box, slack: float = 0) -> bool:
    return one.z == other.z and -OVERLAP - slack <= _gap(one, other) <= 45 + slack


def beside(one: Placed | Box, other: Placed | Box, slack: float, reach: float) -> bool:
    """Apart, but by no more than ``reach`` and one depth."""
    return abs(one.z - other.z) <= 1 and -slack <= _gap(one, other) <= reach + slack


def left_of(one: Placed | Box, other: Placed | Box, slack: float = 0) -> bool:
    return one.x < other.x and beside(one, other, slack, 170)


def right_of(one: Placed | Box, other: Placed | Box, slack: float = 0) -> bool:
    return one.x >= other.x and beside(one, other, slack, 170)


def near(one: Placed | Box, other: Placed | Box, slack: float = 0) -> bool:
    return beside(one, other, slack, 100)


def far_from(one: Placed | Box, other: Placed | Box, slack: float = 0) -> bool:
    return _gap(one, other) >= 240 - slack


def in_front_of(one: Placed, other: Placed, slack: float = 0) -> bool:
    return one.z < other.z and abs(one.x - other.x) <= 0.5 * other.width + slack


def behind(one: Placed, other: Placed, slack: float = 0) -> bool:
    return one.z > other.z and abs(one.x - other.x) <= 0.4 * (one.width + other.width) + slack


# What children and animals do


def raise_(one: Placed, other: Placed, slack: float = 0) -> bool:
    return pose(one) == "arms_up" and hold(one, other, slack)


def use_seated(one: Placed, other: Placed, slack: float = 0) -> bool:
    """Eat or read: holding it while kneeling or sitting."""
    return pose(one) in SEATED and hold(one, other, slack)


def give(one: Placed, other: Placed, slack: float = 0) -> bool:
    return pose(one) == "arms_out" and hold(one, other, slack)


def receives(one: Placed, recipient: Placed, slack: float = 0) -> bool:
    """Whether somebody is where a gift or a kicked ball goes."""
    return faces(one, recipient, slack, 200)


def wave(one: Placed, other: Placed, slack: float = 0) -> bool:
    return pose(one) == "wave" and faces(one, other, slack)


def look(one: Placed, other: Placed, slack: float = 0) -> bool:
    """Ahead; at any depth if it is in the sky."""
    if other.kind == "sky":
        return 30 - slack <= ahead(one, other) <= 260 + slack
    return faces(one, other, slack)


def run_to(one: Placed, other: Placed, slack: float = 0) -> bool:
    return pose(one) == "run" and one.z == other.z and faces(one, other, slack)


def flee(one: Placed, other: Placed, slack: float = 0) -> bool:
    """Run, with the other behind."""
    behind_it = -slack < -ahead(one, other) <= 220 + slack
    return pose(one) == "run" and behind_it and abs(one.z - other.z) <= 1


def fear(one: Placed, other: Placed, slack: float = 0) -> bool:
    """Look surprised, with the other nearby."""
    close = abs(ahead(one, other)) <= 220 + slack and abs(one.z - other.z) <= 1
    return one.kind == "child" and one.expression == 4 and close


def play(one: Placed, other: Placed, slack: float = 0) -> bool:
    """The other close in front of an animal, or of a kneeling or sitting child."""
    able = pose(one) in SEATED if one.kind == "child" else one.kind == "animal"
    return able and one.z == other.z and faces(one, other, slack, 110 if one.kind == "child" else 90)


def follow(one: Placed, other: Placed, slack: float = 0) -> bool:
    """Face a child that runs in the same direction."""
    return pose(other) == "run" and one.flip == other.flip and faces(one, other, slack)


RELATIONS: dict[str, Predicate] = {
    "hold": hold,
    "wear": wear,
    "kick": kick,
    "on": on,
    "in": in_,
    "next_to": next_to,
    "left_of": left_of,
    "right_of": right_of,
    "near": near,
    "far_from": far_from,
    "above": above,
    "under": under,
    "in_front_of": in_front_of,
    "behind": behind,
    "raise": raise_,
    "eat": use_seated,
    "read": use_seated,
    "give": give,
    "wave": wave,
    "look": look,
    "run_to": run_to,
    "flee": flee,
    "fear": fear,
    "play": play,
    "follow": follow,
}


# Boxes of photos, which have neither depth nor pose


def _meet(one: Box, other: Box, slack: float = 0) -> bool:
    down = abs(one.y - other.y) - (one.height + other.height) / 2
    return _gap(one, other) <= slack and down <= slack


def _rests_in(one: Box, other: Box, slack: float = 0) -> bool:
    """The bottom edge within the other."""
    middle = abs(one.x - other.x) <= 0.4 * other.width + slack
    return middle and other.top - slack <= one.bottom <= other.bottom + slack


def _box_under(one: Box, other: Box, slack: float = 0) -> bool:
    return abs(one.x - other.x) <= 0.25 * other.width + slack and one.y > other.y - slack


def _box_in_front_of(one: Box, other: Box, slack: float = 0) -> bool:
    """Lower on the canvas is nearer."""
    return abs(one.x - other.x) <= 0.5 * other.width + slack and one.bottom > other.bottom - slack


def _box_behind(one: Box, other: Box, slack: float = 0) -> bool:
    return abs(one.x - other.x) <= 0.4 * (one.width + other.width) + slack and (
        one.bottom < other.bottom + slack
    )


BOX_RELATIONS: dict[str, BoxPredicate] = {
    **dict.fromkeys(("hold", "raise", "wear", "kick", "eat", "read"), _meet),
    **dict.fromkeys(("on", "in"), _rests_in),
    "next_to": next_to,
    "left_of": left_of,
    "right_of": right_of,
    "near": near,
    "far_from": far_from,
    "above": above,
    "under": _box_under,
    "in_front_of": _box_in_front_of,
    "behind": _box_behind,
}
