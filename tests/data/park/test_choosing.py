"""Which park is read: seed and sizes of every data set of the park, each choice in a folder of its own."""

import re
from dataclasses import fields
from inspect import signature
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from seq2scene.data.captions.coco_captions import ParkCaptions
from seq2scene.data.captions.layout_captions import ParkLayoutCaptions
from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.data.park.scenes_writing import ensure_scenes
from seq2scene.data.park.writing import ensure_park
from seq2scene.data.scenes.abstract_scenes import AbstractScenes, ParkScenes
from seq2scene.data.scenes.coco_composite import CocoComposite, ParkComposite
from seq2scene.data.scenes.coco_layout import CocoLayout, ParkLayout
from seq2scene.data.text.parallel_text import ParkText
from seq2scene.data.text.plain_text import ParkPlainText
from seq2scene.errors import UserError
from seq2scene.nets.vision.image_encoder import ImageEncoder

CONF = str(Path(__file__).resolve().parents[3] / "conf")
SENTENCES, SCENES = {"seed": 7, "train": 6, "val": 2, "test": 2}, {"seed": 7, "train": 4, "val": 1, "test": 1}
PHOTOS = {"seed": 7, "train": 3, "val": 2}


def text(root, park):
    train, val, test = ([f"{name}.en", f"{name}.de"] for name in ("train", "val", "test"))
    files = {"train": train, "val": val, "tests": {"test": test}}
    return ParkText(**files, source="en", target="de", root=root, park=park)


def plain_text(root, park):
    return ParkPlainText(
        train="train.en", val="val.en", tests={"test": "test.en"}, language="en", root=root, park=park
    )


def scenes(root, park):
    return ParkScenes(root=root, park=park)


def layout(root, park):
    return ParkLayout(root=root, park=park, min_area=0.0)


def layout_captions(root, park):
    return ParkLayoutCaptions(root=root, park=park, min_area=0.0)


def composite(root, park):
    return ParkComposite(root=root, park=park)


def captions(root, park):
    encoder = ImageEncoder("efficientnet_lite0", "_blocks.15", "none")
    files = {name: [f"annotations/captions_{name}2017.json", f"{name}2017"] for name in ("train", "val")}
    return ParkCaptions(**files, encoder=encoder, root=root, park=park)


SETS = {
    "park": (text, SENTENCES, ensure_park),
    "park_text": (plain_text, SENTENCES, ensure_park),
    "park_scenes": (scenes, SCENES, ensure_scenes),
    "park_layout": (layout, PHOTOS, ensure_photos),
    "park_layout_captions": (layout_captions, PHOTOS, ensure_photos),
    "park_composite": (composite, PHOTOS, ensure_photos),
    "park_captions": (captions, PHOTOS, ensure_photos),
}
BEFORE_THE_OPTION = {
    "park_scenes": {"english": "plain"}
}  # what runs that are older than an option go on with


def usual(ensure) -> dict[str, int]:
    return {name: p.default for name, p in signature(ensure).parameters.items() if name != "root"}


@pytest.mark.slow
@pytest.mark.parametrize("name", SETS)
def test_a_set_is_written_as_it_was_chosen_and_each_choice_lies_apart(tmp_path, name):
    module, sizes, ensure = SETS[name]
    one, other = (module(str(tmp_path), {**sizes, "seed": seed}).folder for seed in (7, 8))
    assert one == ensure(tmp_path, **sizes) and other == ensure(tmp_path, **{**sizes, "seed": 8})
    assert set(tmp_path.iterdir()) == {one, other}


@pytest.mark.parametrize("name", SETS)
def test_without_a_choice_it_is_the_one_of_the_config(tmp_path, name):
    module, _, ensure = SETS[name]
    with initialize_config_dir(CONF, version_base="1.3"):
        told = {**compose(f"data/{name}").data.park, **BEFORE_THE_OPTION.get(name, {})}
    assert (
        told == usual(ensure) == module(str(tmp_path), None).park == module(str(tmp_path), {"seed": 0}).park
    )


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"seed": -1}, "park.seed=-1 must be a whole number from 0 to 4294967295"),
        ({"seed": 2**32}, "from 0 to 4294967295"),
        ({"train": 0}, "park.train=0 must be a whole number of 1 or more"),
        ({"val": 1.5}, "park.val=1.5 must be a whole number"),
        ({"train": True}, "park.train=True must be a whole number"),
        ({"scenes": 5}, "park.scenes is not an option; options are seed, train, val"),
    ],
)
def test_what_means_nothing_is_refused_before_anything_is_written(tmp_path, name, wrong, message):
    with pytest.raises(UserError, match=re.escape(message)):
        SETS[name][0](str(tmp_path), wrong)
    assert not list(tmp_path.iterdir())


def test_english_is_plain_or_rich(tmp_path):
    with pytest.raises(UserError, match=r"data\.park\.english=old is not a choice; choose plain or rich"):
        scenes(str(tmp_path), {"english": "old"})


def test_photos_to_halve_are_two_or_more(tmp_path):
    with pytest.raises(UserError, match=r"park\.val=1 must be a whole number of 2 or more"):
        captions(str(tmp_path), {**PHOTOS, "val": 1})


def test_captions_of_layouts_are_of_the_photos_that_were_chosen(tmp_path):
    data = layout_captions(str(tmp_path), PHOTOS)
    data.scenes.read(["train"])
    assert len(data.scenes.splits["train"].numbers) == PHOTOS["train"]
    assert data.scenes.folder == data.folder


@pytest.mark.parametrize(
    ("park", "published"),
    [(ParkScenes, AbstractScenes), (ParkLayout, CocoLayout), (ParkComposite, CocoComposite)],
)
def test_the_park_leaves_all_other_defaults_as_they_are(park, published) -> None:
    defaults = {field.name: field.default for field in fields(park)}
    assert {field.name: field.default for field in fields(published)}.items() <= defaults.items()
