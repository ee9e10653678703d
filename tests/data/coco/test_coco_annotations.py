"""COCO's annotation files: what is read of small ones and of the published ones, and what is refused."""

import copy
import json
from array import array
from collections.abc import Iterator
from functools import partial, reduce
from operator import getitem
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest

from seq2scene.data.coco.annotations import (
    ARCHIVE,
    Licenses,
    left_out,
    read_captions,
    read_instances,
    read_panoptic,
    read_regions,
)
from seq2scene.errors import UserError
from seq2scene.scenes.boxes import inside

IMAGES = [
    {"id": 9, "file_name": "9.jpg", "width": 640, "height": 480},
    {"id": 4, "file_name": "4.jpg", "width": 427, "height": 640},
    {"id": 7, "file_name": "7.jpg", "width": 500, "height": 375},
]
CATEGORIES = [
    {"id": 18, "name": "dog", "supercategory": "animal"},
    {"id": 3, "name": "car", "supercategory": "vehicle"},
]


def box(number: int, image: int, category: int, bbox: list[Any], **more: Any) -> dict[str, Any]:
    return {"id": number, "image_id": image, "category_id": category, "bbox": bbox, "iscrowd": 0, **more}


def instances(*annotations: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {"images": IMAGES, "categories": CATEGORIES, "annotations": list(annotations), **parts}


def write(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


BOXES = [
    box(1, 9, 3, [1, 2, 3.5, 4], segmentation=[[1, 2, 3, 4]]),
    box(2, 4, 18, [5, 6, 7, 8]),
    box(3, 9, 18, [9, 9, 9, 9], iscrowd=1, segmentation={"counts": [1], "size": [2, 2]}),
    box(4, 9, 18, [0, 0, 2, 2]),
]


def test_objects_stand_by_image_and_crowds_are_left_out(tmp_path) -> None:
    found = read_instances(write(tmp_path / "a/instances.json", instances(*BOXES)))
    assert found.images.ids.tolist() == [4, 7, 9] and found.images.files == ["4.jpg", "7.jpg", "9.jpg"]
    assert found.images.sizes.tolist() == [[427, 640], [500, 375], [640, 480]]
    assert found.ids.tolist() == [2, 1, 4] and found.image.tolist() == [0, 2, 2]
    assert [found.names[category] for category in found.category] == ["dog", "car", "dog"]
    assert (found.category_ids, found.supercategories) == ((18, 3), ("animal", "vehicle"))
    assert found.boxes.tolist() == [[5, 6, 7, 8], [1, 2, 3.5, 4], [0, 0, 2, 2]]


def test_segmentations_are_kept_as_plain_memory_and_only_where_asked_for(tmp_path) -> None:
    forms = (
        [[1, 2, 3.5, 4]],
        {"size": [2, 2], "counts": "04"},
        {"size": [2, 2], "counts": [0, 4]},
        [[1, "2"]],
    )
    boxes = [box(k, 4, 3, [1, 2, 3, 4], segmentation=form) for k, form in enumerate(forms)]
    path = write(tmp_path / "a/instances.json", instances(*boxes, box(8, 4, 3, [1, 2, 3, 4])))
    assert read_instances(path, segmentations=True).segmentations == [
        [array("d", [1, 2, 3.5, 4])],
        {"size": [2, 2], "counts": b"04"},
        {"size": [2, 2], "counts": array("q", [0, 4])},
        [[1, "2"]],
        None,
    ]
    assert read_instances(path).segmentations == []


def test_licences_stand_by_image(tmp_path) -> None:
    photos = [{**IMAGES[0], "license": 3}, *IMAGES[1:]]
    path = write(tmp_path / "a/instances.json", instances(images=photos, licenses=[{"id": 3, "name": "BY"}]))
    found = read_instances(path, segmentations=True)
    assert found.licenses == Licenses([None, None, 3], {3: ("BY", None)})
    assert read_instances(path).licenses == Licenses([None] * 3, {})  # nobody asked


SEGMENTS = [
    {"image_id": 9, "file_name": "9.png", "segments_info": [{"id": 70, "category_id": 3}]},
    {
        "image_id": 4,
        "file_name": "4.png",
        "segments_info": [{"id": 8, "category_id": 18}, {"id": 9, "category_id": 3, "iscrowd": 1}],
    },
]


def panoptic(*annotations: dict[str, Any]) -> dict[str, Any]:
    categories = [{**entry, "isthing": entry["id"] == 3} for entry in CATEGORIES]
    return {"images": IMAGES, "categories": categories, "annotations": list(annotations)}


def test_segments_stand_by_image_and_crowds_are_left_out(tmp_path) -> None:
    found = read_panoptic(write(tmp_path / "a/panoptic.json", panoptic(*SEGMENTS)))
    assert (found.ids.tolist(), found.image.tolist(), found.category.tolist()) == ([8, 70], [0, 2], [0, 1])
    assert found.files == ["4.png", None, "9.png"] and found.is_thing == (False, True)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ({**SEGMENTS[0], "segments_info": [{"id": 1, "category_id": 5}]}, "there is no such category_id: 5"),
        ({**SEGMENTS[0], "segments_info": [{"id": 1}]}, "segment 1: it has no category_id"),
        ({**SEGMENTS[0], "segments_info": None}, "image 9 has no list of segments_info"),
        (SEGMENTS[1], "image 4 has a second map"),
        ({"image_id": 9}, r'entry 0 of "annotations": it has no file_name'),
        ({**SEGMENTS[0], "file_name": 9}, "its file_name is no text: 9"),
        (
            {**SEGMENTS[0], "segments_info": 2 * SEGMENTS[0]["segments_info"]},
            "segment 70: image 9 has two segments of this id",
        ),
        (
            {**SEGMENTS[0], "segments_info": [{"id": 70, "category_id": 3, "iscrowd": "no"}]},
            "segment 70: its iscrowd is neither 0 nor 1: 'no'",
        ),
    ],
    ids=["category", "field", "list", "second", "file", "name", "twice", "crowd"],
)
def test_what_is_wrong_with_segments_is_said(tmp_path, entry, reason) -> None:
    annotations = [entry, SEGMENTS[1]] if entry is SEGMENTS[1] else [entry]
    path = write(tmp_path / "a/panoptic.json", panoptic(*annotations))
    with pytest.raises(UserError, match=f"panoptic.json.*{reason}"):
        read_panoptic(path)


