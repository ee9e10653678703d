"""Baselines of scenes and layouts: what their rows predict, and that the true scene scores highest."""

import importlib.util
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("sklearn", reason="the baselines weigh words with scikit-learn, of the extra dev")

from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.data.park.scenes_writing import ensure_scenes
from seq2scene.errors import UserError
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import LEAST, MOST, Head, Schema

ROOT = Path(__file__).resolve().parents[1]
spec = importlib.util.spec_from_file_location("scene_baselines", ROOT / "benchmarks" / "scene_baselines.py")
baselines = importlib.util.module_from_spec(spec)
spec.loader.exec_module(baselines)

GRID = Grid(28, 28, LEAST, LEAST, MOST, MOST)
SCHEMA = Schema(("person", "dog", "car"), GRID, {"size": Head(17), "aspect": Head(17)}, 2, 1, (1.0, 1.0))
PERSON, DOG, CAR = 3, 4, 5


def layouts(*scenes: list[tuple[int, float, float, float, float]]) -> Objects:
    """The boxes of each scene: class, centre x, y, width and height."""
    rows = torch.zeros(len(scenes), max(map(len, scenes)), 5)
    for row, boxes in zip(rows, scenes, strict=True):
        row[: len(boxes)] = torch.tensor(boxes)
    classes, boxes = rows[..., 0].long(), rows[..., 1:]
    present = classes > 0
    extents = boxes[..., 2:].unbind(2)
    heads = {name: measure(*extents, 17) * present for name, measure in baselines.MEASURES.items()}
    return Objects(classes, boxes[..., :2], heads, boxes[..., 2:])


KNOWN = layouts(
    [(CAR, 0.2, 0.4, 0.1, 0.3), (PERSON, 0.5, 0.5, 0.5, 0.9), (CAR, 0.4, 0.6, 0.3, 0.1)],
    [(DOG, 0.9, 0.9, 0.1, 0.1), (PERSON, 0.7, 0.3, 0.3, 0.1)],
    [(CAR, 0.6, 0.8, 0.2, 0.2)],
)


def run(folder: Path, *overrides: str) -> dict[str, Any]:
    """The report of a run, with cache and JSON in a folder."""
    baselines.main([*overrides, f"paths.cache={folder / 'cache'}", "--out", str(folder / "rows.json")])
    return json.loads((folder / "rows.json").read_text())


def worse(rows: dict[str, dict[str, float]], one: str, other: str, *names: str) -> bool:
    return all(rows[one][name] < rows[other][name] for name in names)


# Rows


def test_the_most_frequent_classes_lie_once_each_at_their_mean_boxes() -> None:
    found = baselines.most_frequent(KNOWN, SCHEMA, 2)
    assert found.classes.tolist() == [[CAR, PERSON]]
    expected = [[0.4, 0.6, 0.2, 0.2], [0.6, 0.4, 0.4, 0.5]]
    torch.testing.assert_close(SCHEMA.boxes(found)[0], torch.tensor(expected))
    # the sizes are 0.2 and 0.447 of 0.001 + n * 0.062375, the aspects 1 and 0.8 of ... 1/2, 1, 2 ...
    assert found.attributes["size"].tolist() == [[3, 7]] and found.attributes["aspect"].tolist() == [[8, 8]]


def test_what_is_sayable_is_cut_on_the_grid_and_of_the_size_of_its_class() -> None:
    said = baselines.sayable(KNOWN, SCHEMA)
    assert said.present.sum(1).tolist() == [2, 2, 1] and said.extents is None
    column = round((0.2 - LEAST) / (MOST - LEAST) * 27)
    assert said.places[0, 0, 0] == pytest.approx(LEAST + column * (MOST - LEAST) / 27)
    car = SCHEMA.boxes(said)[2, 0]
    torch.testing.assert_close(car[2:], torch.full((2,), LEAST + 3 * 0.062375), atol=1e-6, rtol=0)


def test_a_head_that_is_left_out_is_not_said() -> None:
    square = Schema(SCHEMA.names, GRID, {"size": Head(17)}, 2, 1, (1.0, 1.0))
    assert list(baselines.sayable(KNOWN, square).attributes) == ["size"]
    assert list(baselines.most_frequent(KNOWN, square, 1).attributes) == ["size"]


def test_the_nearest_text_shares_the_rarest_words() -> None:
    known = ["a man , a dog", "a man", "a man , a zebra", "a man", "rain"]
    assert baselines.nearest(known, ["a zebra", "the dog", "a man", "nothing"]).tolist() == [2, 0, 1, 0]


def test_the_nearest_of_many_texts_is_found_part_by_part() -> None:
    texts = [f"photo {number}" for number in range(2 * baselines.CHUNK + 1)]
    assert torch.equal(baselines.nearest(texts, texts), torch.arange(len(texts)))


def test_every_text_of_a_scene_is_one_sample_of_it() -> None:
    assert baselines.scenes_of([["a", "b"], ["c"], ["d", "e", "f"]]).tolist() == [0, 0, 1, 2, 2, 2]


# Tables


@pytest.mark.slow
def test_layouts_are_below_the_true_one_and_the_others_far_below(tmp_path, capsys) -> None:
    photos = ensure_photos(tmp_path, train=40, val=10)
    small = ["data.min_area=0.002", "data.min_count=1"]
    report = run(tmp_path, "task=layout", "data=coco_layout", f"data.root={photos}", *small)
    rows, shapes = report["rows"], ("u_recall", "b_recall", "u_coord", "size", "iou")
    assert report["samples"] == 5 * 10
    assert [rows["true layout"][name] for name in shapes] == pytest.approx([1] * len(shapes))
    assert rows["true layout, sayable"]["u_precision"] == 1
    assert worse(rows, "true layout, sayable", "true layout", "u_coord", "size", "aspect", "iou")
    (several,) = [row for row in rows if row.endswith("most frequent classes")]
    for row in ("another test layout", "most frequent class", several, "nearest text"):
        assert worse(rows, row, "true layout, sayable", *shapes), row
    assert worse(rows, "most frequent class", several, "u_recall")

    heading, rule, *lines = capsys.readouterr().out.splitlines()
    assert heading == "| | U-P | U-R | B-P | B-R | size | aspect | IoU | U-coord | B-coord | masked |"
    assert {line.count("|") for line in (rule, *lines)} == {heading.count("|")}
    assert [line.split(" | ")[0].removeprefix("| ") for line in lines] == list(rows)


@pytest.mark.slow
def test_scenes_have_a_row_of_their_sets(tmp_path) -> None:
    scenes = shutil.move(ensure_scenes(tmp_path, train=20, val=10, test=10), tmp_path / "scenes")
    report = run(tmp_path, "data=abstract_scenes", f"data.root={scenes}")
    rows = report["rows"]
    assert report["samples"] == 2 * 10
    for row in ("next scene of its set", "another test scene", "nearest text"):
        assert worse(rows, row, "true scene, sayable", "u_precision", "u_recall", "b_recall", "u_coord"), row


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        (["task=nmt"], "task=nmt does not predict scenes; choose one of abstract, layout"),
        (["task=layout", "data=abstract_scenes"], "data=abstract_scenes has no meaning with task=layout"),
    ],
    ids=["task", "data"],
)
def test_what_predicts_no_scenes_is_refused(tmp_path, overrides, reason) -> None:
    with pytest.raises(UserError, match=reason):
        run(tmp_path, *overrides)
