"""The photos on disk: COCO's format, masks exact to the pixel, captions that are true, written at once."""

import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as run_lengths

from seq2scene.data.captions.caption_files import read_coco
from seq2scene.data.coco.annotations import read_captions, read_instances
from seq2scene.data.park import photos_writing
from seq2scene.data.park.drawing.landscapes import REGIONS, SIZE, landscape
from seq2scene.data.park.drawing.photographing import SOLID, cut_out, photograph
from seq2scene.data.park.language.grammar import text
from seq2scene.data.park.language.lexicon import NAMES
from seq2scene.data.park.language.telling import tell
from seq2scene.data.park.photos_writing import captions_of, category_names, ensure_photos, names_in
from seq2scene.data.park.relations import relations_of
from seq2scene.data.park.sampling import sample_scene
from seq2scene.data.park.world import Placed, Scene
from seq2scene.data.scenes.coco_layout import CocoLayout

SMALL = {"seed": 5, "train": 24, "val": 4}
KINDS = ("instances", "stuff", "captions")
FILES = [f"{kind}_{name}" for kind in KINDS for name in ("train2017", "val2017")]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return ensure_photos(tmp_path_factory.mktemp("photos"), **SMALL)


@pytest.fixture(scope="module")
def files(folder) -> dict[str, dict[str, Any]]:
    return {name: json.loads((folder / "annotations" / f"{name}.json").read_text()) for name in FILES}


@pytest.fixture(scope="module")
def things_and_stuff(files) -> list[dict[str, Any]]:
    return [entry for name in FILES[:4] for entry in files[name]["annotations"]]


@pytest.fixture(scope="module")
def photos() -> list[Any]:
    rng, light = Random(3), np.random.default_rng(3)
    return [photograph(sample_scene(rng), light) for _ in range(25)]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_the_files_have_the_parts_of_cocos(files):
    for name, file in files.items():
        parts = {"info", "licenses", "images", "annotations"}
        assert file.keys() == (parts if name.startswith("captions") else parts | {"categories"})
        for image in file["images"]:
            assert image.keys() == {"license", "file_name", "height", "width", "id"}
            assert (
                image["file_name"] == f"{image['id']:012}.jpg" and (image["width"], image["height"]) == SIZE
            )
        assert {image["license"] for image in file["images"]} == {entry["id"] for entry in file["licenses"]}
        assert file["images"] == files[f"captions_{name.split('_')[1]}"]["images"]


def test_every_image_of_the_files_is_a_photo_in_its_folder_and_in_one_split(folder, files):
    for name, count in (("train2017", 24), ("val2017", 4)):
        images = files[f"instances_{name}"]["images"]
        assert len(images) == count
        assert {path.name for path in (folder / name).iterdir()} == {image["file_name"] for image in images}
        for image in images:
            with Image.open(folder / name / image["file_name"]) as photo:
                assert (photo.format, photo.mode, photo.size) == ("JPEG", "RGB", SIZE)
    ids = [image["id"] for name in FILES[:2] for image in files[name]["images"]]
    assert len(set(ids)) == 28


def test_ids_are_unique_over_all_files(files, things_and_stuff):
    captions = [entry for name in FILES[4:] for entry in files[name]["annotations"]]
    for entries in (captions, things_and_stuff):
        assert len({entry["id"] for entry in entries}) == len(entries) > 100


def test_boxes_and_areas_are_those_of_the_masks(things_and_stuff):
    for entry in things_and_stuff:
        assert entry["segmentation"]["size"] == list(SIZE[::-1]) and entry["iscrowd"] == 0
        mask = run_lengths.decode(entry["segmentation"])
        rows, columns = np.nonzero(mask)
        left, top, right, bottom = columns.min(), rows.min(), columns.max() + 1, rows.max() + 1
        assert entry["bbox"] == [left, top, right - left, bottom - top]
        assert entry["area"] == mask.sum() == len(rows)


def test_each_pixel_is_of_one_thing_or_one_region(things_and_stuff):
    claims = {entry["image_id"]: np.zeros(SIZE[::-1], dtype=int) for entry in things_and_stuff}
    for entry in things_and_stuff:
        claims[entry["image_id"]] += run_lengths.decode(entry["segmentation"])
    assert len(claims) == 28
    for claimed in claims.values():
        assert (claimed == 1).all()


def test_things_have_names_that_are_told_apart_and_regions_the_numbers_of_coco(files, shared_data):
    things, stuff = (files[f"{kind}_train2017"]["categories"] for kind in KINDS[:2])
    assert [entry["id"] for entry in things] == list(range(1, 56))
    assert len({entry["name"] for entry in things}) == 55
    assert {"boy", "girl", "dog", "ball", "chef's hat"} <= {entry["name"] for entry in things}
    published = shared_data / "coco_composite/annotations/stuff_val2017.json"
    known = {entry["id"]: entry for entry in json.loads(published.read_text())["categories"]}
    assert stuff == [known[entry["id"]] for entry in stuff] and len(stuff) == len(REGIONS)
    for kind in KINDS[:2]:
        one, other = (files[f"{kind}_{name}"]["categories"] for name in ("train2017", "val2017"))
        assert one == other


