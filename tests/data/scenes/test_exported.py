"""Boxes and masks as annotation tools export them."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from own_files import PHOTOS, TOLD, cvat, label_studio, roboflow, write_captions, write_photos
from seq2scene.data.scenes.exported import ExportedComposite, ExportedLayout
from seq2scene.errors import UserError

FILES = {label_studio: "result.json", cvat: "instances.json", roboflow: "_annotations.coco.json"}


def ready(kind: type, root: Path, train: str, **options):
    common = {"root": str(root), "cache": str(root / "cache"), "captions": "captions.csv", "min_count": 1}
    data = kind(train=train, **{"val": 2, "tests": {"test": 1}, **common, **options})
    data.prepare_data()
    data.setup()
    return data


@pytest.mark.parametrize("tool", FILES, ids=lambda tool: tool.__name__)
def test_the_same_boxes_are_read_from_every_tool(tmp_path: Path, tool: Callable, caplog) -> None:
    tool(tmp_path)
    write_captions(tmp_path / "captions.csv")
    with caplog.at_level(logging.INFO):
        data = ready(ExportedLayout, tmp_path, FILES[tool])
    versions = 2 if tool is roboflow else 1
    assert data.schema.names == ("dog", "cat", "ball")
    sizes = [len(data.splits[split].numbers) for split in ("train", "val", "test")]
    assert sizes == [5 * versions, 2 * versions, 1 * versions]
    for split in data.splits.values():  # the photo of a dog has a caption of dogs
        for classes, texts in zip(split.objects.classes.tolist(), split.texts, strict=True):
            assert f"{data.schema.name(classes[0])}s" in texts[0][0]
    first = torch.cat([data.splits["train"].objects.places[0, 0], data.splits["train"].objects.extents[0, 0]])
    assert first.tolist() == pytest.approx(
        [8.25 / 40 - 0.0125, (5 + 25 / 2 + 10) / 40 - 0.0125, 16.5 / 40, 25 / 40]
    )
    assert f"{len(PHOTOS) * versions} boxes reach beyond their photo" in caplog.text


def test_what_is_left_out_is_counted(tmp_path: Path, caplog) -> None:
    label_studio(tmp_path)
    write_captions(tmp_path / "captions.csv", [*TOLD[:-4], ("other.png", "Nobody.")])
    with caplog.at_level(logging.INFO):
        data = ready(ExportedLayout, tmp_path, "result.json", min_boxes=5, val=1)
    assert data.schema.names == ("ball",)
    for said in ("classes with fewer than data.min_boxes=5 objects: dog (4), cat (4)",
                 "6 of its 8 photos have captions", "1 photos of it are not in"):  # fmt: skip
        assert said in caplog.text


def test_another_file_is_read_by_the_names_of_its_classes(tmp_path: Path, caplog) -> None:
    label_studio(tmp_path)
    write_captions(tmp_path / "captions.csv")
    told = json.loads((tmp_path / "result.json").read_text())
    told["categories"] = [{"id": 7 - one["id"], "name": one["name"]} for one in told["categories"]]
    for one in told["annotations"]:
        one["category_id"] = 7 - one["category_id"]
    (tmp_path / "val.json").write_text(json.dumps(told))
    with caplog.at_level(logging.INFO):
        data = ready(ExportedLayout, tmp_path, "result.json", val="val.json", tests={"test": "result.json"})
    assert torch.equal(data.splits["val"].objects.classes, data.splits["test"].objects.classes)
    assert "val: 8 of 8 photos are in the training set too" in caplog.text


def test_composites_are_cut_from_masks_that_are_marked_as_crowds(tmp_path: Path) -> None:
    cvat(tmp_path)
    write_photos(tmp_path / "images")
    write_captions(tmp_path / "captions.csv")
    options = {"photos": "images", "side": 16, "photo_side": 16, "min_thing": 0.0}
    data = ready(ExportedComposite, tmp_path, "instances.json", **options)
    assert data.schema.names == ("dog", "cat", "ball") and data.schema.things == 3
    assert [len(data.splits[split].numbers) for split in ("train", "val", "test")] == [5, 2, 1]
    assert data.splits["train"].objects.present.sum() == 10
    assert next(iter(data.train_dataloader())).photos is not None


@pytest.mark.parametrize(
    ("captions", "said"),
    [
        ("image,caption\nx.png,a\n", "none of the photos of this table"),
        ("image,caption\nsame.png,a\n", "line 2: same.png may be a/same.png or b/same.png"),
    ],
)
def test_captions_of_unknown_photos_are_refused(tmp_path: Path, captions: str, said: str) -> None:
    cvat(tmp_path)
    told = json.loads((tmp_path / "instances.json").read_text())
    for image, name in zip(told["images"], ("a/same.png", "b/same.png"), strict=False):
        image["file_name"] = name
    (tmp_path / "instances.json").write_text(json.dumps(told))
    (tmp_path / "captions.csv").write_text(captions)
    with pytest.raises(UserError) as refusal:
        ready(ExportedLayout, tmp_path, "instances.json")
    assert said in str(refusal.value)


def test_boxes_alone_make_no_composites(tmp_path: Path) -> None:
    label_studio(tmp_path)
    write_captions(tmp_path / "captions.csv")
    with pytest.raises(UserError, match="composites need polygons or masks"):
        ready(ExportedComposite, tmp_path, "result.json")
