"""The park's photos on disk, in the format of COCO 2017 (Lin et al. 2014), so that one reader serves both.

``train2017/`` and ``val2017/``: JPEG files. ``annotations/``, for each of the two: ``instances_NAME.json``,
things with boxes (left, top, width, height), areas in pixels and masks (compressed run lengths);
``stuff_NAME.json``, the regions between them in the same form, with COCO's category ids;
``captions_NAME.json``, five sentences per photo. The 2017 is part of the published names.

In addition to COCO's files, ``facts/{train2017,val2017}.jsonl`` have the facts stated by each sentence, as
far as boxes can show them (``scenes.facts``).
"""

from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as run_lengths

from seq2scene.data.park.drawing.landscapes import REGIONS, SIZE
from seq2scene.data.park.drawing.photographing import Photo, photograph
from seq2scene.data.park.folders import ensure_folder, write_lines
from seq2scene.data.park.language.grammar import text
from seq2scene.data.park.language.lexicon import NOUNS
from seq2scene.data.park.language.meaning import Clause, Mention, Message, Place
from seq2scene.data.park.language.stating import seen_in_boxes, stated
from seq2scene.data.park.language.telling import TIMES, tell
from seq2scene.data.park.sampling import sample_scene
from seq2scene.data.park.world import THINGS, Scene
from seq2scene.json_text import to_json
from seq2scene.scenes.facts import facts_line

VERSION = 2  # increase it whenever a seed gives different files
FACTS = "facts"
CAPTIONS = 5  # per photo
TOLD = 16  # sentences to choose the captions from
TRIES = 4  # rounds of so many sentences before a photo is given up
QUALITY = 90  # of the JPEG files
SUPERCATEGORIES = {
    "sky": "air",
    "large": "outdoor",
    "child": "person",
    "animal": "animal",
    "clothing": "accessory",
    "food": "food",
    "toy": "toy",
}
ABOUT = {
    "description": "Photos of the park, a generated world, in the format of COCO 2017",
    "url": "",
    "version": str(VERSION),
    "year": 2017,
    "contributor": "seq2scene",
    "date_created": "2017/09/01",
}
LICENCES = [{"url": "https://opensource.org/license/mit", "id": 1, "name": "MIT License"}]

Entry = dict[str, Any]


def category_names() -> dict[str, str]:
    """The category name of each class; balls and caps of all colours share a category."""
    return {name: NOUNS[name].english.replace(" '", "'") for name in THINGS}


def thing_categories() -> list[Entry]:
    """COCO entries for things, in the order of the world, numbered from 1."""
    kinds = {called: THINGS[name].kind for name, called in category_names().items()}
    return [
        {"supercategory": SUPERCATEGORIES[kind], "id": number, "name": called}
        for number, (called, kind) in enumerate(kinds.items(), start=1)
    ]


def stuff_categories() -> list[Entry]:
    """COCO's entries for the stuff in the landscapes, by number."""
    return [{"supercategory": r.supercategory, "id": r.number, "name": r.name} for r in sorted(REGIONS)]


def ensure_photos(root: Path, seed: int = 0, train: int = 1500, val: int = 200) -> Path:
    """The folder of the photos under ``root``, written on first use; other options have other folders.

    Raises:
        UserError: the folder cannot be written, or holds something else.
    """
    sizes = {"train": train, "val": val}
    folder = Path(root) / f"photos-v{VERSION}-seed{seed}-{train}-{val}"
    return ensure_folder(
        folder,
        {"version": VERSION, "seed": seed, **sizes},
        lambda draft: _write(draft, seed, sizes),
        added=(FACTS,),
    )


def _write(folder: Path, seed: int, sizes: dict[str, int]) -> None:
    (folder / "annotations").mkdir()
    (folder / FACTS).mkdir()
    called = category_names()
    photos = distinct_photos(seed)
    first = 1
    for split, size in sizes.items():
        name = f"{split}2017"
        (folder / name).mkdir()
        images: list[Entry] = []
        facts: list[str] = []
        found: dict[str, list[Entry]] = {"instances": [], "stuff": [], "captions": []}
        for number in range(first, first + size):
            photo, captions = next(photos)
            seen = [[seen_in_boxes(stated(message), called)] for message in captions.values()]
            facts.append(facts_line(number, seen))
            images.append(_image(number))
            path = folder / name / images[-1]["file_name"]
            Image.fromarray(photo.pixels).save(path, "JPEG", quality=QUALITY)
            found["instances"] += _instances(photo, number)
            found["stuff"] += _stuff(photo, number)
            found["captions"] += [
                {"image_id": number, "id": CAPTIONS * number + k, "caption": caption}
                for k, caption in enumerate(captions)
            ]
        first += size
        write_lines(folder / FACTS / f"{name}.jsonl", facts)
        categories = {"instances": thing_categories(), "stuff": stuff_categories(), "captions": None}
        for kind, annotations in found.items():
            content: dict[str, Any] = {"info": ABOUT, "licenses": LICENCES, "images": images}
            content |= {"annotations": annotations}
            content |= {"categories": categories[kind]} if categories[kind] else {}
            path = folder / "annotations" / f"{kind}_{name}.json"
            path.write_text(to_json(content), encoding="utf-8")