def test_every_photo_has_five_captions_that_differ(files):
    for name in FILES[4:]:
        told: dict[int, set[str]] = {image["id"]: set() for image in files[name]["images"]}
        for entry in files[name]["annotations"]:
            told[entry["image_id"]].add(entry["caption"])
            assert re.fullmatch(r"[A-Z][^.]+\.", entry["caption"])
        assert {len(captions) for captions in told.values()} == {5}


def test_captions_name_only_what_is_annotated(files):
    nouns = sorted({*category_names().values()}, key=len, reverse=True)
    finder = re.compile(r"\b(" + "|".join(map(re.escape, nouns)) + r")\b")
    named = Counter()
    for name in ("train2017", "val2017"):
        categories = {entry["id"]: entry["name"] for entry in files[f"instances_{name}"]["categories"]}
        seen: dict[int, set[str]] = {}
        for entry in files[f"instances_{name}"]["annotations"]:
            seen.setdefault(entry["image_id"], set()).add(categories[entry["category_id"]])
        for entry in files[f"captions_{name}"]["annotations"]:
            words = entry["caption"]
            for child, called in (("hb0", "boy"), ("hb1", "girl")):
                words = words.replace(NAMES[child], called)
            told = set(finder.findall(words))
            assert told <= seen[entry["image_id"]], entry["caption"]
            assert " not " not in words
            named[len(told)] += 1
    assert sum(count for number, count in named.items() if number >= 2) > 0.8 * sum(named.values())


def test_captions_are_sentences_that_are_true_of_what_can_be_seen(photos):
    told = 0
    for photo in photos:
        rng, again = Random(8), Random(8)
        sayable = {text(m, "en"): m for _ in range(4) for m in tell(photo.scene, again, photos_writing.TOLD)}
        for caption in captions_of(photo.scene, rng):
            message = sayable[caption]
            assert names_in(message) <= {thing.name for thing in photo.scene.things}
            told += 1
    assert told >= 5 * (len(photos) - 2)


def test_relations_are_those_of_the_things_that_can_be_seen(photos):
    for photo in photos:
        assert photo.scene.relations == relations_of(photo.scene.things)
        shown = {*np.unique(photo.things)} - {-1}
        assert shown == {*range(len(photo.scene.things))}


def test_what_is_nearly_hidden_is_left_out():
    tree = Placed("p_9", 250, 200, 0, 0)
    child, ball = Placed("hb0", 100, 280, 1, 0), Placed("t_0", 250, 160, 1, 0)
    scene = Scene((tree, child, ball), relations_of((tree, child, ball)))
    shown = {thing.name for thing in photograph(scene, np.random.default_rng(0)).scene.things}
    assert shown == {"p_9", "hb0"}
    for x, seen in ((509, True), (517, False)):  # at the edge: a quarter of it in the photo, a thirtieth
        scene = Scene((child, Placed("t_0", x, 350, 0, 0)), ())
        shown = {thing.name for thing in photograph(scene, np.random.default_rng(0)).scene.things}
        assert shown == ({"hb0", "t_0"} if seen else {"hb0"})


def test_a_mask_is_where_the_thing_covers_half_a_pixel_or_more():
    alone = Placed("a_2", 250, 330, 0, 1)
    rng, again = np.random.default_rng(4), np.random.default_rng(4)
    photo = photograph(Scene((alone,), ()), rng)
    cutout = cut_out(alone, landscape(Scene((alone,), ()), again).light, again)
    solid = np.zeros(SIZE[::-1], dtype=bool)
    solid[cutout.window] = cutout.alpha >= SOLID
    assert (solid == (photo.things == 0)).all() and cutout.size == solid.sum() > 1000


def test_things_stand_where_the_world_has_them(photos):
    """Of whatever is whole: the box is about the clip art's, or less where others hide a part."""
    checked = 0
    for photo in photos:
        for place, thing in enumerate(photo.scene.things):
            rows, columns = np.nonzero(photo.things == place)
            inside = min(thing.left, thing.top, 500 - thing.right, 400 - thing.bottom) > 8
            if thing.kind != "animal" or not inside:
                continue
            assert columns.min() > 0.64 * thing.left - 8 and columns.max() < 0.64 * thing.right + 8
            assert rows.min() > 0.64 * thing.top - 8 and rows.max() < 0.64 * thing.bottom + 8
            checked += 1
    assert checked > 5


