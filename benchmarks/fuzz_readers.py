"""Damaged files for every reader of user files: counts what happens, and keeps an example of each fault.

    python benchmarks/fuzz_readers.py [READER ...] [--mutations 2000] [--seed 0] [--keep FOLDER]

A small valid file is damaged (bits, bytes, pieces, numbers, nesting, members of archives, chunks of pictures)
and read. A reader may succeed or raise a UserError that names the file; anything else is a fault, as is a
reading of more than SLOW seconds. FOLDER receives the first file of each fault, named after reader and error.
Exits with 1 if there are faults. The same seed gives the same files.
"""

import argparse
import contextlib
import io
import json
import logging
import random
import resource
import struct
import sys
import tempfile
import time
import traceback
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from PIL import Image
from safetensors.torch import save as tensors_as_bytes

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src")]

from seq2scene.app.caption_room import _opened  # noqa: E402
from seq2scene.app.requests import Refused, parse  # noqa: E402
from seq2scene.data.archives import unpack  # noqa: E402
from seq2scene.data.captions.caption_files import read_coco, read_karpathy  # noqa: E402
from seq2scene.data.coco.annotations import (  # noqa: E402
    ARCHIVE,
    read_instances,
    read_panoptic,
    read_regions,
)
from seq2scene.data.coco.segments import read_segments  # noqa: E402
from seq2scene.data.downloads import MANIFEST, _read_manifest  # noqa: E402
from seq2scene.data.scenes.abstract_files import (  # noqa: E402
    _opaque,
    read_scenes,
    read_sentences,
    read_split,
)
from seq2scene.data.scenes.coco_layout import read_ids  # noqa: E402
from seq2scene.data.text.word_vectors import read_word_vectors  # noqa: E402
from seq2scene.errors import UserError  # noqa: E402
from seq2scene.json_text import to_json  # noqa: E402
from seq2scene.models.checkpoints import load_checkpoint  # noqa: E402
from seq2scene.nets.vision.trunks import find_weights  # noqa: E402
from seq2scene.plotting.curves import read_curves  # noqa: E402
from seq2scene.reports.page.page import write_report  # noqa: E402
from seq2scene.reports.text.gold_error import read_gold_pairs  # noqa: E402
from seq2scene.reports.text.lengths import read_csv  # noqa: E402
from seq2scene.running.commands.caption_generation import find_photos, require_pictures  # noqa: E402
from seq2scene.scenes.facts import read_facts  # noqa: E402
from seq2scene.scenes.grid import Grid  # noqa: E402
from seq2scene.scenes.images import read_photo  # noqa: E402
from seq2scene.scenes.scene_json import from_plain, read_scene, require_scene  # noqa: E402
from seq2scene.scenes.schema import Head, Schema  # noqa: E402
from seq2scene.scenes.sprites import open_picture  # noqa: E402
from seq2scene.sequences import corpus  # noqa: E402
from seq2scene.sequences.alignments import read_gold, read_pharaoh  # noqa: E402
from seq2scene.sequences.unknown_words import load_dictionary  # noqa: E402
from seq2scene.sequences.vocabulary import Vocabulary  # noqa: E402

SLOW = 5.0  # seconds
MEMORY = 2**33  # bytes of data that the process may hold: a bomb becomes a MemoryError
DEEP = "[" * 3000 + "]" * 3000
ODD_JSON = (
    *("null", "true", "-1", "0", "1", "2", "0.5", "1e400", "-1e400", "NaN", "Infinity", "1e19", "640.0"),
    *(str(2**31), str(2**63 - 1), str(2**63), str(-(2**63) - 1), "9" * 300, "9" * 5000, '""', '"1"'),
    *('"\\u0000"', '"\\ud800"', '"../../x"', '"/etc/passwd"', '"%s"' % ("x" * 5000), '"\\n"', '"${x}"'),
    *("[]", "{}", "[[]]", "[null]", '{"a": 1}', "[1, 2, 3, 4]", "[[1, 2], [3]]", "[" * 300 + "]" * 300, DEEP),
)
ODD_WORDS = (
    *("", "nan", "inf", "-inf", "-1", "0", "1e400", "9" * 30, "9" * 5000, str(2**63), "\u0663", "\xb2", "\0"),
    *(
        "\t",
        "\r",
        "\n\n",
        '"',
        "'",
        ",",
        ",,,",
        "-",
        "p",
        "{}",
        "[" * 2000,
        "\ufeff",
        "x" * 200_000,
        "../../x",
    ),
)