def test_captions_stand_by_image_in_the_order_of_the_file(tmp_path) -> None:
    said = [(9, "A dog. "), (4, "A car."), (9, "Two\u2019s company.")]
    said = [{"id": n, "image_id": image, "caption": text} for n, (image, text) in enumerate(said)]
    path = write(tmp_path / "a/captions.json", {"images": IMAGES, "annotations": said})
    assert read_captions(path).texts == [["A car."], [], ["A dog.", "Two\u2019s company."]]


def test_a_file_without_any_object_is_read(tmp_path) -> None:
    found = read_instances(write(tmp_path / "a/instances.json", instances()))
    assert found.boxes.shape == (0, 4) and len(found.images.ids) == 3


def test_the_official_archive_may_stay_packed(tmp_path) -> None:
    with ZipFile(tmp_path / ARCHIVE, "w") as packed:
        packed.writestr("annotations/instances_val2017.json", json.dumps(instances(*BOXES)))
    folder = tmp_path / "annotations"
    assert read_instances(folder / "instances_val2017.json").ids.tolist() == [2, 1, 4]
    with pytest.raises(UserError, match=r"captions_val2017\.json: there is no such file, nor is it in .*zip"):
        read_captions(folder / "captions_val2017.json")
    (tmp_path / ARCHIVE).write_bytes(b"half a download")
    with pytest.raises(UserError, match="a damaged archive"):
        read_captions(folder / "captions_val2017.json")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ('{"images": [', r"line 1, column 13: not JSON"),
        ([], r'no list "images"'),
        ({"images": IMAGES, "annotations": []}, r'no list "categories"'),
        ("[" * 100_000, "nested too deeply"),
        ('{"images": [' + 5000 * "9" + "]}", "JSON that cannot be read"),
        ({**instances(), "categories": {}}, r'no list "categories"'),
        (instances({"id": 1, "image_id": 9, "bbox": [1, 2, 3, 4]}), r"annotation 1: it has no category_id"),
        (instances(BOXES[0], {"image_id": 9}), r'entry 1 of "annotations": it has no bbox'),
        (instances(BOXES[0], 5), r'entry 1 of "annotations": it is no object with fields, but 5'),
        (instances(BOXES[0], box("1", 4, 3, [1, 2, 3, 4])), r"annotation '1': its id is no whole number"),
        (instances(BOXES[0], BOXES[1], BOXES[0]), r"there are two annotations 1; leave one out"),
        (instances(BOXES[2], box(8, 6, 3, [1, 2, 3, 4])), r"annotation 8: there is no such image_id: 6"),
        (instances(box(8, -1, 3, [1, 2, 3, 4])), r"annotation 8: there is no such image_id: -1"),
        (instances(box(8, 9, 2, [1, 2, 3, 4])), r"annotation 8: there is no such category_id: 2"),
        (instances(box(8, 9, 99, [1, 2, 3, 4])), r"annotation 8: there is no such category_id: 99"),
        (instances(box(8, 9, 2**128, [1, 2, 3, 4])), r"annotation 8: its category_id has more than 64 bits"),
        (instances(box(2**128, 9, 3, [1, 2, 3, 4])), r"annotation \d+: its id has more than 64 bits"),
        (instances(box(8, "9", 3, [1, 2, 3, 4])), r"annotation 8: its image_id is no whole number: '9'"),
        (instances(box(8, True, 3, [1, 2, 3, 4])), r"annotation 8: its image_id is no whole number: True"),
        (instances(box(8, 9, 3, [1, 2, 3])), r"annotation 8: its bbox is .* not \[1, 2, 3\]"),
        (instances(BOXES[0], box(8, 9, 3, [1, 2, float("nan"), 1])), r"annotation 8: its bbox is .* nan"),
        (instances(box(8, 9, 3, [1, 2, float("inf"), 1])), r"annotation 8: its bbox is .* inf"),
        (instances(box(8, 9, 3, ["1", "2", "3", "4"])), r"annotation 8: its bbox is .* \['1', "),
        (instances(box(8, 9, 3, [True, 2, 3, 4])), r"annotation 8: its bbox is .* \[True, "),
        (instances(box(8, 9, 3, [10**400, 2, 3, 4])), r"annotation 8: its bbox is .* \[1000"),
        (instances(box(8, 9, 3, "none")), r"annotation 8: its bbox is .* 'none'"),
        (instances({**BOXES[0], "iscrowd": "no"}), r"annotation 1: its iscrowd is neither 0 nor 1: 'no'"),
        (instances({**BOXES[0], "iscrowd": 2}), r"annotation 1: its iscrowd is neither 0 nor 1: 2"),
        (instances({**BOXES[0], "iscrowd": []}), r"annotation 1: its iscrowd is neither 0 nor 1: \[\]"),
        (instances(images=[*IMAGES, IMAGES[0]]), "two images 9"),
        (instances(images=[{**IMAGES[0], "height": 0}]), "image 9: 640 x 0 pixels"),
        (instances(images=[{**IMAGES[0], "height": 10**9}]), "image 9: 640 x 1000000000 pixels"),
        (instances(images=[{**IMAGES[0], "width": "640"}]), "image 9: its width is no whole number: '640'"),
        (instances(images=[{**IMAGES[0], "width": 2**64}]), "image 9: its width has more than 64 bits"),
        (instances(images=[{**IMAGES[0], "file_name": 9}]), "image 9: its file_name is no text: 9"),
        (instances(categories=[{"id": 3, "name": 7}]), "category 3: its name is no text: 7"),
        (instances(categories=[{"id": 3, "name": " "}]), "category 3: its name is empty"),
        (instances(categories=[{"id": 3, "name": "\ud83d"}]), "category 3: its name has half a character"),
        (instances(categories=[{**CATEGORIES[0], "id": 2**128}]), "category .*id has more than 64 bits"),
        (instances(categories=[{**CATEGORIES[0], "supercategory": 7}]), "its supercategory is no text: 7"),
        (instances(categories=[*CATEGORIES, {"id": 3, "name": "van"}]), "there are two categories 3"),
        (instances(categories=[*CATEGORIES, {"id": 4, "name": "car"}]), '2 categories are called "car"'),
    ],
    ids=range(42),
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_said_with_its_place(tmp_path, content, reason) -> None:
    path = write(tmp_path / "a/instances.json", content)
    with pytest.raises(UserError, match=f"instances.json.*{reason}"):
        read_instances(path)


