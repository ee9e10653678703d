"""The world of the park: its things, and the definition of a scene.

Mike and Jenny play in the park with animals, toys, food, clothes, large things on the ground and things in
the sky: the clip art of ``scenes.clip_art``. No class occurs twice in a scene.
"""

from dataclasses import dataclass

from seq2scene.scenes.clip_art import (
    CANVAS,
    CHILDREN,
    EXPRESSIONS,
    EYES,
    FOOT,
    HANDS,
    HEADS,
    INSIDES,
    POSES,
    SCALES,
    SURFACES,
    THINGS,
    Placed,
)

__all__ = [  # re-exported from the clip art, for the modules of the park
    "CANVAS",
    "CHILDREN",
    "EXPRESSIONS",
    "EYES",
    "FOOT",
    "HANDS",
    "HEADS",
    "INSIDES",
    "POSES",
    "SCALES",
    "SURFACES",
    "THINGS",
    "Placed",
]

HORIZON = 215
GROUND = ((348, 392), (290, 335), (236, 275))  # where feet may stand (least y, greatest y) at depth 0, 1, 2
SHELTERS = ("p_6", "p_7", "p_8", "p_9")
BALLS = ("t_0", "t_2", "t_4", "t_5")
PORTABLE = tuple(name for name, thing in THINGS.items() if thing.kind in ("toy", "food") and name != "t_14")
BEASTS = ("a_0", "a_5")  # animals that children run away from


def names_of(*kinds: str) -> list[str]:
    """The names of classes of the given kinds, in the order of the table."""
    return [name for name, thing in THINGS.items() if thing.kind in kinds]


@dataclass(frozen=True)
class Relation:
    """A fact about a scene: ``Relation("hold", "hb0", "t_13")``; gifts also have a recipient."""

    kind: str
    subject: str
    object: str
    recipient: str | None = None

    @property
    def combination(self) -> str:
        """The key of the held-out rule: subject, kind and object."""
        return f"{self.subject}|{self.kind}|{self.object}"


@dataclass(frozen=True)
class Scene:
    """Things in the order of the AbstractScenes files, by type, and the relations that hold between them."""

    things: tuple[Placed, ...]
    relations: tuple[Relation, ...]

    def get(self, name: str) -> Placed | None:
        return next((thing for thing in self.things if thing.name == name), None)

    def __getitem__(self, name: str) -> Placed:
        return next(thing for thing in self.things if thing.name == name)

    def __contains__(self, name: object) -> bool:
        return any(thing.name == name for thing in self.things)
