"""Scenes of clip art that people draw and write down themselves."""

import json
import logging
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from own_files import SCENES, write_clip_art
from seq2scene.data.scenes.clip_art_scenes import ClipArtScenes
from seq2scene.errors import UserError
from seq2scene.metrics.scene_scores import SceneScores
from seq2scene.plotting.scene_picture import draw_scene
from seq2scene.scenes.canonical_order import in_canonical_order
from seq2scene.scenes.facts import Fact, check
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


def test_no_attribute_has_the_name_of_a_field_a_score_a_key_or_a_part_of_nets(root: Path) -> None:
    schema = ready(root).schema
    scores = {*SceneScores(schema).names} - schema.heads.keys()
    for name in ("object", "place", "class", "width", "loss", "type", "training", "my.col", *scores):
        (root / "scenes.csv").write_text(SCENES.replace("mood", name, 1))
        with pytest.raises(UserError, match=rf"scenes\.csv: an attribute cannot be called '{name}'.* rename"):
            ready(root)
    assert "mood" not in ready(root, attributes=[], pngs=one_girl(root)).schema.heads


def one_girl(root: Path) -> str:
    """A folder of pictures that do not depend on attributes."""
    (root / "others").mkdir()
    for name in ("tree", "dog", "background"):
        (root / f"others/{name}.png").write_bytes((root / f"pictures/{name}.png").read_bytes())
    (root / "others/girl.png").write_bytes((root / "pictures/girl_sad.png").read_bytes())
    return "others"


def test_a_picture_may_depend_on_what_is_always_the_same_but_not_on_what_is_left_out(root: Path) -> None:
    with pytest.raises(UserError, match=r"pictures of girl are told apart by mood, which data\.attributes"):
        ready(root, attributes=[])
    (root / "scenes.csv").write_text(SCENES.replace("happy\n", "sad\n"))
    data = ready(root, tests={"all": "scenes.csv"})
    assert not data.schema.variants and "mood" not in data.schema.heads
    girl = data.splits["all"].objects[torch.tensor([1])]
    assert tuple(draw_scene(girl, data.schema, data.pictures())[20, 25]) == BLUE


def test_no_class_has_the_picture_of_a_variant_of_another(root: Path) -> None:
    dogs_feel = re.sub("(,dog,.*),$", r"\1,alone", SCENES, flags=re.MULTILINE)  # as no girl does
    (root / "scenes.csv").write_text(dogs_feel.replace("tree", "girl_0"))
    (root / "pictures/tree.png").rename(root / "pictures/girl_0.png")
    data = ready(root, tests={"all": "scenes.csv"})
    assert data.schema.heads["mood"].values == ("alone", "happy", "sad")
    girl, tree = (data.splits["all"].objects[torch.tensor([n])] for n in (1, 3))
    for mood, colour in enumerate((RED, RED, BLUE)):
        girl.attributes["mood"][0, 0] = mood
        assert tuple(draw_scene(girl, data.schema, data.pictures())[20, 25]) == colour
    assert tuple(draw_scene(tree, data.schema, data.pictures())[12, 15]) == (0, 128, 0)


def test_numbers_are_read_as_spreadsheets_and_pandas_write_them(root: Path) -> None:
    rows = ["1;A dog;dog;10,5;5;1,0;1,0", "2;A dog;dog;1e1;5;0.0;2"]
    rows += ["3;A dog;dog;7;5;0;1.0", "4;A dog;dog;7;5;1;2,0"]
    (root / "scenes.csv").write_text("\n".join(["scene;text;name;x;y;flip;age", *rows]))
    data = ready(root, tests={"all": "scenes.csv"})
    objects = data.splits["all"].objects
    assert objects.places[:, 0, 0].tolist() == [10.5, 10, 7, 7]
    assert objects.attributes["flip"][:, 0].tolist() == [1, 0, 0, 1]
    assert data.schema.heads["age"].values == ("1", "2")
    (root / "scenes.csv").write_text('scene,text,name,x,y\n1,A dog,dog,"10,5",5\n')
    with pytest.raises(UserError, match="line 2: it has the x '10,5', which is no number"):
        ready(root)


def test_scenes_have_the_numbers_of_their_names_if_these_differ(root: Path) -> None:
    for names, numbers in ((["7", "01", "2", "3"], [7, 1, 2, 3]), (["1", "01", "001", "2"], [1, 2, 3, 4])):
        rows = [f"{name},A dog.,dog,5,5" for name in names]
        (root / "scenes.csv").write_text("\n".join(["scene,text,name,x,y", *rows]))
        assert ready(root, tests={"all": "scenes.csv"}).splits["all"].numbers == numbers


def write_facts(root: Path, *facts: dict[str, str]) -> None:
    """The same facts of each text."""
    (root / "facts").mkdir(exist_ok=True)
    lines = ({"scene": n, "texts": [[[*facts]]] * (2 if n == 1 else 1)} for n in (1, 2, 4, 5))
    (root / "facts/all.jsonl").write_text("\n".join(map(json.dumps, lines)))


@pytest.mark.parametrize(
    ("fact", "told"),
    [
        ({"kind": "mood", "subject": "girl", "value": "sad"}, "cannot be judged; .* kinds thing, hold"),
        ({"kind": "look", "subject": "girl", "object": "dog"}, "cannot be judged"),
        ({"kind": "hold", "subject": "girl", "object": "dog", "recipient": "tree"}, "without a recipient"),
        ({"kind": "thing", "subject": "gril"}, "these scenes have no object class gril; they have girl"),
    ],
)
def test_facts_of_own_clip_art_are_those_that_boxes_show(root: Path, fact, told: str) -> None:
    write_facts(root, {"kind": "left_of", "subject": "girl", "object": "dog"})
    data = ready(root, tests={"all": "scenes.csv"})
    objects = data.splits["all"].objects
    stated = [*data.facts("all")[0], Fact("near", "dog", "girl"), Fact("above", "girl", "tree")]
    assert check(stated, objects[torch.tensor([0])], data.schema) == [True, True, False]
    write_facts(root, fact)
    with pytest.raises(UserError, match=rf"facts/all\.jsonl, line 1: .*{told}"):
        ready(root, tests={"all": "scenes.csv"})
