"""Scenes of clip art that people draw and write down themselves."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from own_files import SCENES, write_clip_art
from seq2scene.data.scenes.clip_art_scenes import ClipArtScenes
from seq2scene.errors import UserError
from seq2scene.plotting.scene_picture import draw_scene
from seq2scene.scenes.canonical_order import in_canonical_order
from seq2scene.scenes.schema import Schema
from seq2scene.scenes.sprites import SpritePainter

BLUE, RED = (0, 0, 255), (255, 0, 0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_clip_art(tmp_path)
    return tmp_path


def ready(root: Path, train: str = "scenes.csv", **options: Any) -> ClipArtScenes:
    tests = options.pop("tests", {"test": 1})
    data = ClipArtScenes(
        root=str(root), cache=str(root / "cache"), train=train, val=1, tests=tests, **options
    )
    data.prepare_data()
    data.setup()
    return data


def test_the_schema_is_that_of_the_table_and_is_reported(root: Path, caplog) -> None:
    with caplog.at_level(logging.INFO):
        schema = ready(root).schema
    assert schema.names == ("tree", "girl", "dog") and schema.types == (1, 2, 3)
    assert schema.canvas == (40, 30) and schema.scales == (1.0, 0.7) and schema.sentences == 2
    assert {name: head.classes for name, head in schema.heads.items()} == {"size": 2, "flip": 2, "mood": 2}
    assert schema.heads["mood"].only == ("girl",) and schema.heads["mood"].values == ("happy", "sad")
    assert schema.variants == ("mood",) and schema.sizes[1].tolist() == [[5, 3], [5, 3]]
    for said in (
        "1 scenes without a text and 0 without an object",
        "attribute mood of girl: happy, sad",
        "3 classes, from back to front: tree (2), girl (2), dog (2)",
        "train has 2, val has 1",
    ):
        assert said in caplog.text
    state = schema.state()
    assert Schema.from_state(state).state().keys() == state.keys()
    old = {name: value for name, value in state.items() if name not in ("variants", "types")}
    assert Schema.from_state(old).variants == ("pose", "expression")


def test_csv_and_json_lines_say_the_same(root: Path) -> None:
    one, other = ready(root), ready(root, "scenes.jsonl")
    for split in ("train", "val", "test"):
        a, b = one.splits[split], other.splits[split]
        assert a.numbers == b.numbers and a.texts == b.texts
        assert torch.equal(a.objects.classes, b.objects.classes)
        assert all(
            torch.equal(a.objects.attributes[name], b.objects.attributes[name]) for name in one.schema.heads
        )


def test_an_attribute_chooses_the_picture(root: Path) -> None:
    data = ready(root, tests={"all": "scenes.csv"})
    schema, pictures, scenes = data.schema, data.pictures(), data.splits["all"].objects
    objects = scenes[torch.tensor([1])]  # a happy girl
    for mood, colour in enumerate((RED, BLUE)):
        objects.attributes["mood"][0, 0] = mood
        assert tuple(draw_scene(objects, schema, pictures)[20, 25]) == colour
        painted = SpritePainter(schema, pictures, 40, 30).paint(objects)[0, -1]
        assert (painted[:, 20, 25] * 255).round().int().tolist() == list(colour)
    assert (draw_scene(objects, schema, pictures)[0, 0] == 255).all()


@pytest.mark.parametrize("order", ["depth", "type"])
def test_objects_are_placed_from_back_to_front(root: Path, order) -> None:
    objects = ready(root, order=order, tests={"all": "scenes.csv"})
    first = objects.splits["all"].objects[torch.tensor([0])]
    assert [objects.schema.name(n) for n in first.classes[0].tolist()] == ["tree", "girl", "dog"]
    assert torch.equal(in_canonical_order(first, objects.schema).classes, first.classes)


def test_a_text_of_more_sentences_than_in_training_loses_nothing(root: Path) -> None:
    (root / "more.csv").write_text("scene,text,name,x,y\n1,A dog. It runs. It is late.,dog,1,1\n")
    assert ready(root, tests={"more": "more.csv"}).texts("more") == [["A dog.", "It runs. It is late."]]


CHANGES = {  # what is changed in the table, and what is said of it
    (",20,20,", ",left,20,"): "line 3: it has the x 'left', which is no number",
    (",20,20,", ",20,2000,"): "line 3: x=20 y=2000 is far off the canvas of 40 x 30",
    (",girl,20", ",gril,20"): "line 3: there is no picture of it in",
    ("sad\n", "angry\n"): "line 3: there is no picture of it in",
    ("sad\n", "\n"): "line 3: it has no mood; 1 of 2 objects called girl have none",
    ("name,x", "what,x"): "line 2: a row has either a name",
    ("20,0,1,", "20,0,maybe,"): "line 4: its flip is 1 (mirrored) or 0",
    ("10,10,1", "10,10,99"): "line 2: its picture would be drawn at scale",
}


@pytest.mark.parametrize("change", CHANGES, ids=" to ".join)
def test_a_wrong_row_is_named(root: Path, change: tuple[str, str]) -> None:
    assert SCENES.count(change[0])
    (root / "scenes.csv").write_text(SCENES.replace(*change, 1))
    with pytest.raises(UserError) as refusal:
        ready(root)
    assert f"{root}/scenes.csv, {CHANGES[change]}" in str(refusal.value)


def test_pictures_and_canvas_that_are_missing_are_asked_for(root: Path) -> None:
    (root / "pictures/background.png").unlink()
    with pytest.raises(UserError, match=r"there is no background\.png.*data\.canvas="):
        ready(root)
    assert ready(root, canvas=[50, 40]).schema.canvas == (50, 40)
    with pytest.raises(UserError, match="there is no such folder"):
        ready(root, pngs="elsewhere")


def test_heads_of_the_config_give_weights_and_are_dropped(root: Path) -> None:
    heads = ready(root, heads={"size": {"classes": 3, "weight": 0.5}, "mood": {"weight": 3.0}}).schema.heads
    assert {name: head.weight for name, head in heads.items()} == {"size": 0.5, "mood": 3.0}
    with pytest.raises(UserError, match=r"heads\.colour: this data has no such attribute"):
        ready(root, heads={"colour": {"weight": 1.0}})


def test_many_sizes_become_a_few(root: Path) -> None:
    rows = [f"{n},A dog.,dog,5,5,{0.5 + n / 20}" for n in range(20)]
    (root / "scenes.csv").write_text("\n".join(["scene,text,name,x,y,size", *rows]))
    scales = ready(root).schema.scales
    assert len(scales) == 8 and np.allclose((scales[0], scales[-1]), (1.45, 0.5))
