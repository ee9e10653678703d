"""Scenes that a user hands over as JSON are refused by object and key."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from seq2scene.errors import UserError
from seq2scene.scenes.scene_json import from_plain, read_scene, require_scene, to_plain
from small_clip_art import random_objects, schema_of

SCHEMA = schema_of()
SUN = {"class": "s_0", "x": 10.5, "y": 4, "size": 2, "flip": 0}
BOY = {"class": "hb0", "x": 25, "y": 30, "size": 0, "flip": 1, "pose": 1, "expression": 2}


def test_what_is_written_is_accepted_and_read_back() -> None:
    for scene in to_plain(random_objects(5, 4), SCHEMA):
        require_scene(scene, SCHEMA, "scene")
        assert to_plain(from_plain([scene], SCHEMA), SCHEMA) == [scene]


@pytest.mark.parametrize(
    ("scene", "told"),
    [
        ({"class": "s_0"}, r"scene: a scene is a list of objects, not \{'class"),
        ([SUN, 7], r"scene, object 2: an object is a dictionary, not 7"),
        (
            [{**SUN, "class": "whale"}],
            r"object 1: class=whale: this model has no such class; it has s_0, hb0",
        ),
        ([{key: SUN[key] for key in ("x", "y")}], r"class=None: this model has no such class"),
        (
            [BOY, {**SUN, "pose": 0}],
            r"object 2: pose: objects of class s_0 have no such key; they have .*flip",
        ),
        ([{**SUN, "colour": 1}], r"colour: objects of class s_0 have no such key"),
        ([{**SUN, "patch": {}}], r"patch: objects of class s_0 have no such key"),
        ([{**SUN, "x": "left"}], r"x=left: it must be a number, in canvas units"),
        ([{**SUN, "y": float("nan")}], r"y=nan: it must be a number"),
        ([{**SUN, "y": 10**400}], r"y=10+: it must be a number"),
        ([{**SUN, "size": 3}], r"size=3: it must be a whole number from 0 to 2"),
        ([{**SUN, "flip": True}], r"flip=True: it must be a whole number from 0 to 1"),
        (
            [{k: v for k, v in BOY.items() if k != "pose"}],
            r"pose=None: it must be a whole number from 0 to 1",
        ),
    ],
)
def test_what_is_no_scene_of_the_model_is_refused_by_object_and_key(scene, told: str) -> None:
    with pytest.raises(UserError, match=told):
        require_scene(scene, SCHEMA, "scene")


def test_centres_are_near_the_canvas_and_boxes_have_an_extent() -> None:
    layouts = replace(SCHEMA, sizes=None, canvas=(1.0, 1.0))
    box = {**SUN, "x": 0.5, "y": -0.9, "width": 0.1, "height": 1.9}
    require_scene([box], layouts, "scene")
    require_scene([{**SUN, "x": -49, "y": 79}], SCHEMA, "scene")
    wide = "as the canvas is 1 wide and 1 high"
    for key, value, told in (
        ("x", 250, f"it must be -1 or more and at most 2, {wide}"),
        ("width", -1, f"it must be above 0 and at most 2, {wide}"),
        ("height", 0, f"it must be above 0 and at most 2, {wide}"),
    ):
        with pytest.raises(UserError, match=f"^scene, object 2: {key}={value}: {told}$"):
            require_scene([box, {**box, key: value}], layouts, "scene")
    with pytest.raises(UserError, match="y=81: it must be -40 or more and at most 80, as the canvas is 50"):
        require_scene([{**SUN, "y": 81}], SCHEMA, "scene")


def test_a_file_holds_a_list_of_objects_or_a_scene_with_its_sentences(tmp_path: Path) -> None:
    path = tmp_path / "scene.json"
    for content in ([SUN, BOY], {"sentences": ["The sun."], "objects": [SUN, BOY], "log_prob": -1.0}):
        path.write_text(json.dumps(content))
        assert read_scene(path) == [SUN, BOY]
    path.write_text('{"sentences": [], "things": []}')
    with pytest.raises(UserError, match=r'scene\.json: a scene needs "objects"; it has sentences, things'):
        read_scene(path)
    path.write_text("[")
    with pytest.raises(UserError, match=r"scene\.json, line 1, column 2: not JSON"):
        read_scene(path)
    with pytest.raises(UserError, match=r"none\.json does not exist: check scene="):
        read_scene(tmp_path / "none.json", "check scene=")
