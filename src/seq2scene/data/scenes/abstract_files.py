"""Readers of the files of AbstractScenes_v1.1 (Zitnick and Parikh 2013).

``Scenes_10020.txt`` has a header line ``set objects`` for each scene, then for each object ``picture type
number x y z flip``; the scenes of a set are numbered 10 * set + position. ``SimpleSentences1_10020.txt`` and
``SimpleSentences2_10020.txt`` have lines ``scene <tab> sentence <tab> text``, each by a group of annotators.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from seq2scene.errors import UserError
from seq2scene.scenes.images import readable
from seq2scene.sequences.lines import each_line, read_bytes

SCENES = "Scenes_10020.txt"
SENTENCES = ("SimpleSentences/SimpleSentences1_10020.txt", "SimpleSentences/SimpleSentences2_10020.txt")
PICTURES = "Pngs"
NAMES = (
    *(f"s_{k}" for k in range(8)),  # sky
    *(f"a_{k}" for k in range(6)),  # animals
    *(f"e_{k}" for k in range(7)),  # food
    "hb0",  # Mike
    "hb1",  # Jenny
    *(f"p_{k}" for k in range(10)),  # large
    *(f"c_{k}" for k in range(10)),  # clothing
    *(f"t_{k}" for k in range(15)),  # toys
)
TITLES = (  # what the clip art shows
    *("helicopter", "hot-air balloon", "cloud", "sun", "lightning", "rain", "rocket", "airplane"),
    *("bear", "cat", "dog", "duck", "owl", "snake"),
    *("pie", "pizza", "hot dog", "ketchup", "mustard", "hamburger", "drink"),
    *("Mike", "Jenny"),
    *("bouncy bee", "slide", "sandbox", "grill", "swing", "tent", "table", "pine", "tree", "apple tree"),
    *("blue hat", "crown", "chef's hat", "pirate hat", "bonnet", "propeller hat", "wizard's hat"),
    *("viking hat", "glasses", "sunglasses"),
    *("baseball", "bucket", "beach ball", "basketball", "soccer ball", "tennis ball", "football"),
    *("frisbee", "bat", "balloons", "glove", "shovel", "racket", "kite", "fire"),
)
CHILDREN = ("hb0", "hb1")
POSES, EXPRESSIONS, DEPTHS = 7, 5, 3
# The object class of each picture by file name and, for children, the number of its pose and expression.
CLIP_ART = {
    f"{name}_{k}s.png" if name in CHILDREN else f"{name}s.png": (name, k)
    for name in NAMES
    for k in range(POSES * EXPRESSIONS if name in CHILDREN else 1)
}
OPAQUE = 50  # alpha above which a pixel of a picture counts
PER_SET = 10
PER_SCENE = 3  # sentences used of each group


@dataclass(frozen=True)
class Placed:
    """One object of a scene, a line of the file; pose and expression are 0 for all but the children."""

    name: str
    x: int
    y: int
    z: int
    flip: int
    pose: int
    expression: int


def read_scenes(path: Path, hint: str) -> dict[int, list[Placed]]:
    """The objects of each scene by its number, in the order of the file.

    Raises:
        UserError: the file is missing or truncated, or a line is malformed.
    """
    scenes: dict[int, list[Placed]] = {}
    counted: dict[int, int] = {}
    current: list[Placed] | None = None
    header, promised = 0, 0
    for number, line in enumerate(each_line(path, hint), start=1):
        fields = line.split()
        if len(fields) < 2:  # the first line, and blank ones
            continue
        if len(fields) == 2:
            _check_count(current, promised, path, header)
            group, promised = _integers(fields, path, number)
            header = number
            position = counted.get(group, 0)
            counted[group] = position + 1
            current = scenes.setdefault(PER_SET * group + position, [])
        elif len(fields) != 7:
            raise UserError(
                f"{path}, line {number}: an object has 7 fields (picture type number x y z flip), this has "
                f"{len(fields)}"
            )
        elif current is None:
            raise UserError(f"{path}, line {number}: an object before the first scene")
        else:
            current.append(_placed(fields, path, number))
    _check_count(current, promised, path, header)
    return scenes


def _check_count(scene: list[Placed] | None, promised: int, path: Path, header: int) -> None:
    if scene is not None and len(scene) != promised:
        raise UserError(
            f"{path}, line {header}: a scene of {promised} objects, but {len(scene)} follow; lines are "
            "missing or misplaced: get the file again"
        )


def _placed(fields: list[str], path: Path, number: int) -> Placed:
    if fields[0] not in CLIP_ART:
        raise UserError(
            f"{path}, line {number}: {fields[0]} is no clip art of Abstract Scenes, which are s_0s.png to "
            "t_14s.png, hb0_0s.png to hb0_34s.png and hb1_0s.png to hb1_34s.png"
        )
    name, variant = CLIP_ART[fields[0]]
    x, y, z, flip = _integers(fields[3:], path, number)
    if z not in range(DEPTHS) or flip not in (0, 1):
        raise UserError(f"{path}, line {number}: z must be 0, 1 or 2 and flip 0 or 1, not {z} and {flip}")
    return Placed(name, x, y, z, flip, variant // EXPRESSIONS, variant % EXPRESSIONS)


def read_sentences(path: Path, scenes: dict[int, list[Placed]], hint: str) -> dict[int, list[str]]:
    """The sentences of each scene, in the order of their numbers; scenes without any are left out.

    Raises:
        UserError: the file is missing, or a line is malformed or of an unknown scene.
    """
    found: dict[int, dict[int, str]] = {}
    for number, line in enumerate(each_line(path, hint), start=1):
        if not line.strip():  # between scenes
            continue
        fields = line.split("\t")
        if len(fields) != 3:
            raise UserError(
                f"{path}, line {number}: a line is scene <tab> sentence <tab> text, this has "
                f"{len(fields)} fields"
            )
        scene, sentence = _integers(fields[:2], path, number)
        if scene not in scenes:
            raise UserError(f"{path}, line {number}: there is no scene {scene} in {SCENES}")
        if sentence < PER_SCENE:
            found.setdefault(scene, {})[sentence] = fields[2].strip()
    return {scene: [texts[key] for key in sorted(texts)] for scene, texts in found.items()}


def read_split(path: Path, scenes: dict[int, list[Placed]], hint: str) -> list[int]:
    """Scene numbers, one per line. Raises UserError for unknown and repeated ones."""
    listed: dict[int, int] = {}
    for number, line in enumerate(each_line(path, hint), start=1):
        if line.strip():
            (scene,) = _integers([line.strip()], path, number)
            if scene not in scenes:
                raise UserError(f"{path}, line {number}: there is no scene {scene} in {SCENES}")
            if scene in listed:
                raise UserError(
                    f"{path}, line {number}: scene {scene} stands in line {listed[scene]} already"
                )
            listed[scene] = number
    return list(listed)


def official_split(usable: list[int]) -> dict[str, list[int]]:
    """Scenes 8000 to 8999 are the test set; of the others the first 8,500 are for training, the rest for
    validation.
    """
    tests = [scene for scene in usable if 8000 <= scene < 9000]
    others = [scene for scene in usable if not 8000 <= scene < 9000]
    return {"train": others[:8500], "val": others[8500:], "test": tests}


def picture_names() -> list[str]:
    """The names of all clip art and of the background, without ``.png``."""
    return [*(name.removesuffix(".png") for name in CLIP_ART), "background"]


def read_pictures(folder: Path, hint: str) -> dict[str, Tensor]:
    """The PNG files by name, as bytes (n,) uint8; raises UserError if one is missing."""
    pictures = {}
    for name in picture_names():
        path = folder / f"{name}.png"
        if not path.is_file():
            raise UserError(f"{path}: this picture is missing: {hint}")
        pictures[name] = torch.frombuffer(bytearray(read_bytes(path)), dtype=torch.uint8)
    return pictures


def opaque_sizes(folder: Path) -> Tensor:
    """Width and height of the opaque part of each picture, (classes, poses, expressions, 2)."""
    sizes = torch.zeros(len(NAMES), POSES, EXPRESSIONS, 2)
    for file, (name, variant) in CLIP_ART.items():
        own = divmod(variant, EXPRESSIONS) if name in CHILDREN else ()
        sizes[NAMES.index(name), *own] = opaque_size(folder / file)
    return sizes


def opaque_size(path: Path) -> Tensor:
    """Width and height of the opaque part of a picture, (2,)."""
    with readable(path), Image.open(path) as picture:
        alpha = np.asarray(picture.convert("RGBA"))[:, :, 3] > OPAQUE
    extents = [np.flatnonzero(alpha.any(axis=axis)) for axis in (0, 1)]
    return torch.tensor([float(e[-1] - e[0] + 1) if len(e) else 0.0 for e in extents])


def _integers(fields: list[str], path: Path, number: int) -> list[int]:
    try:
        return [int(field) for field in fields]
    except ValueError as error:
        text = " ".join(fields)[:60]
        raise UserError(f"{path}, line {number}: these must be whole numbers: {text}") from error