def test_a_thing_that_looks_left_is_the_mirror_of_one_that_looks_right():
    right, left = (
        photograph(Scene((Placed("a_5", 250, 350, 0, flip),), ()), np.random.default_rng(0)).things == 0
        for flip in (0, 1)
    )
    mirrored = right[:, ::-1]  # about the middle of the photo, where the snake lies; but for its turn
    assert (mirrored & left).sum() > 0.75 * (mirrored | left).sum()
    assert (right & left).sum() < 0.5 * (right | left).sum()


def test_no_two_photos_show_the_same_dog():
    dog = Scene((Placed("a_2", 250, 330, 0, 0),), ())
    rng = np.random.default_rng(0)
    one, other = (photograph(dog, rng) for _ in range(2))
    assert (one.things != other.things).sum() > 20  # turned, grown
    both = (one.things == 0) & (other.things == 0)
    apart = np.abs(one.pixels.astype(float) - other.pixels)[both].mean()
    assert 4 < apart < 60  # lit otherwise, but a dog still


def test_a_thing_keeps_its_colour_whatever_the_light():
    rng = np.random.default_rng(1)
    for name, strongest in (("t_0", 0), ("t_5", 1), ("t_2", 2)):  # the red ball, the green, the blue
        for _ in range(12):
            photo = photograph(Scene((Placed(name, 250, 350, 0, 0),), ()), rng)
            colour = photo.pixels[photo.things == 0].mean(0)
            assert colour.argmax() == strongest, (name, colour)


def test_a_grey_sky_rains_and_the_sun_shines_from_a_clear_one():
    rng = np.random.default_rng(2)
    for name, grey in (("s_5", True), ("s_4", True), ("s_3", False)):
        for _ in range(8):
            photo = photograph(Scene((Placed(name, 250, 60, 1, 0),), ()), rng)
            sky = photo.pixels[photo.regions == 0][:2000].mean(0)
            assert (sky[2] - sky[0] < 45) == grey


def test_the_readers_of_coco_read_them(folder):
    for name, count in (("train2017", 24), ("val2017", 4)):
        found = read_instances(folder / f"annotations/instances_{name}.json")
        assert len(found.images.ids) == count and len(found.boxes) > 4 * count and len(found.names) == 55
        assert (found.boxes[:, 2:] > 0).all() and (found.boxes[:, :2] + found.boxes[:, 2:] <= SIZE).all()
        stuff = read_instances(folder / f"annotations/stuff_{name}.json")
        assert {*stuff.category_ids} <= {*range(92, 183)}
        assert {
            len(texts) for texts in read_captions(folder / f"annotations/captions_{name}.json").texts
        } == {5}


def test_layouts_and_captions_are_learnt_from_them(folder, files):
    layouts = CocoLayout(root=str(folder), min_area=0.002)._read("train")
    assert len(layouts.numbers) == 24 and {len(texts) for texts in layouts.texts} == {5}
    assert (layouts.objects.classes > 0).sum() > 0.9 * len(files["instances_train2017"]["annotations"])
    told = read_coco(folder / "annotations/captions_val2017.json", folder / "val2017")
    assert len(told) == 4 and all(path.is_file() for path in told.photos)


@pytest.mark.slow
def test_the_same_seed_writes_the_same_bytes_whatever_the_hash_seed(folder, tmp_path):
    code = "import sys; from seq2scene.data.park.photos_writing import ensure_photos\n"
    code += f"ensure_photos(sys.argv[1], **{SMALL})"
    environment = {"PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).resolve().parents[3] / "src")}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=environment)
    assert contents(tmp_path / folder.name) == contents(folder)


def test_photos_are_written_once_and_others_lie_in_other_folders(folder, tmp_path, monkeypatch):
    before = (folder / "park.json").stat().st_mtime_ns
    assert ensure_photos(folder.parent, **SMALL) == folder
    assert (folder / "park.json").stat().st_mtime_ns == before
    folders = {ensure_photos(tmp_path, seed, 1, val) for seed, val in ((5, 1), (6, 1), (5, 2))}
    monkeypatch.setattr(photos_writing, "VERSION", 99)
    assert len(folders | {ensure_photos(tmp_path, 5, 1, 1)}) == 4


def test_a_change_of_scenes_captions_or_light_raises_the_version(folder, files):
    """Old folders are known by their version: raise VERSION and put the new fingerprints here."""
    told = "\n".join(entry["caption"] for entry in files["captions_train2017"]["annotations"])
    digest = hashlib.sha256(told.encode()).hexdigest()[:16]
    photos = [Image.open(path) for path in sorted((folder / "train2017").iterdir())]
    colour = np.mean([np.asarray(photo).mean((0, 1)) for photo in photos], axis=0)
    areas = [sum(entry["area"] for entry in files[f"{kind}_train2017"]["annotations"]) for kind in KINDS[:2]]
    assert (photos_writing.VERSION, digest) == (2, "16145f85f30df766")
    assert colour == pytest.approx([136.0, 145.4, 124.3], abs=0.2)
    assert areas[0] / sum(areas) == pytest.approx(0.1406, abs=0.001)