# Damage


def damaged(data: bytes, kind: str, draw: random.Random) -> bytes:
    """``data`` with one to three damages. kind: json, text, zip, png, or bytes, which has no structure."""
    for _ in range(draw.choice((1, 1, 2, 3))):
        damage = STRUCTURED.get(kind, _bytes) if draw.random() < 0.7 else _bytes
        try:
            data = damage(data, draw)
        except Exception:  # it has no structure any more
            data = _bytes(data, draw)
    return data


def _bytes(data: bytes, draw: random.Random) -> bytes:
    changed, size = bytearray(data), len(data)
    place, end = sorted(draw.randrange(size + 1) for _ in range(2))
    match draw.randrange(8):
        case 0 if size:
            changed[draw.randrange(size)] ^= 1 << draw.randrange(8)
        case 1 if size:
            changed[draw.randrange(size)] = draw.choice((0, 10, 13, 34, 127, 128, 255))
        case 2:
            del changed[place:]
        case 3:
            del changed[place:end]
        case 4:
            changed[place:place] = changed[place:end]
        case 5:
            changed[place:place] = draw.randbytes(draw.choice((1, 2, 4, 100)))
        case 6:
            changed[place : place + 4] = struct.pack("<I", draw.choice((0, 1, 2**31 - 1, 2**31, 2**32 - 1)))
        case _:
            return (
                draw.randbytes(draw.choice((0, 1, 10, 1000))) if draw.random() < 0.2 else bytes(changed[::-1])
            )
    return bytes(changed)


def _text(data: bytes, draw: random.Random) -> bytes:
    """Another word, field or line."""
    separator = draw.choice((b" ", b"\t", b"\n", b",", b"-"))
    parts = data.split(separator)
    place = draw.randrange(len(parts))
    match draw.randrange(5):
        case 0:
            del parts[place]
        case 1:
            parts.insert(place, parts[place])
        case _:
            parts[place] = draw.choice(ODD_WORDS).encode()
    return separator.join(parts)


def _json(data: bytes, draw: random.Random) -> bytes:
    """Another value, or a key less, somewhere; of lines of JSON, in one of them."""
    lines = data.split(b"\n")
    number = draw.randrange(len(lines)) if all(line.startswith(b"{") or not line for line in lines) else None
    whole = json.loads(data if number is None else lines[number])
    places = list(_places(whole))
    if not places:
        return _bytes(data, draw)
    holder, key = draw.choice(places)
    if draw.random() < 0.15:
        del holder[key]
    else:
        holder[key] = "@ODD@"
    made = to_json(whole).replace('"@ODD@"', draw.choice(ODD_JSON)).encode()
    if number is None:
        return made
    lines[number] = made
    return b"\n".join(lines)


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    for key in keys:
        yield value, key
        yield from _places(value[key])


def _zip(data: bytes, draw: random.Random) -> bytes:
    """A damaged member, or another name, with the right checksum."""
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        members = [(entry.filename, zipped.read(entry)) for entry in zipped.infolist()]
    place = draw.randrange(len(members))
    name, content = members[place]
    if draw.random() < 0.15:
        name = draw.choice(
            (".", "..", "/", "a/..", "../x", "/x", "a/../../x", "x" * 300, "\\x", "C:x", "a/", "a")
        )
        members[place] = (name, content)
    elif draw.random() < 0.1:
        del members[place]
    else:
        kind = "json" if name.endswith(".json") else "bytes"
        members[place] = (name, damaged(content, kind, draw))
    return zipped_bytes(members)