def test_a_missing_file_is_named_with_the_hint(tmp_path) -> None:
    with pytest.raises(UserError, match=r"instances\.json: there is no such file; look elsewhere"):
        read_instances(tmp_path / "a/instances.json", "; look elsewhere")


def test_a_caption_is_a_text(tmp_path) -> None:
    said = [{"id": 1, "image_id": 9, "caption": None}]
    path = write(tmp_path / "a/captions.json", {"images": IMAGES, "annotations": said})
    with pytest.raises(UserError, match=r"captions\.json: annotation 1: its caption is no text: None"):
        read_captions(path)


def test_a_caption_without_a_word_is_left_out_and_counted(tmp_path) -> None:
    said = [{"id": n, "image_id": 9, "caption": text} for n, text in enumerate((" \n", "A dog.", ""))]
    found = read_captions(write(tmp_path / "a/captions.json", {"images": IMAGES, "annotations": said}))
    assert found.texts == [[], [], ["A dog."]] and found.blank.tolist() == [0, 0, 2]


# What is a crowd, and what has a box


@pytest.mark.parametrize(("no", "yes"), [(0, 1), (False, True), ("0", "1"), (0.0, 1.0), (None, 1)])
def test_a_crowd_is_told_by_a_number_a_truth_or_a_text_of_one(tmp_path, no, yes) -> None:
    boxes = [{**BOXES[0], "iscrowd": no}, {**BOXES[1], "iscrowd": yes}, {**BOXES[3], "iscrowd": no}]
    found = read_instances(write(tmp_path / "a/instances.json", instances(*boxes)))
    assert found.ids.tolist() == [1, 4] and found.crowds.tolist() == [1, 0, 0]


