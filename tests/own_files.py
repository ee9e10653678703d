"""Small files as a user has them: captioned photos, exports of annotation tools, clip art and scenes."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

PHOTOS = [f"{n}.png" for n in range(8)]
TOLD = [(name, f"{count} of the {kind}s.") for n, name in enumerate(PHOTOS)
        for count, kind in (("one", ("dog", "cat")[n % 2]), ("two", "ball"))]  # fmt: skip
WIDTH, HEIGHT = 40, 30


def write_photos(folder: Path, names: list[str] = PHOTOS) -> None:
    draw = np.random.default_rng(0)
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draw.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)).save(folder / name)


def write_captions(path: Path, told: list[tuple[str, str]] = TOLD) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("image", "caption"), *told])


def label_studio(folder: Path) -> list[str]:
    """Numbers from 0, photos with a prefix in a folder of their own, neither super-categories nor masks."""
    names = [f"images/{n:08x}-{name}" for n, name in enumerate(PHOTOS)]
    return _write(folder / "result.json", names, 0, ["dog", "cat", "ball"])


def cvat(folder: Path) -> list[str]:
    """Numbers from 1, masks marked as crowds."""
    return _write(folder / "instances.json", PHOTOS, 1, ["dog", "cat", "ball"], masks=True)


def roboflow(folder: Path) -> list[str]:
    """A first category without objects, which is called like another, and two versions of each photo."""
    names = [f"{name[0]}_png.rf.{version}a{n}.jpg" for n, name in enumerate(PHOTOS) for version in (1, 2)]
    return _write(folder / "_annotations.coco.json", names, 0, ["dog", "dog", "cat", "ball"], above="dog")


def _write(
    path: Path,
    names: list[str],
    first: int,
    classes: list[str],
    masks: bool = False,
    above: str | None = None,
) -> list[str]:
    images, found = [], []
    for n, name in enumerate(names):
        images.append({"id": first + n, "file_name": name, "width": WIDTH, "height": HEIGHT})
        kind = ("dog", "cat")[n * len(PHOTOS) // len(names) % 2]
        # A float box that reaches beyond the photo, and one inside
        for own, box in ((kind, [-3.5, 5.0, 20.0, 30.5]), ("ball", [20.0, 10.0, 10.0, 10.0])):
            one: dict[str, Any] = {"id": first + len(found), "image_id": first + n, "bbox": box, "area": 1}
            one["category_id"] = first + len(classes) - classes[::-1].index(own) - 1
            if masks:
                mask = np.zeros((HEIGHT, WIDTH), dtype=int)
                left, top, width, height = (max(int(side), 0) for side in box)
                mask[top : top + height, left : left + width] = 1
                flat = mask.T.ravel()
                ends = np.flatnonzero(np.diff(flat)) + 1
                counts = np.diff([0, *ends, len(flat)]).tolist()
                counts = counts if flat[0] == 0 else [0, *counts]
                one |= {"iscrowd": 1, "segmentation": {"counts": counts, "size": [HEIGHT, WIDTH]}}
            found.append(one)
    categories = [{"id": first + n, "name": name} for n, name in enumerate(classes)]
    if above is not None:
        categories = [
            {**one, "supercategory": "none" if n == 0 else above} for n, one in enumerate(categories)
        ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"images": images, "categories": categories, "annotations": found}))
    return names


SCENES = """scene,text,name,x,y,depth,flip,mood
1,"A girl is sad. A dog runs.",tree,10,10,1,0,
1,,girl,20,20,0,0,sad
1,Two of them.,dog,30,20,0,1,
2,The girl is happy.,girl,25,20,0,0,happy
3,,dog,5,20,0,0,
4,A dog.,dog,5,25,1,0,
5,A tree.,tree,15,12,0,0,
"""
NESTED = [
    {
        "scene": 1,
        "texts": ["A girl is sad. A dog runs.", "Two of them."],
        "objects": [
            {"name": "tree", "x": 10, "y": 10, "size": 0.7},
            {"name": "girl", "x": 20, "y": 20, "mood": "sad"},
            {"name": "dog", "x": 30, "y": 20, "flip": True},
        ],
    },
    {
        "scene": 2,
        "text": "The girl is happy.",
        "objects": [{"name": "girl", "x": 25, "y": 20, "mood": "happy"}],
    },
    {"scene": 3, "text": "", "objects": [{"name": "dog", "x": 5, "y": 20}]},
    {"scene": 4, "text": "A dog.", "objects": [{"name": "dog", "x": 5, "y": 25, "depth": 1}]},
    {"scene": 5, "text": "A tree.", "objects": [{"name": "tree", "x": 15, "y": 12}]},
]


def write_clip_art(folder: Path) -> None:
    (folder / "pictures").mkdir(parents=True)
    for name, colour in {"tree": "green", "dog": "brown", "girl_sad": "blue", "girl_happy": "red"}.items():
        picture = Image.new("RGBA", (9, 7))
        picture.paste(Image.new("RGBA", (5, 3), colour), (2, 2))
        picture.save(folder / "pictures" / f"{name}.png")
    Image.new("RGB", (WIDTH, HEIGHT), "white").save(folder / "pictures/background.png")
    (folder / "scenes.csv").write_text(SCENES)
    (folder / "scenes.jsonl").write_text("".join(json.dumps(scene) + "\n" for scene in NESTED))
