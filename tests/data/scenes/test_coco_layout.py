"""Layouts of COCO as Text2Scene reads them: of small files written here, and of the published ones."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seq2scene.data.scenes.coco_layout import CocoLayout
from seq2scene.errors import UserError
from seq2scene.scenes.boxes import on_square
from seq2scene.scenes.objects import EOS, PAD
from small_layouts import NAMES, TRAIN, VAL, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "train", TRAIN)
    write(tmp_path, "val", VAL)
    return tmp_path


def ready(root: Path, **settings: Any) -> CocoLayout:
    data = CocoLayout(root=str(root), **{"batch_size": 2, "cache": str(root / "cache"), **settings})
    data.prepare_data()
    data.setup()
    return data


# Boxes


@pytest.mark.parametrize(
    ("size", "box", "expected"),
    [
        ((640, 480), (100, 120, 200, 150), (0.311719, 0.553906, 0.3125, 0.234375)),
        ((427, 640), (0, 0, 427, 640), (0.332812, 0.499219, 0.667188, 1)),
        ((640, 427), (10, 300, 600, 60), (0.483594, 0.847656, 0.9375, 0.09375)),
        ((500, 375), (250, 100, 30, 200), (0.529, 0.649, 0.06, 0.4)),
        ((100, 100), (-10, -20, 60, 200), (0.295, 0.495, 0.6, 1)),  # moved in, then cut off below
    ],
    ids=["wide", "tall", "strip", "pole", "outside"],
)
def test_boxes_lie_on_a_square_with_the_image_at_the_bottom_left(size, box, expected) -> None:
    found = on_square(np.array([box], dtype=float), np.array([size]))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0], expected, atol=1e-6)


def test_golden_boxes_become_cell_size_and_aspect(root) -> None:
    kept = {
        1: ((640, 480), [("dog", 100, 120, 200, 150)], ["a"]),
        2: ((427, 640), [("dog", 0, 0, 427, 640)], ["a"]),
        3: ((640, 427), [("dog", 10, 300, 600, 60)], ["a"]),
        4: ((500, 375), [("dog", 250, 100, 30, 200)], ["a"]),
    }
    write(root, "train", kept)
    data = ready(root)
    target = data.schema.with_end(data.splits["train"].objects)
    fields = data.schema.cells(target), target.attributes["size"], target.attributes["aspect"]
    codes = torch.stack(fields, dim=2)[:, 0]
    assert codes.tolist() == [[428, 4, 8], [373, 13, 7], [657, 5, 16], [518, 2, 2]]
    assert data.schema.classes == 3 + 3


def test_the_lowest_box_comes_first_then_the_leftmost_then_by_class(root) -> None:
    boxes = [
        ("car", 50, 20, 20, 60),  # ends at 80
        ("dog", 10, 60, 30, 20),  # ends at 80, more to the left
        ("person", 10, 60, 30, 20),  # the same box, an earlier class
        ("car", 0, 50, 20, 50),  # ends at 100: the lowest
        ("car", 0, 0, 90, 70),
    ]
    write(root, "train", {1: ((100, 100), boxes, ["A car."])})
    truth = ready(root).splits["train"].objects
    assert [NAMES[number - 3] for number in truth.classes[0]] == ["car", "person", "dog", "car", "car"]
    assert truth.extents[0, 0].tolist() == pytest.approx([0.2, 0.5])
    assert truth.extents[0, 3].tolist() == pytest.approx([0.2, 0.6])


# Which images and which boxes


def test_small_boxes_and_what_has_no_other_or_no_caption_are_left_out(root) -> None:
    data = ready(root)
    assert data.scene_ids("train") == [3, 3, 3, 5, 5, 9]
    assert data.scene_ids("val") == data.scene_ids("test") == [1, 1]
    assert data.truth("val").present.sum(1).tolist() == [1, 1]


def test_a_split_that_is_not_filtered_keeps_small_boxes_and_images_without_any(root) -> None:
    data = ready(root, filtered=["train", "val"])
    assert data.scene_ids("test") == [1, 1, 4] and data.scene_ids("val") == [1, 1]
    assert data.truth("test").present.sum(1).tolist() == [2, 2, 0]
    (batch,) = data.test_dataloader()[0]
    assert batch.target.classes[batch.rows == 2].tolist() == [[EOS, PAD, PAD]]


def test_targets_hold_nine_boxes_and_end_truth_holds_all(root) -> None:
    data = ready(root, batch_size=9)
    (batch,) = data.train_dataloader()
    assert batch.target.classes.shape == (3, 10) and batch.truth is None
    crowded = batch.target.classes[batch.rows == 5][0]
    assert crowded[9] == EOS and PAD not in crowded
    assert data.splits["train"].objects.present.sum(1).max() == 12
    assert (batch.target.attributes["size"][~batch.target.present] == 0).all()


def test_every_caption_is_evaluated_and_one_of_each_image_trained_on(root) -> None:
    data = ready(root, batch_size=9)
    assert data.texts("val") == [["A dog looks at a zebra."], ["A red dog"]]
    loader, seen = data.train_dataloader(), set()
    for epoch in range(20):
        loader.set_epoch(epoch)
        (batch,) = loader
        assert sorted(data.scene_ids("train")[row] for row in batch.rows.tolist()) == [3, 5, 9]
        seen.update(batch.rows.tolist())
    assert seen == set(range(6))


def test_words_that_training_does_not_know_are_left_out(root) -> None:
    data = ready(root, stop_words="remove")
    vocabulary = data.reader.language.vocabulary
    known = [vocabulary.tokens([number])[0] for number in data.reader.ids("A dog looks at a zebra, red!")]
    assert known == ["dog", "red"]


def test_part_of_the_training_set_may_validate(root, tmp_path) -> None:
    chosen = tmp_path / "ids.txt"
    chosen.write_text("5\n\n8\n")
    data = ready(root, val_images=str(chosen))
    assert sorted(set(data.scene_ids("train"))) == [3, 9] and set(data.scene_ids("val")) == {5}
    assert set(data.scene_ids("test")) == {1}
    data = ready(root, val_images=3, seed=1)
    train, val = set(data.scene_ids("train")), set(data.scene_ids("val"))
    assert train and val and train | val == {3, 5, 9} and not train & val
    assert set(ready(root, val_images=3, seed=1).scene_ids("val")) == val


def test_objects_without_a_box_inside_their_image_crowds_and_empty_captions_are_told(root, caplog) -> None:
    train = {**TRAIN, 4: ((100, 100), [("dog", 0, 0, 0, 0), ("car", 5, 5, 50, 50)], ["A car.", " "])}
    write(root, "train", train)
    path = root / "annotations/instances_train2017.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["iscrowd"] = "1"
    path.write_text(json.dumps(content))
    with caplog.at_level(logging.INFO):
        data = ready(root)
    told = [record.getMessage() for record in caplog.records]
    assert "train: left out: 1 crowds and 1 objects that have no box inside their image" in told
    assert "train: 1 captions are empty and left out" in told
    assert not [line for line in told if "left out" in line and not line.startswith("train")]
    numbers = data.splits["train"].numbers
    present = data.splits["train"].objects.present.sum(1).tolist()
    assert dict(zip(numbers, present, strict=True)) == {3: 1, 4: 1, 5: 1, 9: 12}


# What is refused


def test_ids_that_are_not_there_and_impossible_draws_are_refused(root, tmp_path) -> None:
    chosen = tmp_path / "ids.txt"
    for bad in ("seven", "9" * 5000, "-5"):
        chosen.write_text(f"5\n{bad}\n")
        with pytest.raises(UserError, match=rf"ids\.txt, line 2: there is no image {bad[:40]}"):
            ready(root, val_images=str(chosen))
    with pytest.raises(UserError, match=r"val_images=nowhere: there is no such file"):
        ready(root, val_images="nowhere")
    with pytest.raises(UserError, match=r"val_images=5: there are 5 to draw from"):
        ready(root, val_images=5)


def test_a_missing_file_is_named_with_how_to_get_it(root) -> None:
    (root / "annotations/captions_val2017.json").unlink()
    with pytest.raises(UserError, match=r"captions_val2017\.json: there is no such file.*prepare\.py"):
        ready(root, fetch="python src/prepare.py data=coco_layout")


def test_files_of_other_categories_are_refused(root) -> None:
    write(root, "val", VAL, names=("dog", "person", "car"))
    with pytest.raises(UserError, match=r"instances_val2017\.json: its categories are not those"):
        ready(root)


def test_a_split_without_a_single_layout_is_refused(root) -> None:
    with pytest.raises(UserError, match=r"no image of the \w+ set has .*min_area=2"):
        ready(root, min_area=2)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"heads": {"size": {"classes": 1}}}, "heads.size.classes=1"),
        ({"heads": {"aspect": {"classes": 16}}}, "heads.aspect.classes=16: an odd number"),
        (
            {"heads": {"pose": {"classes": 7}}},
            "heads.pose: .* it has size, aspect",
        ),
        ({"max_objects": 0}, "data.max_objects must be at least 1"),
    ],
    ids=["size", "aspect", "pose", "max_objects"],
)
def test_choices_without_a_meaning_are_refused(root, settings, reason) -> None:
    with pytest.raises(UserError, match=reason):
        ready(root, **settings)


# What a checkpoint knows


def test_fewer_and_coarser_heads_are_learnt(root) -> None:
    data = ready(root, heads={"size": {"classes": 5}})
    assert list(data.schema.heads) == ["size"]
    assert data.truth("train").attributes["size"].max() <= 4


def test_a_checkpoint_brings_words_classes_and_heads(root) -> None:
    first = ready(root, heads={"size": {"classes": 5}})
    second = CocoLayout(root=str(root), cache=str(root / "cache"))
    second.use(first.description())
    second.setup("test")
    assert second.schema == first.schema and "train" not in second.splits
    assert torch.equal(second.truth("test").attributes["size"], first.truth("test").attributes["size"])


@pytest.mark.parametrize(("split", "images", "boxes"), [("train", 3850, 14064), ("val", 911, 3527)])
def test_published_layouts_are_those_of_the_files_after_filtering(shared_data, split, images, boxes) -> None:
    found = CocoLayout(root=str(shared_data / "coco_layout"), cache=".cache")._read(split)
    assert (len(found.numbers), int(found.objects.present.sum())) == (images, boxes)
    areas = found.objects.extents.prod(2)[found.objects.present]
    assert areas.min() > 0.01 and areas.max() <= 1
    assert all(texts for texts in found.texts)