def distinct_photos(seed: int) -> Iterator[tuple[Photo, dict[str, Message]]]:
    """Photos of random scenes with a child, and their captions."""
    rng, light = Random(seed), np.random.default_rng(seed)
    while True:
        photo = photograph(sample_scene(rng), light)
        if any(thing.kind == "child" for thing in photo.scene.things):
            captions = captions_of(photo.scene, rng)
            if len(captions) == CAPTIONS:
                yield photo, captions


def captions_of(scene: Scene, rng: Random) -> dict[str, Message]:
    """Different sentences, without negations and adverbs of time, each with its meaning. They are chosen
    greedily by the number of things they mention; things not yet mentioned count twice.

    Fewer than five if there is not enough to say about the scene.
    """
    told: dict[str, Message] = {}
    for _ in range(TRIES):
        for message in tell(scene, rng, TOLD):
            if not any(clause.negated or clause.front in TIMES for clause in message.clauses):
                told[text(message, "en")] = message
        if len(told) >= CAPTIONS:
            break
    names = {caption: names_in(message) for caption, message in told.items()}
    captions: dict[str, Message] = {}
    spoken_of: frozenset[str] = frozenset()
    while names and len(captions) < CAPTIONS:
        best = max(names, key=lambda caption: len(names[caption]) + len(names[caption] - spoken_of))
        captions[best] = told[best]
        spoken_of |= names.pop(best)
    return captions


def names_in(part: Message | Clause | Place | Mention | str | None) -> frozenset[str]:
    """The classes that a message mentions; ``both`` counts as two."""
    parts: tuple[Message | Clause | Place | Mention | str | None, ...]
    match part:
        case Message(clauses=clauses):
            parts = clauses
        case Clause():
            parts = (part.subject, part.object, part.recipient, part.place, part.front)
        case Place(anchor=anchor):
            parts = (anchor,)
        case Mention(name=name, relative=relative):
            own = {"hb0", "hb1"} if name == "both" else {name} & {*THINGS}
            return frozenset(own) | names_in(relative)
        case _:
            return frozenset()
    return frozenset().union(*map(names_in, parts))


def _image(number: int) -> Entry:
    width, height = SIZE
    return {"license": 1, "file_name": f"{number:012}.jpg", "height": height, "width": width, "id": number}


def _instances(photo: Photo, image: int) -> list[Entry]:
    names = category_names()
    numbers = {entry["name"]: entry["id"] for entry in thing_categories()}
    categories = [numbers[names[thing.name]] for thing in photo.scene.things]
    return _annotations(photo.things, dict(enumerate(categories)), image, 100 * image)


def _stuff(photo: Photo, image: int) -> list[Entry]:
    present = np.flatnonzero(np.bincount(photo.regions.ravel() + 1)[1:])
    categories = {place: REGIONS[place].number for place in present.tolist()}
    return _annotations(photo.regions, categories, image, 100 * image + 50)


def _annotations(labels: np.ndarray, categories: dict[int, int], image: int, first: int) -> list[Entry]:
    """An entry for each label in (H, W) with a category; ids count up from ``first``."""
    places = np.asarray(list(categories))
    masks = (places[:, None, None] == labels.T).view(np.uint8).T  # (H, W, N), column-major as in COCO
    encoded = run_lengths.encode(np.asfortranarray(masks))
    boxes, areas = run_lengths.toBbox(encoded), run_lengths.area(encoded)
    return [
        {
            "segmentation": {"size": mask["size"], "counts": mask["counts"].decode("ascii")},
            "area": int(areas[k]),
            "iscrowd": 0,
            "image_id": image,
            "bbox": boxes[k].tolist(),
            "category_id": category,
            "id": first + k,
        }
        for k, (mask, category) in enumerate(zip(encoded, categories.values(), strict=True))
    ]
