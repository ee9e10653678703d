"""Boxes and masks as annotation tools export them."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from own_files import PHOTOS, TOLD, cvat, label_studio, roboflow, write_captions, write_photos
from seq2scene.data.coco.exported_names import find_photo
from seq2scene.data.scenes.exported import ExportedComposite, ExportedLayout
from seq2scene.errors import UserError
from seq2scene.scenes.objects import FIRST_CLASS

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


def change_images(file: Path, change: Callable[[int, dict], None]) -> None:
    told = json.loads(file.read_text())
    for number, image in enumerate(told["images"]):
        change(number, image)
    file.write_text(json.dumps(told))


def test_photos_without_size_and_annotations_are_left_out_and_told(tmp_path: Path, caplog) -> None:
    label_studio(tmp_path)
    told = json.loads((tmp_path / "result.json").read_text())
    told["images"].insert(3, {"id": 90, "file_name": "images/lost.png", "width": None, "height": None})
    told["images"].append({"id": 91, "file_name": "images/gone.png"})
    (tmp_path / "result.json").write_text(json.dumps(told))
    write_captions(tmp_path / "captions.csv", [*TOLD, ("lost.png", "Nothing.")])
    with caplog.at_level(logging.INFO):
        data = ready(ExportedLayout, tmp_path, "result.json")
    assert [len(data.splits[split].numbers) for split in ("train", "val", "test")] == [5, 2, 1]
    assert (
        "left out: 2 photos without a size, as the annotation tool could not open them, and without "
        "annotations: images/lost.png, images/gone.png"
    ) in caplog.text


@pytest.mark.parametrize("side", ["width", "height"])
@pytest.mark.parametrize("value", [None, 0])
def test_a_photo_without_a_size_that_has_annotations_is_refused(tmp_path: Path, side: str, value) -> None:
    label_studio(tmp_path)
    write_captions(tmp_path / "captions.csv")
    change_images(tmp_path / "result.json", lambda n, image: image.update({side: value} if n == 2 else {}))
    with pytest.raises(UserError) as refusal:
        ready(ExportedLayout, tmp_path, "result.json")
    said = "result.json: image 2: it has 2 annotations, but no size; write the width and height of 'images/"
    assert said in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("x.jpg", "x.jpg"),
        ("other/x.jpg", "x.jpg"),
        ("/data/upload/1/x.jpg", "1/x.jpg"),
        ("/data/upload/2/x.jpg", "x.jpg"),
        ("../../2/x.jpg", "x.jpg"),
        ("/data/../1/x.jpg", "1/x.jpg"),
        ("1/../x.jpg", "x.jpg"),
        ("C:\\photos\\1\\x.jpg", "1/x.jpg"),
        ("s3://bucket/1/x.jpg", "1/x.jpg"),
        ("s3://bucket/what?.jpg", "what?.jpg"),
        ("https://host/1/x.jpg?signature=a%2Fb", "1/x.jpg"),
        ("https://host/1/x.jpg?from=2/y.jpg", "1/x.jpg"),
        ("https://host/2/z.jpg?from=y.jpg", None),
        ("https://host/2/z.jpg?from=/y.jpg", None),
        ("https://host/x.jpg?" + 300 * "a", "x.jpg"),
        ("https://host/o/1%2Fmy%20photo.jpg", "1/my photo.jpg"),
        ("my%20photo.jpg", "my photo.jpg"),
        ("50%25.jpg", "50%25.jpg"),
        ("/data/local-files/?d=1/x.jpg", "1/x.jpg"),
        ("/data/local-files/?d=1/my%20photo.jpg", "1/my photo.jpg"),
        ("http://host/data/local-files/?d=1/x.jpg", "1/x.jpg"),
        ("%2e%2e/secret.jpg", None),
        ("/secret.jpg", None),
        ("x.jpg/", "x.jpg"),
    ],
)
def test_an_exported_name_leads_to_the_photo_of_the_longest_end_of_its_path(
    tmp_path: Path, name: str, file: str | None
) -> None:
    folder = tmp_path / "photos"
    write_photos(folder, ["x.jpg", "1/x.jpg", "y.jpg", "my photo.jpg", "1/my photo.jpg", "50%.jpg"])
    write_photos(folder, ["50%25.jpg", "what?.jpg"])
    write_photos(tmp_path, ["secret.jpg"])
    found = find_photo(folder, name, Path("result.json"))
    assert found.is_relative_to(folder) and ".." not in found.parts
    assert found == folder / file if file else not found.is_file()


def addressed(number: int, image: dict) -> None:
    """Names as Label Studio writes them without copies of the photos."""
    name = image["file_name"]
    image["file_name"] = (
        f"/data/upload/1/0000000a-{name}",
        f"https://host/photos/{name}?signature=a/b",
        f"s3://bucket/photos/{name.replace('.', '%2E')}",
        f"/data/local-files/?d={name}",
    )[number % 4]


def test_composites_and_their_captions_are_those_of_photos_named_by_address(tmp_path: Path) -> None:
    cvat(tmp_path)
    change_images(tmp_path / "instances.json", addressed)
    files = [f"0000000a-{name}" if n % 4 == 0 else name for n, name in enumerate(PHOTOS)]
    write_photos(tmp_path / "images", files)
    write_captions(tmp_path / "captions.csv")
    options = {"photos": "images", "side": 16, "photo_side": 16, "min_thing": 0.0}
    data = ready(ExportedComposite, tmp_path, "instances.json", **options)
    assert data.stores["train"].files.tolist() == files
    for split in data.splits.values():
        for classes, texts in zip(split.objects.classes.tolist(), split.texts, strict=True):
            kinds = {data.schema.name(one) for one in classes if one >= FIRST_CLASS} - {"ball"}
            assert [f"one of the {kind}s." for kind in kinds] == [texts[0][0]]
    compositor = data.compositor("train")  # which opens the photos themselves
    for row, file in enumerate(files):
        with Image.open(tmp_path / "images" / file) as photo:
            small = np.asarray(photo.resize((20, 15), Image.Resampling.LANCZOS))
        assert (compositor.photo(row, 20)[5:] == small).all()


@pytest.mark.parametrize("other", ["b/0.png", "/data/upload/2/0.png", "s3://bucket/0.png", "0%2Epng"])
def test_two_exported_names_are_never_one_photo(tmp_path: Path, other: str) -> None:
    cvat(tmp_path)
    write_photos(tmp_path)
    write_captions(tmp_path / "captions.csv")
    change_images(tmp_path / "instances.json", lambda n, one: one.update(file_name=other) if n == 1 else None)
    with pytest.raises(UserError) as refusal:
        ready(ExportedComposite, tmp_path, "instances.json", min_thing=0.0)
    said = f"'0.png' and '{other}' would both be the photo {tmp_path / '0.png'}; keep each in {tmp_path} with"
    assert said in str(refusal.value)


def test_missing_photos_with_absolute_names_are_named(tmp_path: Path) -> None:
    cvat(tmp_path)
    write_photos(tmp_path, PHOTOS[2:])
    write_captions(tmp_path / "captions.csv")
    change_images(tmp_path / "instances.json", lambda n, one: one.update(file_name=f"/data/{n}/{n // 2}.png"))
    (tmp_path / "3.png").unlink()
    with pytest.raises(UserError) as refusal:
        ready(ExportedComposite, tmp_path, "instances.json", min_thing=0.0)
    assert "would both be the photo" in str(refusal.value)  # 2.png, which is there
    (tmp_path / "2.png").unlink()
    with pytest.raises(UserError) as refusal:
        ready(ExportedComposite, tmp_path, "instances.json", min_thing=0.0)
    assert f"8 of 8 photos are not where they are looked for, in {tmp_path}: 0.png" in str(refusal.value)


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
