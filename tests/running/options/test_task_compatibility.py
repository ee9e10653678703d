"""Every option is accepted by some task, and every option that a task accepts exists."""

from pathlib import Path

import pytest
import yaml

from seq2scene.errors import UserError
from seq2scene.running.options.task_compatibility import check_choices, updated
from test_configs import compose_plain

CONF = Path(__file__).resolve().parents[3] / "conf"
TASKS = {
    path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in (CONF / "task").glob("*.yaml")
}


@pytest.mark.parametrize("group", ["data", "model"])
def test_every_option_is_taken_by_some_task_and_every_task_names_options_that_exist(group: str) -> None:
    options = {path.stem for path in (CONF / group).glob("*.yaml")}
    taken = [set(task["takes"][group]) for task in TASKS.values()]
    assert set.union(*taken) == options


def test_configs_are_plain_files_so_that_they_survive_an_archive() -> None:
    assert not [path for path in CONF.rglob("*") if path.is_symlink()]


def test_translation_refuses_data_without_translations() -> None:
    config = {"task": {"name": "nmt"}, "takes": TASKS["nmt"]["takes"]}
    check_choices({"data": "park", "attention": "dot"}, config)
    with pytest.raises(UserError, match="data=park_text has no meaning with task=nmt; choose one of park, "):
        check_choices({"data": "park_text"}, config)


def test_a_checkpoint_takes_what_its_task_takes_today_and_what_it_took() -> None:
    old = {"task": {"name": "captioning"}, "takes": {"data": ["park_captions", "gone"], "grid": ["none"]}}
    takes = updated(old)["takes"]
    assert takes == {
        "data": ["park_captions", "gone", *TASKS["captioning"]["takes"]["data"][1:]],
        "grid": ["none"],
    }
    for data in ("photos", "gone", "flickr8k"):
        check_choices({"data": data}, updated(old))
    said = "^data=boxes has no meaning with task=captioning; choose one of park_captions, gone, photos, "
    with pytest.raises(UserError, match=said):
        check_choices({"data": "boxes"}, updated(old))
    assert old["takes"]["data"] == ["park_captions", "gone"]


@pytest.mark.parametrize("name", ["unheard", "../data/photos"])
def test_a_checkpoint_of_an_unknown_task_takes_what_it_took(name: str) -> None:
    assert updated({"task": {"name": name}, "takes": {"data": ["a"]}})["takes"] == {"data": ["a"]}


@pytest.mark.parametrize(("group", "option"), [("canvas", "semantic"), ("grid", "32x32")])
def test_a_model_without_canvas_and_grid_refuses_them(group: str, option: str, tmp_path: Path) -> None:
    config = compose_plain(tmp_path, "task=layout")
    check_choices({group: "none", "model": "relational_boxes"}, config)
    said = f"^{group}={option} has no meaning with task=layout model=relational_boxes; choose none$"
    with pytest.raises(UserError, match=said):
        check_choices({group: option, "model": "relational_boxes"}, config)


def test_a_model_of_cells_refuses_to_go_without_a_grid(tmp_path: Path) -> None:
    config = compose_plain(tmp_path, "task=abstract", "model=text2scene_mini")
    said = "^grid=none has no meaning with task=abstract model=text2scene_mini; choose one of 28x28, 32x32$"
    with pytest.raises(UserError, match=said):
        check_choices({"grid": "none", "model": "text2scene_mini"}, config)
