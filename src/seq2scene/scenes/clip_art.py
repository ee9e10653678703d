"""The clip art of the park: the size of each picture, anchors such as hands, heads and surfaces, and pictures
placed on a canvas of 500 x 400 pixels with the origin at the top left.

Classes and attributes follow AbstractScenes_v1.1: a class name (``s_k`` sky, ``p_k`` large, ``hb0`` and
``hb1`` the children, ``a_k`` animals, ``c_k`` clothing, ``e_k`` food, ``t_k`` toys), the centre (x, y) of the
picture, a depth z (0 near, 1, 2 far: drawn at scale 1, 0.7, 0.49), a flip (0 looks right, 1 looks left), and
for the two children one of 7 poses and one of 5 expressions.

Sizes and anchors (hand, head, foot) refer to the unscaled picture of a thing facing right; the park's
drawings match them.
"""

from dataclasses import dataclass

# Prefixes of class names: the types of things, in their order in the AbstractScenes files
TYPES = ("s_", "p_", "hb0", "hb1", "a_", "c_", "e_", "t_")
CANVAS = (500, 400)
SCALES = (1.0, 0.7, 0.49)
POSES = ("arms_out", "arms_up", "kick", "run", "kneel", "sit", "wave")
EXPRESSIONS = ("angry", "laugh", "smile", "sad", "surprised")

# Offsets from the centre of a child facing right, by pose.
HANDS = ((50, -18), (34, -82), (44, -12), (46, -8), (44, 22), (44, 18), (40, 8))
HEADS = ((0, -52), (0, -52), (-6, -52), (6, -50), (0, -14), (0, -12), (0, -52))
CROWN, EYES = -30, 2  # vertical offsets of hats and of glasses from the middle of the head
EYEWEAR = ("c_8", "c_9")
FOOT = (54, 64)  # the foot that kicks

# Where things can rest on another, as a fraction of its height from the top.
SURFACES = {"p_0": 0.5, "p_1": 0.12, "p_4": 0.72, "p_6": 0.1}
INSIDES = {"p_2": 0.62, "p_8": 0.42, "p_9": 0.42}


@dataclass(frozen=True)
class Thing:
    """A class of things: its kind and the size of its unscaled picture."""

    name: str
    kind: str
    width: int
    height: int


def _things(kind: str, sizes: dict[str, tuple[int, int]]) -> dict[str, Thing]:
    return {name: Thing(name, kind, width, height) for name, (width, height) in sizes.items()}


THINGS: dict[str, Thing] = {
    **_things(
        "sky",
        {
            "s_0": (120, 60),  # helicopter
            "s_1": (80, 110),  # hot-air balloon
            "s_2": (120, 64),  # cloud
            "s_3": (84, 84),  # sun
            "s_4": (120, 84),  # storm cloud
            "s_5": (120, 84),  # rain cloud
            "s_6": (44, 96),  # rocket
            "s_7": (130, 60),  # plane
        },
    ),
    **_things(
        "large",
        {
            "p_0": (160, 96),  # bench
            "p_1": (210, 180),  # slide
            "p_2": (200, 84),  # sandbox
            "p_3": (80, 116),  # grill
            "p_4": (180, 200),  # swing
            "p_5": (190, 150),  # tent
            "p_6": (180, 104),  # table
            "p_7": (150, 290),  # fir tree
            "p_8": (190, 300),  # tree
            "p_9": (200, 280),  # apple tree
        },
    ),
    **_things("child", {"hb0": (112, 170), "hb1": (112, 170)}),  # Mike, Jenny
    **_things(
        "animal",
        {
            "a_0": (120, 160),  # bear
            "a_1": (84, 76),  # cat
            "a_2": (100, 88),  # dog
            "a_3": (64, 60),  # duck
            "a_4": (56, 72),  # owl
            "a_5": (100, 46),  # snake
        },
    ),
    **_things(
        "clothing",
        {
            "c_0": (64, 40),  # blue cap
            "c_1": (56, 40),  # crown
            "c_2": (60, 56),  # chef's hat
            "c_3": (80, 44),  # pirate hat
            "c_4": (84, 40),  # straw hat
            "c_5": (64, 40),  # red cap
            "c_6": (60, 72),  # wizard's hat
            "c_7": (68, 48),  # helmet
            "c_8": (48, 20),  # glasses
            "c_9": (48, 20),  # sunglasses
        },
    ),
    **_things(
        "food",
        {
            "e_0": (56, 36),  # pie
            "e_1": (60, 36),  # pizza
            "e_2": (52, 30),  # hotdog
            "e_3": (22, 48),  # ketchup
            "e_4": (22, 48),  # mustard
            "e_5": (46, 36),  # hamburger
            "e_6": (26, 46),  # drink
        },
    ),
    **_things(
        "toy",
        {
            "t_0": (40, 40),  # red ball
            "t_1": (44, 48),  # bucket
            "t_2": (40, 40),  # blue ball
            "t_3": (64, 48),  # boat
            "t_4": (40, 40),  # football
            "t_5": (40, 40),  # green ball
            "t_6": (36, 64),  # doll
            "t_7": (48, 20),  # frisbee
            "t_8": (60, 40),  # toy car
            "t_9": (72, 100),  # balloons
            "t_10": (32, 56),  # flower
            "t_11": (24, 64),  # shovel
            "t_12": (48, 36),  # book
            "t_13": (60, 80),  # kite
            "t_14": (72, 70),  # campfire
        },
    ),
}
CHILDREN = ("hb0", "hb1")


def type_of(name: str) -> int:
    """The type of a clip-art class as its index in ``TYPES``; the sky is 0."""
    return next(number for number, start in enumerate(TYPES) if name.startswith(start))


@dataclass(frozen=True)
class Placed:
    """A thing at its place: (x, y) the centre of its scaled picture, in pixels; whole ones in the park."""

    name: str
    x: float
    y: float
    z: int
    flip: int
    pose: int = 0
    expression: int = 0

    @property
    def kind(self) -> str:
        return THINGS[self.name].kind

    @property
    def variant(self) -> int:
        """Index of its clip art within its type; a child has 35 of its own."""
        return 5 * self.pose + self.expression if self.kind == "child" else int(self.name[2:])

    @property
    def picture(self) -> str:
        """Name of its clip art."""
        return f"{self.name}_{self.variant}s" if self.kind == "child" else f"{self.name}s"

    @property
    def scale(self) -> float:
        return SCALES[self.z]

    @property
    def width(self) -> float:
        return self.scale * THINGS[self.name].width

    @property
    def height(self) -> float:
        return self.scale * THINGS[self.name].height

    @property
    def left(self) -> float:
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height / 2

    @property
    def facing(self) -> int:
        """1 if it faces right, -1 if left."""
        return 1 - 2 * self.flip

    def at(self, offset: tuple[float, float]) -> tuple[float, float]:
        """The canvas point at an offset given for the unscaled picture facing right."""
        return self.x + self.facing * self.scale * offset[0], self.y + self.scale * offset[1]

    @property
    def hand(self) -> tuple[float, float]:
        return self.at(HANDS[self.pose])

    @property
    def foot(self) -> tuple[float, float]:
        return self.at(FOOT)

    def head(self, clothing: str) -> tuple[float, float]:
        """Where the centre of a piece of clothing is when worn."""
        x, y = HEADS[self.pose]
        return self.at((x, y + (EYES if clothing in EYEWEAR else CROWN)))
