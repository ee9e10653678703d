"""Every reader of user files, with a small valid file of its kind."""

import base64
import contextlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path

import numpy as np
import torch
from fuzzing import samples
from fuzzing.damage import zipped_bytes

from seq2scene.app import caption_room
from seq2scene.app.requests import Refused, parse
from seq2scene.compositing.packed_store import PACKED, PHOTOS, open_patches
from seq2scene.data.archives import unpack
from seq2scene.data.captions.caption_files import read_caption_table, read_coco, read_karpathy
from seq2scene.data.coco.annotations import ARCHIVE, Classes, read_instances, read_panoptic, read_regions
from seq2scene.data.coco.segments import read_segments
from seq2scene.data.coco.splits import read_ids
from seq2scene.data.downloads import MANIFEST, DataFile, fetch_all
from seq2scene.data.scenes.abstract_files import opaque_size, read_scenes, read_sentences, read_split
from seq2scene.data.scenes.scene_tables import read_scene_table
from seq2scene.data.text.word_vectors import read_word_vectors
from seq2scene.errors import UserError
from seq2scene.json_text import to_json
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.nets.vision.trunks import find_weights
from seq2scene.plotting.curves import read_curves
from seq2scene.reports.page import bootstrap
from seq2scene.reports.page.page import write_report
from seq2scene.reports.text.gold_error import read_gold_pairs
from seq2scene.reports.text.lengths import read_csv
from seq2scene.running.commands.caption_generation import find_photos, require_pictures
from seq2scene.scenes.facts import read_facts
from seq2scene.scenes.images import read_photo
from seq2scene.scenes.scene_json import from_plain, read_scene, require_scene
from seq2scene.scenes.sprites import open_picture
from seq2scene.sequences.alignments import read_gold, read_pharaoh
from seq2scene.sequences.corpus import read_text
from seq2scene.sequences.unknown_words import load_dictionary


@dataclass(frozen=True)
class Reader:
    """kind: of structure, see ``damaged``. read: takes the path of the damaged file. files: by name, the
    valid file first, then those beside it.
    """

    kind: str
    read: Callable[[Path], object]
    files: dict[str, bytes]


def of_scene(path: Path) -> object:
    objects = read_scene(path)
    require_scene(objects, samples.SCHEMA, str(path))
    return from_plain([list(objects)], samples.SCHEMA)


def of_archive(path: Path) -> object:
    return read_instances(path.parent / "annotations" / "instances_train2017.json", segmentations=True)


def of_segments(path: Path) -> object:
    return read_segments(path.parents[1], "train2017", min_thing=0.0, min_stuff=0.0)


def of_panoptic_map(path: Path) -> object:
    return read_segments(path.parents[2], "train2017", "panoptic", min_thing=0.0, min_stuff=0.0)


def of_weights(path: Path) -> object:
    """Those of a model folder, with the right checksum."""
    stated = json.loads(samples.FOLDER)
    stated["files"] = {"weights.safetensors": sha256(path.read_bytes()).hexdigest()}
    (path.parent / "model.json").write_text(to_json(stated))
    return load_checkpoint(path.parent)


def of_request(path: Path) -> object:
    return refused(partial(parse, path.read_bytes()), path)


def of_sent_photo(path: Path) -> object:
    return refused(partial(caption_room.photo, str(path), base64.b64encode(path.read_bytes()).decode()), path)


def refused(read: Callable[[], object], path: Path) -> object:
    try:
        return read()
    except Refused as error:
        raise UserError(f"{path}: {error}") from error


def of_clip_art(path: Path) -> object:
    pixels = {path.stem: torch.frombuffer(bytearray(path.read_bytes() or b"-"), dtype=torch.uint8)}
    return opaque_size(path), open_picture(pixels, path.stem)


def of_text(path: Path) -> object:
    return read_text(path, path.parent / "cache").lines()


def of_cache(path: Path) -> object:
    """A text whose cache entry is damaged, in one of its arrays."""
    text, cache = path.parent / "text.txt", path.parent / "cache"
    if not cache.exists():
        read_text(text, cache)
    entry = next(place for place in cache.iterdir() if place.is_dir())
    (entry / "starts.npy").write_bytes(path.read_bytes())
    found = read_text(text, cache).lines()
    assert found == ["a dog", "a cat"], "a damaged entry was used"
    return found


