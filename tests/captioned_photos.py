"""Small sets of photos with captions, in the published formats."""

import json
from pathlib import Path

import numpy as np
from PIL import Image

TOLD = [
    ["A red square.", "One square,\nred"],
    ["A green square.", "a small green square ."],
    ["A blue square.", "The square is blue, very blue."],
    ["A grey square.", "grey"],
]
COLOURS = [(200, 10, 10), (10, 200, 10), (10, 10, 200), (90, 90, 90)]


def write_photos(folder: Path) -> list[str]:
    folder.mkdir(parents=True)
    names = [f"{i:012}.png" for i in range(len(COLOURS))]
    for i, (name, colour) in enumerate(zip(names, COLOURS, strict=True)):
        Image.fromarray(np.full((20 + i, 30, 3), colour, dtype=np.uint8)).save(folder / name)
    return names


def write_coco(root: Path) -> None:
    """Train and val alike: four photos, two captions each, the images in no order."""
    (root / "annotations").mkdir(parents=True)
    for split in ("train", "val"):
        names = write_photos(root / "images" / f"{split}2017")
        images = [{"id": 10 + i, "file_name": n, "width": 30, "height": 20 + i} for i, n in enumerate(names)]
        told = [
            {"id": 2 * i + j, "image_id": 10 + i, "caption": text}
            for i, texts in enumerate(TOLD)
            for j, text in enumerate(texts)
        ]
        content = {"images": images[::-1], "annotations": told}
        (root / "annotations" / f"captions_{split}2017.json").write_text(json.dumps(content))


def write_karpathy(root: Path) -> None:
    """One photo to each of train, restval, val and test."""
    names = write_photos(root / "photos")
    images = [
        {"imgid": i, "filename": n, "split": split, "sentences": [{"raw": text} for text in texts]}
        for i, (n, split, texts) in enumerate(
            zip(names, ("train", "restval", "val", "test"), TOLD, strict=True)
        )
    ]
    (root / "dataset.json").write_text(json.dumps({"images": images}))