@pytest.mark.parametrize(
    "bbox",
    [
        *([0, 0, 0, 0], [50, 50, -5, 10], [50, 50, 10, -5], [5, 5, 0, 9], [5, 5, 9, 0]),
        *([427, 9, 5, 5], [9, 640, 5, 5], [-20, 9, 20, 9], [9, -20, 9, 20], [1e9, 9, 9, 9]),
    ],
    ids=str,
)
def test_objects_without_a_box_inside_their_image_are_left_out_and_counted(tmp_path, bbox) -> None:
    """Image 4 has 427 x 640 pixels."""
    found = read_instances(write(tmp_path / "a/instances.json", instances(*BOXES, box(9, 4, 3, bbox))))
    assert found.ids.tolist() == [2, 1, 4] and found.outside.tolist() == [1, 0, 0]
    assert left_out(found, found.images.ids == 4) == "1 objects that have no box inside their image"
    assert left_out(found, found.images.ids == 9) == "1 crowds" and not left_out(found, np.zeros(3, bool))


@pytest.mark.parametrize("bbox", [[-19, 9, 20, 9], [426.5, 639.5, 9, 9], [5, 5, 0.2, 0.2]], ids=str)
def test_a_box_that_is_partly_inside_counts(tmp_path, bbox) -> None:
    found = read_instances(write(tmp_path / "a/instances.json", instances(box(9, 4, 3, bbox))))
    assert found.boxes.tolist() == [bbox] and not found.outside.any()
    assert (inside(found.boxes, found.images.sizes[:1])[:, 2:] > 0).all()


