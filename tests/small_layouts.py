"""Annotation files of COCO with a few boxes and captions, for tests of layouts."""

import json
from pathlib import Path

NAMES = ("person", "dog", "car")
# Of each image its size, its boxes (category, left, top, width, height) and its captions.
TRAIN = {
    5: ((640, 480), [("dog", 100, 120, 200, 150), ("person", 0, 0, 600, 400)], ["A dog.", "A man and a dog"]),
    3: ((427, 640), [("person", 0, 0, 427, 640)], ["The man stands.", "A man!", "One man, red."]),
    8: ((100, 100), [("car", 1, 1, 9, 9)], ["A tiny car."]),  # nothing above 1 % of the square
    2: ((500, 375), [("car", 250, 100, 30, 200), ("car", 5, 5, 400, 300)], []),  # nobody said a word
    9: ((100, 100), [("car", 10 * k, 50, 20, 40) for k in range(9)] + [("dog", 0, 0, 20, 20)] * 3, ["Cars."]),
}
VAL = {
    1: ((100, 50), [("dog", 10, 10, 40, 20), ("car", 0, 0, 2, 2)], ["A dog looks at a zebra.", "A red dog"]),
    4: ((100, 100), [], ["Nothing to see."]),
}


def write(root: Path, name: str, photos: dict[int, tuple], names: tuple[str, ...] = NAMES) -> None:
    images = [
        {"id": number, "file_name": f"{number}.jpg", "width": width, "height": height}
        for number, ((width, height), _, _) in photos.items()
    ]
    boxes = [
        {"image_id": number, "category_id": 10 * names.index(kind) + 1, "bbox": box}
        for number, (_, placed, _) in photos.items()
        for kind, *box in placed
    ]
    said = [
        {"id": n, "image_id": number, "caption": text}
        for n, (number, (_, _, captions)) in enumerate(photos.items())
        for text in captions
    ]
    instances = {
        "images": images,
        "annotations": [{"id": n, "iscrowd": 0, **box} for n, box in enumerate(boxes)],
        "categories": [{"id": 10 * n + 1, "name": kind} for n, kind in enumerate(names)],
    }
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    for kind, content in (("instances", instances), ("captions", {"images": images, "annotations": said})):
        (root / f"annotations/{kind}_{name}2017.json").write_text(json.dumps(content))