def of_list(path: Path) -> object:
    with contextlib.chdir(path.parent):
        photos = find_photos(str(path))
        require_pictures(photos)
    return photos


def of_manifest(path: Path) -> object:
    place = path.parent / "a.zip"
    return fetch_all([DataFile(place.with_name("source.zip").as_uri(), place.name)], path.parent, attempts=1)


def of_page(path: Path) -> object:
    bootstrap.DRAWS = 10  # which takes most of the time
    return write_report(path.parent)


def photo(path: Path) -> object:
    return read_photo(path, 16)


def page(file: str, kind: str, content: bytes | None = None) -> Reader:
    """The page of a run, one of whose files is damaged."""
    return Reader(kind, of_page, {file: samples.RUN[file] if content is None else content, **samples.RUN})


TRAIN = "annotations/{}_train2017.json"
INSTANCES, STUFF, PANOPTIC = (TRAIN.format(name) for name in ("instances", "stuff", "panoptic"))
SEGMENTED = {INSTANCES: samples.INSTANCES, STUFF: samples.STUFF}
MAPPED = {
    "annotations/panoptic_train2017/3.png": samples.picture("RGB"),
    **{PANOPTIC: samples.PANOPTIC, INSTANCES: samples.INSTANCES},
}
ZIPPED = {"data.zip": zipped_bytes([("top/a.txt", b"a"), ("top/b/c.txt", b"ccc")])}
DOWNLOADED = {
    MANIFEST: samples.as_json(
        {"a.zip": {"url": "http://x", "size": 3, "sha256": sha256(b"abc").hexdigest()}}
    ),
    **{"a.zip": b"abc", "source.zip": b"abc"},
}
GOLD = {"gold.txt": samples.lines("1-1 1p2", "2-1")}
SENTENCES = {"s.txt": samples.lines("0\t0\tA dog.", "", "1\t2\tA cat.")}
PAIRS = {"pairs.txt": samples.lines("a b ||| c d", "e f ||| g")}
DICTIONARY = {"words.txt": samples.lines("dog\tchien\t0.9\t3", "cat\tchat\t0.5\t2")}
TEXT = {"text.txt": samples.lines("a dog", "a cat")}
TWO = {0: [], 1: []}
READERS = {
    "glove text": Reader(
        "text", partial(read_word_vectors, vocabulary=samples.WORDS), {"g.txt": samples.GLOVE}
    ),
    "glove npz": Reader(
        "zip", partial(read_word_vectors, vocabulary=samples.WORDS), {"g.npz": samples.VECTORS}
    ),
    "metrics.csv": Reader("text", read_curves, {"metrics.csv": samples.METRICS}),
    "page: metrics.csv": page("metrics.csv", "text"),
    "page: metrics.json": page("metrics.json", "json"),
    "page: run.json": page("run.json", "json"),
    "page: hparams.yaml": Reader(
        "text", of_page, {"hparams.yaml": samples.HYPERPARAMETERS, "metrics.json": samples.SCORES}
    ),
    "page: scenes.jsonl": page("test.scenes.jsonl", "json", samples.SAMPLE),
    "lengths.csv": Reader("text", read_csv, {"lengths.csv": samples.LENGTHS}),
    "image ids": Reader(
        "text", partial(read_ids, known=np.array([3, 5, 9])), {"ids.txt": samples.lines("3", "5")}
    ),
    "list of photos": Reader("text", of_list, {"photos.txt": samples.lines("a.jpg"), "a.jpg": samples.JPEG}),
    "coco captions": Reader(
        "json", lambda path: read_coco(path, path.parent), {"captions.json": samples.CAPTIONS}
    ),
    "coco instances": Reader(
        "json", partial(read_instances, segmentations=True), {"instances.json": samples.INSTANCES}
    ),
    "coco boxes": Reader("json", read_instances, {"instances.json": samples.INSTANCES}),
    "coco stuff": Reader("json", read_regions, {"stuff.json": samples.STUFF}),
    "coco panoptic": Reader("json", read_panoptic, {"panoptic.json": samples.PANOPTIC}),
    "coco segments": Reader("json", of_segments, SEGMENTED),
    "coco panoptic maps": Reader("png", of_panoptic_map, MAPPED),
    "coco archive": Reader("zip", of_archive, {ARCHIVE: zipped_bytes([(INSTANCES, samples.INSTANCES)])}),
    "packed store": Reader(
        "json",
        lambda path: open_patches(path.parent),
        {PACKED: samples.as_json(samples.STORE), f"{PHOTOS}/3.jpg": samples.JPEG},
    ),
    "karpathy": Reader(
        "json", lambda path: read_karpathy(path, path.parent, ["train"]), {"dataset.json": samples.KARPATHY}
    ),
    "export": Reader(
        "json", partial(read_instances, segmentations=True, exported=Classes()), {"a.json": samples.INSTANCES}
    ),
    "table of captions": Reader("text", read_caption_table, {"captions.csv": samples.CAPTION_TABLE}),
    "lines of captions": Reader("json", read_caption_table, {"captions.jsonl": samples.CAPTION_LINES}),
    "table of scenes": Reader("text", read_scene_table, {"scenes.csv": samples.SCENE_TABLE}),
    "lines of scenes": Reader("json", read_scene_table, {"scenes.jsonl": samples.SCENE_LINES}),
    "abstract scenes": Reader("text", partial(read_scenes, hint=""), {"scenes.txt": samples.SCENES}),
    "abstract sentences": Reader("text", partial(read_sentences, scenes=TWO, hint=""), SENTENCES),
    "abstract split": Reader(
        "text", partial(read_split, scenes=TWO, hint=""), {"split.txt": samples.lines("0", "1")}
    ),
    "facts.jsonl": Reader("json", read_facts, {"facts.jsonl": samples.FACTS}),
    "scene": Reader("json", of_scene, {"scene.json": samples.SCENE}),
    "pharaoh": Reader("text", read_pharaoh, {"align.txt": samples.lines("0-0 1-2 3-1", "", "0-1")}),
    "gold": Reader("text", read_gold, GOLD),
    "gold pairs": Reader(
        "text", lambda path: read_gold_pairs(str(path.parent / "gold.txt"), str(path)), {**PAIRS, **GOLD}
    ),
    "dictionary": Reader("text", load_dictionary, DICTIONARY),
    "text": Reader("text", of_text, TEXT),
    "cached text": Reader("bytes", of_cache, {"starts.npy": samples.STARTS, **TEXT}),
    "clip art": Reader("png", of_clip_art, {"s_3s.png": samples.picture()}),
    "photo png": Reader("png", photo, {"photo.png": samples.picture("P")}),
    "photo jpeg": Reader("bytes", photo, {"photo.jpg": samples.JPEG}),
    "photo gif": Reader("bytes", photo, {"photo.gif": samples.picture("P", "GIF")}),
    "photo webp": Reader("bytes", photo, {"photo.webp": samples.picture("RGB", "WEBP")}),
    "photo tiff": Reader("bytes", photo, {"photo.tif": samples.picture("I;16", "TIFF")}),
    "page: photo": Reader("png", of_sent_photo, {"photo.png": samples.picture("P")}),
    "page: request": Reader("json", of_request, {"request.json": samples.SCENE}),
    "checkpoint": Reader("zip", load_checkpoint, {"best.ckpt": samples.CHECKPOINT}),
    "weights of a trunk": Reader(
        "zip", lambda path: find_weights("resnet18", str(path)), {"resnet18.pth": samples.CHECKPOINT}
    ),
    "model.json": Reader(
        "json",
        lambda path: load_checkpoint(path.parent),
        {"model.json": samples.FOLDER, "weights.safetensors": samples.TENSORS},
    ),
    "model weights": Reader("bytes", of_weights, {"weights.safetensors": samples.TENSORS}),
    "archive": Reader("zip", lambda path: unpack(path, path.parent / "unpacked"), ZIPPED),
    "manifest": Reader("json", of_manifest, DOWNLOADED),
}