def _png(data: bytes, draw: random.Random) -> bytes:
    """A damaged chunk with the right checksum."""
    chunks, place = [], 8
    while place + 8 <= len(data):
        (length,) = struct.unpack(">I", data[place : place + 4])
        chunks.append((data[place + 4 : place + 8], data[place + 8 : place + 8 + length]))
        place += 12 + length
    if not chunks:
        return _bytes(data, draw)
    number = draw.randrange(len(chunks))
    chunks[number] = (chunks[number][0], _bytes(chunks[number][1], draw))
    body = (
        struct.pack(">I", len(c)) + kind + c + struct.pack(">I", zlib.crc32(kind + c)) for kind, c in chunks
    )
    return data[:8] + b"".join(body)


STRUCTURED = {"json": _json, "text": _text, "zip": _zip, "png": _png}


# Readers


@dataclass(frozen=True)
class Reader:
    """files: the valid file, which is damaged, by its name, and others beside it. read: takes its path."""

    files: dict[str, bytes]
    kind: str
    read: Callable[[Path], object]


def zipped_bytes(members: list[tuple[str, bytes]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as zipped:
        for name, content in members:
            zipped.writestr(name, content)
    return out.getvalue()


def saved(save: Callable[[Any], object]) -> bytes:
    out = io.BytesIO()
    save(out)
    return out.getvalue()


def picture(mode: str = "RGBA", form: str = "PNG", **options: Any) -> bytes:
    pixels = Image.effect_noise((24, 16), 60).convert(mode)
    return saved(lambda out: pixels.save(out, form, **options))


def as_json(value: Any) -> bytes:
    return to_json(value).encode()


def lines(*texts: str) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode()


SQUARE = [[2, 2, 2, 10, 10, 10, 10, 2]]
COUNTS = {"size": [16, 24], "counts": [40, 100, 244]}
IMAGES = [{"id": n, "file_name": f"{n}.jpg", "width": 24, "height": 16, "license": 1} for n in (3, 5)]
CATEGORIES = [
    {"id": 1, "name": "person", "supercategory": "person", "isthing": 1},
    {"id": 92, "name": "banner", "supercategory": "textile", "isthing": 0},
]
CAPTIONS = as_json(
    {
        "images": IMAGES,
        "annotations": [
            {"id": n, "image_id": image, "caption": "A dog."} for n, image in enumerate((3, 3, 5))
        ],
    }
)
THING = {"id": 7, "image_id": 3, "category_id": 1, "iscrowd": 0, "segmentation": SQUARE}
INSTANCES = as_json(
    {
        "images": IMAGES,
        "licenses": [{"id": 1, "name": "CC", "url": "http://x"}],
        "categories": CATEGORIES[:1],
        "annotations": [
            {**THING, "bbox": [2, 2, 8, 8]},
            {**THING, "id": 8, "image_id": 5, "bbox": [0, 0, 9, 9.5], "segmentation": COUNTS},
        ],
    }
)
STUFF = as_json(
    {
        "images": IMAGES,
        "categories": CATEGORIES[1:],
        "annotations": [
            {**THING, "category_id": 92, "bbox": [2, 2, 8, 8]},
            {**THING, "id": 8, "category_id": 92, "bbox": [0, 0, 9, 9], "segmentation": COUNTS},
        ],
    }
)
PANOPTIC = as_json(
    {
        "images": IMAGES,
        "categories": CATEGORIES,
        "annotations": [
            {
                "image_id": 3,
                "file_name": "3.png",
                "segments_info": [
                    {"id": 9, "category_id": 92, "iscrowd": 0, "bbox": [0, 0, 4, 4], "area": 9}
                ],
            }
        ],
    }
)
KARPATHY = as_json(
    {
        "images": [
            {
                **{"imgid": n, "split": "train", "filename": f"{n}.jpg", "filepath": "train2014"},
                "sentences": [
                    {"raw": "A dog runs.", "sentid": 2 * n},
                    {"raw": "A cat.", "sentid": 2 * n + 1},
                ],
            }
            for n in (0, 1)
        ]
    }
)
GLOVE = lines("the 0.1 -0.2 0.3", "dog 1 2 3", "at name@domain.com 1 2 3", "cat 1e-3 4 5")
VECTORS = saved(
    lambda out: np.savez(out, words=np.array(["the", "dog", "cat"]), vectors=np.ones((3, 4), np.float32))
)
METRICS = lines("epoch,step,train/loss,val/loss_epoch", "0,1,2.5,", "0,2,,3.5", "1,3,2.25,", "1,4,1e-3,2.5")
SCENES = lines(
    "1", "0\t2", "s_3s.png 3 1 10 20 0 1", "hb0_12s.png 18 1 250 200 1 0", "0\t1", "t_4s.png 4 1 9 9 2 0"
)
FACTS = lines(
    to_json({"scene": 0, "texts": [[[{"kind": "hold", "subject": "hb0", "object": "t_13"}], []]]}),
    to_json({"scene": 1, "texts": [[[{"kind": "mood", "subject": "hb0", "value": "happy", "count": 1}]]]}),
)
NAMES = ("s_3", "hb0", "t_4")
SCHEMA = Schema(
    *(
        NAMES,
        Grid(28, 28, 0.0, 0.0, 500.0, 400.0),
        {"size": Head(3), "flip": Head(2), "pose": Head(7, only=("hb0",))},
    ),
    *(9, 3, (500.0, 400.0), torch.ones(3, 7, 5, 2), (1.0, 0.7, 0.49)),
)
SCENE = as_json(
    {
        "sentences": ["A dog."],
        "objects": [
            {"class": "hb0", "x": 250.5, "y": 100, "size": 1, "flip": 0, "pose": 3},
            {"class": "s_3", "x": 3, "y": 5.25, "size": 0, "flip": 1},
        ],
    }
)
CONFIG = {"task": {"_target_": "seq2scene.tasks.nmt.NMT", "name": "nmt"}, "model": {"size": 4}}
WEIGHTS = {"model.weight": torch.ones(3, 4), "model.bias": torch.zeros(3)}
CHECKPOINT = saved(
    lambda out: torch.save(
        {
            "state_dict": WEIGHTS,
            "hyper_parameters": {"config": CONFIG, "description": {"source": {"tokens": ["a"]}}},
        },
        out,
    )
)
TENSORS = tensors_as_bytes(WEIGHTS)
FOLDER = as_json(
    {
        **{"format": "seq2scene model", "version": 1, "config": CONFIG},
        "files": {"weights.safetensors": sha256(TENSORS).hexdigest()},
        "description": {"source": {"tokens": ["a", "b"]}, "sizes": [1, 2]},
    }
)
SCORES = as_json(
    {"test": {"bleu": 12.5, "loss": 2.5, "perplexity": 12.0, "signature": "case:lc", "copy": {"bleu": 1.5}}}
)
RECORD = {
    **{"command": "python src/train.py", "started": "2026-01-01T10:00:00", "seconds": 12.5, "processes": 1},
    **{
        "git": "abc",
        "tested": "best.ckpt",
        "reports": ["hypotheses"],
        "parameters": {"total": 3, "parts": {"a": 3}},
    },
    "hardware": {"gpus": ["H100"], "processor": "x", "cores": 2, "system": "Linux"},
    "versions": {"torch": "2"},
    "config": {
        **CONFIG,
        "name": "nmt",
        "monitor": {"metric": "val/bleu"},
        "published": [{"system": "a", "bleu": 1.0}],
    },
}
SIDES = {f"test.{side}.txt": lines("a dog runs", "a cat") for side in ("sources", "references", "hypotheses")}
RUN = {"run.json": as_json(RECORD), "metrics.json": SCORES, "metrics.csv": METRICS, **SIDES}
SAMPLE = {
    **{"sample": 0, "scene": 3, "sentences": ["A dog."], "generated": [], "true": []},
    "scores": {"u_obj_recall": 0.5, "pose": None},
    "facts": [{"kind": "hold", "holds": True, "holds_strict": False, "words": "Mike holds"}],
}
HYPERPARAMETERS = yaml.safe_dump({**CONFIG, "name": "nmt"}).encode()
LENGTHS = lines(
    "system,shortest,longest,sentences,bleu,cumulative,ratio",
    "model,1,5,3,20.5,20.5,1.0",
    "model,6,9,3,10.5,15,0.9",
)


def _only(files: dict[str, bytes], first: str) -> dict[str, bytes]:
    return {first: files[first], **files}


def _sentences(path: Path) -> object:
    return read_sentences(path, {0: [], 1: []}, "")


def _scene(path: Path) -> object:
    objects = read_scene(path)
    require_scene(objects, SCHEMA, str(path))
    return from_plain([list(objects)], SCHEMA)


def _from_archive(path: Path) -> object:
    return read_instances(path.parent / "annotations" / "instances_train2017.json", segmentations=True)


def _segments(path: Path) -> object:
    return read_segments(path.parents[1], "train2017", min_thing=0.0, min_stuff=0.0)


def _panoptic_map(path: Path) -> object:
    return read_segments(path.parents[2], "train2017", "panoptic", min_thing=0.0, min_stuff=0.0)


def _folder(path: Path) -> object:
    """The weights of a model folder, with the right checksum."""
    stated = json.loads(FOLDER)
    stated["files"] = {"weights.safetensors": sha256(path.read_bytes()).hexdigest()}
    (path.parent / "model.json").write_text(to_json(stated))
    return load_checkpoint(path.parent)


def _request(path: Path) -> object:
    return _refused(partial(parse, path.read_bytes()), path)


def _sent_photo(path: Path) -> object:
    return _refused(partial(_opened, str(path), path.read_bytes()), path)


def _refused(read: Callable[[], object], path: Path) -> object:
    try:
        return read()
    except Refused as error:
        raise UserError(f"{path}: {error}") from error


def _clip_art(path: Path) -> object:
    pixels = {path.stem: torch.frombuffer(bytearray(path.read_bytes() or b"-"), dtype=torch.uint8)}
    return _opaque(path), open_picture(pixels, path.stem)


def _cached_text(path: Path) -> object:
    """A text whose cache entry is damaged: one array of it at a time."""
    text, cache = path.parent / "text.txt", path.parent / "cache"
    if not cache.exists():
        corpus.read_text(text, cache)
    entry = next(place for place in cache.iterdir() if place.is_dir())
    (entry / "starts.npy").write_bytes(path.read_bytes())
    found = corpus.read_text(text, cache).lines()
    assert found == ["a dog", "a cat"], "a damaged entry was used"
    return found


def _listed(path: Path) -> object:
    with contextlib.chdir(path.parent):
        photos = find_photos(str(path))
        require_pictures(photos)
    return photos


STARTS = saved(lambda out: np.save(out, np.array([0, 6])))
WORDS = Vocabulary.count([["the", "dog", "cat", "at"]])
JPEG = picture("RGB", "JPEG")
READERS = {
    "glove text": Reader({"glove.txt": GLOVE}, "text", lambda path: read_word_vectors(path, WORDS)),
    "glove npz": Reader({"glove.npz": VECTORS}, "zip", lambda path: read_word_vectors(path, WORDS)),
    "metrics.csv": Reader({"metrics.csv": METRICS}, "text", read_curves),
    "page: metrics.csv": Reader(_only(RUN, "metrics.csv"), "text", lambda path: write_report(path.parent)),
    "page: metrics.json": Reader(_only(RUN, "metrics.json"), "json", lambda path: write_report(path.parent)),
    "page: run.json": Reader(_only(RUN, "run.json"), "json", lambda path: write_report(path.parent)),
    "page: hparams.yaml": Reader(
        {"hparams.yaml": HYPERPARAMETERS, "metrics.json": SCORES},
        "text",
        lambda path: write_report(path.parent),
    ),
    "page: scenes.jsonl": Reader(
        {"test.scenes.jsonl": lines(to_json(SAMPLE)), **RUN},
        "json",
        lambda path: write_report(path.parent),
    ),
    "lengths.csv": Reader({"lengths.csv": LENGTHS}, "text", read_csv),
    "image ids": Reader(
        {"ids.txt": lines("3", "5")}, "text", lambda path: read_ids(path, np.array([3, 5, 9]))
    ),
    "list of photos": Reader({"photos.txt": lines("a.jpg"), "a.jpg": JPEG}, "text", _listed),
    "coco captions": Reader({"captions.json": CAPTIONS}, "json", lambda path: read_coco(path, path.parent)),
    "coco instances": Reader(
        {"instances.json": INSTANCES}, "json", partial(read_instances, segmentations=True)
    ),
    "coco boxes": Reader({"instances.json": INSTANCES}, "json", read_instances),
    "coco stuff": Reader({"stuff.json": STUFF}, "json", read_regions),
    "coco panoptic": Reader({"panoptic.json": PANOPTIC}, "json", read_panoptic),
    "coco segments": Reader(
        {"annotations/instances_train2017.json": INSTANCES, "annotations/stuff_train2017.json": STUFF},
        *("json", _segments),
    ),
    "coco panoptic maps": Reader(
        {
            "annotations/panoptic_train2017/3.png": picture("RGB"),
            "annotations/panoptic_train2017.json": PANOPTIC,
            "annotations/instances_train2017.json": INSTANCES,
        },
        *("png", _panoptic_map),
    ),
    "coco archive": Reader(
        {ARCHIVE: zipped_bytes([("annotations/instances_train2017.json", INSTANCES)])}, "zip", _from_archive
    ),
    "karpathy": Reader(
        {"dataset.json": KARPATHY}, "json", lambda path: read_karpathy(path, path.parent, ["train"])
    ),
    "abstract scenes": Reader({"scenes.txt": SCENES}, "text", lambda path: read_scenes(path, "")),
    "abstract sentences": Reader({"s.txt": lines("0\t0\tA dog.", "", "1\t2\tA cat.")}, "text", _sentences),
    "abstract split": Reader(
        {"split.txt": lines("0", "1")}, "text", lambda p: read_split(p, {0: [], 1: []}, "")
    ),
    "facts.jsonl": Reader({"facts.jsonl": FACTS}, "json", read_facts),
    "scene": Reader({"scene.json": SCENE}, "json", _scene),
    "pharaoh": Reader({"align.txt": lines("0-0 1-2 3-1", "", "0-1")}, "text", read_pharaoh),
    "gold": Reader({"gold.txt": lines("1-1 1p2", "2-1")}, "text", read_gold),
    "gold pairs": Reader(
        {"pairs.txt": lines("a b ||| c d", "e f ||| g"), "gold.txt": lines("1-1 1p2", "2-1")},
        *("text", lambda path: read_gold_pairs(str(path.parent / "gold.txt"), str(path))),
    ),
    "dictionary": Reader(
        {"words.txt": lines("dog\tchien\t0.9\t3", "cat\tchat\t0.5\t2")}, "text", load_dictionary
    ),
    "text": Reader(
        {"a.txt": lines("a dog", "a cat")}, "text", lambda path: corpus._find_lines(*_plain(path))
    ),
    "clip art": Reader({"s_3s.png": picture()}, "png", _clip_art),
    "photo png": Reader({"photo.png": picture("P")}, "png", lambda path: read_photo(path, 16)),
    "photo jpeg": Reader({"photo.jpg": JPEG}, "bytes", lambda path: read_photo(path, 16)),
    "photo gif": Reader({"photo.gif": picture("P", "GIF")}, "bytes", lambda path: read_photo(path, 16)),
    "photo webp": Reader({"photo.webp": picture("RGB", "WEBP")}, "bytes", lambda path: read_photo(path, 16)),
    "photo tiff": Reader({"photo.tif": picture("I;16", "TIFF")}, "bytes", lambda path: read_photo(path, 16)),
    "page: photo": Reader({"photo.png": picture("P")}, "png", _sent_photo),
    "page: request": Reader({"request.json": SCENE}, "json", _request),
    "checkpoint": Reader({"best.ckpt": CHECKPOINT}, "zip", load_checkpoint),
    "weights of a trunk": Reader(
        {"resnet18.pth": CHECKPOINT}, "zip", lambda p: find_weights("resnet18", str(p))
    ),
    "model.json": Reader(
        {"model.json": FOLDER, "weights.safetensors": TENSORS},
        "json",
        lambda path: load_checkpoint(path.parent),
    ),
    "model weights": Reader({"weights.safetensors": TENSORS}, "bytes", _folder),
    "cached text": Reader({"starts.npy": STARTS, "text.txt": lines("a dog", "a cat")}, "bytes", _cached_text),
    "archive": Reader(
        {"data.zip": zipped_bytes([("top/a.txt", b"a"), ("top/b/c.txt", b"ccc")])},
        *("zip", lambda path: unpack(path, path.parent / "unpacked")),
    ),
    "manifest": Reader(
        {MANIFEST: as_json({"a.zip": {"url": "http://x", "size": 3, "sha256": "00"}})},
        *("json", lambda path: _read_manifest(path.parent)),
    ),
}


def _plain(path: Path) -> tuple[bytes, Path]:
    return corpus.plain_text(path.read_bytes(), str(path)), path


# Counting


@dataclass
class Tally:
    """What a reader did: counts by result, and the first file of each fault with its traceback."""

    counts: Counter[str]
    faults: dict[str, tuple[bytes, str]]
    slowest: float = 0.0


def fuzz(reader: Reader, mutations: int, seed: str) -> Tally:
    """Reads ``mutations`` damaged files."""
    tally, draw = Tally(Counter(), {}), random.Random(seed)
    first = next(iter(reader.files))
    with tempfile.TemporaryDirectory(prefix="fuzz") as place:
        folder = Path(place)
        for name, content in reader.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        result, told = _result(reader, folder / first)
        if result != "read":
            raise SystemExit(f"the valid {first} is not read: {told or result}")
        for _ in range(mutations):
            data = damaged(reader.files[first], reader.kind, draw)
            (folder / first).write_bytes(data)
            start = time.process_time()
            result, told = _result(reader, folder / first)
            taken = time.process_time() - start
            if taken > SLOW:
                result, told = "slow", f"{taken:.1f} s"
            tally.slowest = max(tally.slowest, taken)
            tally.counts[result] += 1
            if result not in ("read", "UserError"):
                tally.faults.setdefault(result, (data, told))
    return tally


def _result(reader: Reader, path: Path) -> tuple[str, str]:
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            reader.read(path)
        return "read", ""
    except UserError as error:
        named = path.name in str(error) or path.parent.name in str(error)
        return ("UserError", str(error)) if named else (f"no file named: {str(error)[:60]}", str(error))
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        ours = [f for f in traceback.extract_tb(error.__traceback__) if "seq2scene" in f.filename]
        place = (
            f"{Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else f"{Path(frame.filename).name}"
        )
        return f"{type(error).__name__} at {place}", traceback.format_exc()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("readers", nargs="*", help=f"of {', '.join(READERS)}; all by default")
    parser.add_argument("--mutations", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files of faults")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    faults = 0
    print(f"{'reader':20} {'files':>6} {'read':>6} {'UserError':>9} {'faults':>6} {'slowest s':>9}")
    for name in options.readers or READERS:
        tally = fuzz(READERS[name], options.mutations, f"{options.seed} {name}")
        bad = {kind: count for kind, count in tally.counts.items() if kind in tally.faults}
        faults += sum(bad.values())
        told = f"{tally.counts['read']:6} {tally.counts['UserError']:9} {sum(bad.values()):6}"
        print(f"{name:20} {options.mutations:6} {told} {tally.slowest:9.2f}", flush=True)
        for number, kind in enumerate(sorted(bad, key=bad.get, reverse=True)):
            print(f"    {bad[kind]:6} {kind}", flush=True)
            if options.keep:
                data, text = tally.faults[kind]
                stem = options.keep / f"{name.replace(' ', '_').replace(':', '')}.{number}"
                options.keep.mkdir(parents=True, exist_ok=True)
                stem.with_suffix(f"{stem.suffix}.data").write_bytes(data)
                stem.with_suffix(f"{stem.suffix}.txt").write_text(f"{kind}\n{text}", errors="replace")
    return int(faults > 0)


if __name__ == "__main__":
    sys.exit(main())