def test_a_number_with_a_point_may_be_whole(tmp_path) -> None:
    photos = [{**entry, "width": float(entry["width"])} for entry in IMAGES]
    path = write(tmp_path / "a/instances.json", instances({**BOXES[0], "image_id": 9.0}, images=photos))
    found = read_instances(path)
    assert found.images.sizes.tolist() == [[427, 640], [500, 375], [640, 480]] and found.image.tolist() == [2]


def test_what_nobody_reads_may_be_anything(tmp_path) -> None:
    """Licences and segmentations of layouts, boxes and names of stuff."""
    photos = [{**entry, "license": ""} for entry in IMAGES]
    content = instances({**BOXES[0], "segmentation": 7}, images=photos, licenses={})
    assert len(read_instances(write(tmp_path / "a/instances.json", content)).ids) == 1
    content["annotations"][0] |= {"bbox": "no", "segmentation": []}
    content["categories"] = [{"id": 3, "supercategory": "sky"}]
    assert read_regions(write(tmp_path / "a/stuff.json", content)).supercategories == ("sky",)


@pytest.mark.parametrize(("name", "images", "boxes"), [("train", 4002, 29502), ("val", 950, 7278)])
def test_the_published_files_are_read_whole(shared_data, name, images, boxes) -> None:
    folder = shared_data / "coco_layout/annotations"
    found, said = (
        read_instances(folder / f"instances_{name}2017.json"),
        read_captions(folder / f"captions_{name}2017.json"),
    )
    assert (len(found.images.ids), len(found.boxes), len(found.names)) == (images, boxes, 80)
    assert (found.names[0], found.category_ids[0], found.names[-1], found.category_ids[-1]) == (
        *("person", 1),
        *("toothbrush", 90),
    )
    assert found.outside.sum() == (name == "train")  # a box of no width
    assert min(map(len, said.texts)) == 5 and (said.images.ids == found.images.ids).all()


# Whatever is there

ODD = [
    None,
    True,
    7,
    1.5,
    float("nan"),
    float("inf"),
    10**400,
    2**63,
    "",
    "1",
    "\ud800",
    [],
    [[]],
    {},
    [1] * 4,
]


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """The way to everything in a file, of lists to their first."""
    parts = (
        value if isinstance(value, dict) else dict(enumerate(value[:1])) if isinstance(value, list) else {}
    )
    for key, part in parts.items():
        yield *path, key
        yield from places(part, (*path, key))


@pytest.mark.parametrize(
    ("read", "content"),
    [
        (partial(read_instances, segmentations=True), instances(*BOXES, licenses=[{"id": 1, "name": "BY"}])),
        (read_regions, instances(*BOXES)),
        (read_panoptic, panoptic(*SEGMENTS)),
        (read_captions, {"images": IMAGES, "annotations": [{"id": 1, "image_id": 9, "caption": "A dog."}]}),
    ],
    ids=["instances", "stuff", "panoptic", "captions"],
)
def test_anything_in_place_of_a_value_is_read_or_refused_with_its_file(tmp_path, read, content) -> None:
    refused = 0
    for *way, last in places(content):
        for odd in ODD:
            changed = copy.deepcopy(content)
            reduce(getitem, way, changed)[last] = odd
            try:
                read(write(tmp_path / "a/file.json", changed))
            except UserError as error:
                refused += 1
                assert f"{tmp_path}/a/file.json: " in str(error)
    assert refused > 50
