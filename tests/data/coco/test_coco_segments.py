"""Segments of COCO photos: things and parts of stuff, which are kept, in which order, and what is refused."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as run_lengths
from scipy import ndimage

from seq2scene.data.coco.annotations import License
from seq2scene.data.coco.segments import canonical_order, distinct, mask_of, opened, read_segments
from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.errors import UserError
from seq2scene.scenes.boxes import inside, on_square
from seq2scene.scenes.run_lengths import unpacked

WIDTH, HEIGHT = 40, 30
THINGS = [
    {"id": 18, "name": "dog", "supercategory": "animal"},
    {"id": 3, "name": "car", "supercategory": "vehicle"},
]
STUFF = [
    {"id": 183, "name": "other", "supercategory": "other"},
    {"id": 157, "name": "sky-other", "supercategory": "sky"},
    {"id": 124, "name": "grass", "supercategory": "plant"},
    {"id": 106, "name": "clouds", "supercategory": "sky"},
]
ALL = {"overlap": None, "min_thing": 0, "min_stuff": 0, "max_objects": None}
HALF = np.ones((HEIGHT // 2, WIDTH // 2), dtype=bool)
ELLIPSE = np.array([[0, 0, 1, 0, 0], [1] * 5, [1] * 5, [1] * 5, [0, 0, 1, 0, 0]], dtype=bool)


def rectangle(left: int, top: int, width: int, height: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask[top : top + height, left : left + width] = True
    return mask


def packed(mask: np.ndarray) -> dict[str, Any]:
    found = run_lengths.encode(np.asfortranarray(mask.view(np.uint8)))
    return {"size": list(mask.shape), "counts": found["counts"].decode()}


def unpacked_counts(mask: np.ndarray) -> dict[str, Any]:
    return {"size": list(mask.shape), "counts": unpacked(packed(mask)["counts"].encode()).tolist()}


def corners(left: float, top: float, width: float, height: float) -> list[float]:
    right, bottom = left + width, top + height
    return [left, top, right, top, right, bottom, left, bottom]


def note(number: int, image: int, category: int, box: list[float], segmentation: Any) -> dict[str, Any]:
    found = {"id": number, "image_id": image, "category_id": category, "bbox": box, "iscrowd": 0}
    return {**found, "segmentation": segmentation}


def thing(number: int, category: int, *box: int, image: int = 1) -> dict[str, Any]:
    return note(number, image, category, [*box], [corners(*box)])


def region(number: int, category: int, mask: np.ndarray, image: int = 1) -> dict[str, Any]:
    return note(number, image, category, [0, 0, 1, 1], packed(mask))


def images(*numbers: int) -> list[dict[str, Any]]:
    return [{"id": n, "file_name": f"{n}.jpg", "width": WIDTH, "height": HEIGHT} for n in numbers]


def write(
    root: Path, things: list[dict], stuff: list[dict] = (), photos: list[dict] | None = None, **more: Any
) -> Path:
    (root / "annotations").mkdir(exist_ok=True)
    photos = photos or images(1)
    for kind, found, categories in (("instances", things, THINGS), ("stuff", stuff, STUFF)):
        content = {"images": photos, "annotations": list(found), "categories": categories, **more}
        (root / f"annotations/{kind}_tiny.json").write_text(json.dumps(content))
    return root


# Masks


def test_polygons_and_run_lengths_of_both_forms_are_the_same_mask(tmp_path) -> None:
    mask = rectangle(5, 6, 20, 10)
    forms = [[corners(5, 6, 20, 10)], packed(mask), unpacked_counts(mask)]
    write(tmp_path, [note(k, 1, 18, [5, 6, 20, 10], form) for k, form in enumerate(forms)])
    segments = read_segments(tmp_path, "tiny", **ALL)
    assert segments.areas.tolist() == [200] * 3 and len({*segments.runs}) == 1
    for number in range(3):
        found = mask_of(segments, number)
        assert found.dtype == bool and (found == mask).all()


def test_a_thing_of_several_polygons_is_all_of_them(tmp_path) -> None:
    both = [corners(1, 1, 10, 10), corners(5, 5, 10, 10), [3, 3, 4, 4]]  # two corners enclose nothing
    write(tmp_path, [note(7, 1, 3, [1, 1, 14, 14], both)])
    segments = read_segments(tmp_path, "tiny", **ALL)
    assert (mask_of(segments, 0) == rectangle(1, 1, 10, 10) | rectangle(5, 5, 10, 10)).all()
    assert segments.ids == ["000000000007"] and segments.names[segments.category[0]] == "car"


def test_crowds_are_left_out_and_things_without_a_pixel_counted(tmp_path) -> None:
    crowd = {**note(1, 1, 18, [0, 0, 9, 9], {"size": [1, 1], "counts": [1]}), "iscrowd": 1}
    empty = [note(2, 1, 18, [0, 0, 9, 9], []), note(3, 1, 18, [0, 0, 9, 9], [[1, 1, 8, 8]])]
    empty.append(note(4, 1, 18, [0, 0, 9, 9], unpacked_counts(rectangle(0, 0, 0, 0))))
    write(tmp_path, [crowd, *empty, thing(5, 18, 1, 1, 9, 9)])
    segments = read_segments(tmp_path, "tiny", **ALL)
    assert segments.ids == ["000000000005"] and segments.tally.empty == 3


# Stuff


def test_stuff_is_opened_with_an_ellipse_that_may_reach_over_the_edge() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        noise = rng.normal(size=rng.integers(1, 40, 2))
        mask = ndimage.gaussian_filter(noise, rng.uniform(0.3, 2)) > -0.05
        fits = ndimage.binary_erosion(mask, ELLIPSE, border_value=1)
        assert (opened(mask) == ndimage.binary_dilation(fits, ELLIPSE)).all()
    assert opened(np.ones((1, 3), dtype=bool)).all() and not opened(rectangle(9, 9, 4, 20)).any()


def test_each_connected_part_of_a_region_is_a_segment(tmp_path) -> None:
    parts = rectangle(0, 0, 10, 10), rectangle(20, 4, 15, 20)
    bridge = rectangle(8, 6, 14, 1)  # too thin to stay
    write(tmp_path, [], [region(12, 106, parts[0] | parts[1] | bridge), region(13, 124, bridge)])
    segments = read_segments(tmp_path, "tiny", **ALL)
    assert segments.ids == ["000000000012_00002", "000000000012_00001"] and segments.tally.empty == 1
    inner = [
        ndimage.binary_dilation(ndimage.binary_erosion(p, ELLIPSE, border_value=1), ELLIPSE) for p in parts
    ]
    assert (mask_of(segments, 0) == inner[1]).all() and (mask_of(segments, 1) == inner[0]).all()
    assert segments.areas.tolist() == [int(inner[1].sum()), int(inner[0].sum())]
    assert segments.boxes.tolist() == [[20, 4, 15, 20], [0, 0, 10, 10]]
    assert (segments.category >= segments.things).all()


def test_parts_that_touch_at_a_corner_are_one(tmp_path) -> None:
    mask = rectangle(0, 0, 0, 0)
    for row, column in ((5, 5), (8, 10), (20, 20)):
        mask[row - 2 : row + 3, column - 2 : column + 3] |= ELLIPSE
    segments = read_segments(write(tmp_path, [], [region(1, 157, mask)]), "tiny", **ALL)
    assert sorted(segments.areas.tolist()) == [17, 34]


def test_stuff_is_classed_by_super_category_in_the_order_of_numbers_and_other_is_left_out(tmp_path) -> None:
    masks = [rectangle(0, 10 * k, 40, 9) for k in range(3)]
    found = [
        region(k, number, mask) for k, (number, mask) in enumerate(zip((157, 183, 124), masks, strict=True))
    ]
    segments = read_segments(write(tmp_path, [], found), "tiny", **ALL)
    assert segments.names == ("dog", "car", "sky", "plant") and segments.things == 2
    assert [segments.names[category] for category in segments.category] == ["plant", "sky"]


def test_images_without_stuff_are_read_and_counted(tmp_path) -> None:
    found = [thing(1, 18, 1, 1, 9, 9, image=4), thing(2, 18, 1, 1, 9, 9, image=2)]
    sky = [region(9, 157, rectangle(0, 0, 40, 9), image=4), region(8, 183, rectangle(0, 0, 40, 9), image=2)]
    segments = read_segments(write(tmp_path, found, sky, images(4, 2)), "tiny", **ALL)
    assert (segments.tally.images, segments.tally.without_stuff) == (2, 1)
    assert segments.image.tolist() == [0, 1, 1] and segments.images.ids.tolist() == [2, 4]


def write_panoptic(root: Path, name: str) -> None:
    """The regions of stuff_NAME.json as panoptic maps, and the things as a segment each."""
    stuff = json.loads((root / f"annotations/stuff_{name}.json").read_text())
    maps = {entry["id"]: np.zeros((entry["height"], entry["width"]), dtype=int) for entry in stuff["images"]}
    segments = {number: [{"id": 1, "category_id": 1, "iscrowd": 0}] for number in maps}
    for entry in stuff["annotations"]:
        maps[entry["image_id"]][run_lengths.decode(entry["segmentation"]) > 0] = 999 * entry["id"]
        found = {"id": 999 * entry["id"], "category_id": entry["category_id"], "iscrowd": 0}
        segments[entry["image_id"]].append(found)
    folder = root / f"annotations/panoptic_{name}"
    folder.mkdir(exist_ok=True)
    for number, labels in maps.items():
        colours = np.stack([labels % 256, labels // 256 % 256, labels // 256**2], axis=2).astype(np.uint8)
        Image.fromarray(colours).save(folder / f"{number}.png")
    content = {
        "images": stuff["images"],
        "categories": [{"id": 1, "name": "dog", "supercategory": "animal", "isthing": 1}]
        + [{**entry, "isthing": 0} for entry in stuff["categories"]],
        "annotations": [
            {"image_id": number, "file_name": f"{number}.png", "segments_info": found}
            for number, found in segments.items()
        ],
    }
    folder.with_suffix(".json").write_text(json.dumps(content))


def test_panoptic_maps_tell_of_the_same_stuff(tmp_path) -> None:
    folder = ensure_photos(tmp_path, train=1, val=5)
    write_panoptic(folder, "val2017")
    first, second = (read_segments(folder, "val2017", stuff, **ALL) for stuff in ("stuff", "panoptic"))
    assert first.runs == second.runs and first.names == second.names
    assert (first.category == second.category).all() and (first.boxes == second.boxes).all()
    assert (first.category >= first.things).sum() >= 10
    one = folder / "annotations/panoptic_val2017"
    one.rename(folder / "panoptic_val2017")
    assert read_segments(folder, "val2017", "panoptic", **ALL).runs == first.runs
    Image.new("RGB", (9, 8)).save(folder / "panoptic_val2017/2.png")
    with pytest.raises(
        UserError, match=r"panoptic_val2017/2\.png: 9 x 8 pixels, but its image has 320 x 256"
    ):
        read_segments(folder, "val2017", "panoptic")
    (folder / "panoptic_val2017/2.png").write_bytes(b"half")
    with pytest.raises(UserError, match=r"2\.png is not a readable image"):
        read_segments(folder, "val2017", "panoptic")
    (folder / "panoptic_val2017/2.png").unlink()
    with pytest.raises(UserError, match=r"2\.png: there is no such file"):
        read_segments(folder, "val2017", "panoptic")


# Which segments


def test_of_two_boxes_in_nearly_one_place_the_one_with_more_pixels_stays(tmp_path) -> None:
    lean = note(1, 1, 18, [0, 0, 20, 20], [corners(0, 0, 15, 15)])
    full = [thing(2, 3, 0, 0, 20, 18), thing(3, 3, 0, 0, 20, 12)]  # 0.9 of the first, 0.67 of the second
    write(tmp_path, [lean, *full], [region(4, 157, rectangle(0, 0, 20, 17))])
    segments = read_segments(tmp_path, "tiny", min_thing=0, min_stuff=0)
    assert segments.ids == ["000000000002", "000000000003"] and segments.tally.doubles == 2
    assert len(read_segments(tmp_path, "tiny", **ALL).ids) == 4


def test_what_was_suppressed_suppresses_nothing() -> None:
    boxes = np.array([[0, 0, 100, 10], [0, 0, 84, 10], [0, 0, 70, 10.0]])  # .84, .833 and .7 of each other
    areas = np.array([3, 2, 1])
    assert distinct(boxes, areas, 0.8).tolist() == [0, 2] and distinct(boxes, areas, 0.7).tolist() == [0]
    assert distinct(boxes, areas[::-1], 0.8).tolist() == [0, 2]
    assert distinct(boxes[:2], np.array([5, 5]), 0.84).tolist() == [0]  # at the limit, and of equal areas
    assert (
        distinct(boxes, areas, None).tolist() == [0, 1, 2] and distinct(boxes[:0], areas[:0], 0.8).size == 0
    )


def test_small_things_and_not_so_large_stuff_are_left_out(tmp_path) -> None:
    found = [thing(1, 18, 1, 1, 4, 3), thing(2, 18, 20, 1, 13, 1)]  # 12 of 1200 pixels are 1 %
    stuff = [
        region(3, 157, rectangle(0, 25, 10, 5)),
        region(4, 157, rectangle(20, 20, 10, 10)),
    ]  # 44 and more
    segments = read_segments(write(tmp_path, found, stuff), "tiny")
    assert segments.ids == ["000000000002", "000000000004_00001"] and segments.tally.small == 2
    assert len(read_segments(tmp_path, "tiny", min_thing=0).ids) == 3
    assert len(read_segments(tmp_path, "tiny", min_stuff=0).ids) == 3


def test_images_with_too_many_segments_are_left_out_or_cut(tmp_path) -> None:
    found = [thing(k, 18, 3 * k, k, 3, 8, image=1) for k in range(12)] + [thing(99, 3, 0, 0, 9, 9, image=5)]
    write(tmp_path, found, photos=images(1, 5, 7))
    segments = read_segments(tmp_path, "tiny")
    assert segments.images.ids.tolist() == [5] and (segments.tally.crowded, segments.tally.bare) == (1, 1)
    segments = read_segments(tmp_path, "tiny", crowded="cut")
    assert segments.images.ids.tolist() == [1, 5] and np.bincount(segments.image).tolist() == [11, 1]
    assert segments.ids[0] == "000000000011" and "000000000000" not in segments.ids  # the lowest come first
    assert len(read_segments(tmp_path, "tiny", max_objects=None).ids) == 13


@pytest.mark.slow
def test_processes_share_the_images_and_change_nothing(tmp_path) -> None:
    folder = ensure_photos(tmp_path, train=1, val=40)
    alone, shared = (read_segments(folder, "val2017", min_thing=0.001, workers=n) for n in (1, 3))
    assert alone.runs == shared.runs and alone.ids == shared.ids and alone.tally == shared.tally
    assert alone.images.files == shared.images.files and (alone.boxes == shared.boxes).all()


def test_images_may_be_chosen(tmp_path) -> None:
    write(tmp_path, [thing(k, 18, 0, 0, 9, 9, image=k) for k in (1, 2, 3)], photos=images(1, 2, 3))
    segments = read_segments(tmp_path, "tiny", only=[3, 1])
    assert segments.images.ids.tolist() == [1, 3] and segments.tally.images == 2
    with pytest.raises(UserError, match="there is no image 8"):
        read_segments(tmp_path, "tiny", only=[8])


def test_things_stand_before_stuff_then_the_lowest_then_the_leftmost_then_by_class() -> None:
    boxes = [
        [0, 50, 20, 50],
        [50, 20, 20, 60],
        [10, 60, 30, 20],
        [10, 60, 30, 20],
        [0, 0, 90, 70],
        [0, 0, 1, 1],
    ]
    category = [9, 4, 4, 3, 9, 0]
    assert canonical_order(np.array(boxes, float), np.array(category), 9).tolist() == [3, 2, 1, 5, 0, 4]


# Boxes


@pytest.mark.parametrize(
    ("size", "box", "expected", "share"),
    [
        ((640, 480), (100, 120, 200, 150), (100, 120, 200, 150), (0.311719, 0.553906, 0.3125, 0.234375)),
        ((427, 640), (0, 0, 427, 640), (0, 0, 427, 640), (0.332812, 0.499219, 0.667188, 1)),
        ((640, 427), (10, 300, 600, 60), (10, 300, 600, 60), (0.483594, 0.847656, 0.9375, 0.09375)),
        ((500, 375), (250, 100, 30, 200), (250, 100, 30, 200), (0.529, 0.649, 0.06, 0.4)),
        ((100, 100), (-10, -20, 60, 200), (0, 0, 60, 100), (0.295, 0.495, 0.6, 1)),
        ((100, 100), (99, 50, 0.2, 0), (99, 50, 1, 1), (0.99, 0.5, 0.01, 0.01)),
    ],
)
def test_boxes_lie_inside_their_image_and_so_where_layouts_have_them(size, box, expected, share) -> None:
    found = inside(np.array([box], dtype=float), np.array([size]))
    assert found[0].tolist() == [*expected]
    np.testing.assert_allclose(on_square(found, np.array([size]))[0], share, atol=1e-6)
    np.testing.assert_array_equal(
        on_square(found, np.array([size])), on_square(np.array([box]), np.array([size]))
    )


# Licences


def test_licences_are_kept_as_far_as_the_file_has_them(tmp_path) -> None:
    photos = images(1, 2)
    photos[0]["license"] = 4
    found = [thing(k, 18, 0, 0, 9, 9, image=k) for k in (1, 2)]
    segments = read_segments(write(tmp_path, found, photos=photos), "tiny")
    assert segments.licenses.of_images == [4, None] and segments.licenses.terms == {}
    write(tmp_path, found, photos=photos, licenses=[{"id": 4, "name": "BY", "url": "there"}, {"id": 5}])
    terms = read_segments(tmp_path, "tiny", only=[2]).licenses.terms
    assert terms == {4: License("BY", "there"), 5: License(None, None)}
    photos[1]["license"] = "free"
    with pytest.raises(UserError, match=r"image 2: its license is no whole number: 'free'"):
        read_segments(write(tmp_path, found, photos=photos), "tiny")


# What is refused


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        (packed(HALF), r"run lengths of size \[15, 20\], but its image has height 30"),
        ({"size": [30, 40], "counts": packed(HALF)["counts"]}, "not those of 40 x 30"),
        ({"size": [30, 40], "counts": [5, 5]}, "not those of 40 x 30 pixels"),
        ({"size": [30, 40], "counts": [5, -5, 1200]}, "not those of 40 x 30 pixels"),
        ({"size": [30, 40], "counts": []}, "not those of 40 x 30 pixels"),
        ({"size": [30, 40], "counts": [2**63 - 1, 2**63 - 1, 1202]}, "not those of 40 x 30 pixels"),
        ({"size": [30, 40], "counts": [2**80]}, "counts are no run lengths"),
        ({"size": [30, 40], "counts": "zzz\u00e9"}, "counts are no run lengths: zzz"),
        ({"size": [30, 40], "counts": "!"}, "counts are no run lengths"),
        ({"size": [30, 40], "counts": [5, "5"]}, "counts are no run lengths"),
        ({"counts": [1200]}, "neither polygons"),
        ([[1, 1, 80, 1, 80, 60]], "a polygon has a corner at 80, 1, but the image has 40 x 30 pixels"),
        ([[1, 1, 9, 1, 9, -1e12]], r"corner at 9, -1e\+12"),
        ([[1, 1, 9, 1, 9, float("nan")]], "corner at 9, nan"),
        ([[1, 1, 9, 1, 9, 9, 9]], "a polygon of 7 numbers"),
        ([[1, 1, 9, 1, "9", 9]], "neither polygons"),
        ([1, 1, 9, 1, 9, 9], "neither polygons"),
        ("none", "neither polygons"),
        (None, "neither polygons"),
    ],
    ids=range(19),
)  # fmt: skip
def test_what_is_no_segmentation_of_its_image_is_refused_with_its_annotation(
    tmp_path, segmentation, reason
) -> None:
    write(tmp_path, [thing(5, 18, 0, 0, 9, 9), note(31, 1, 18, [0, 0, 9, 9], segmentation)])
    with pytest.raises(UserError, match=rf"instances_tiny\.json: annotation 31: .*{reason}"):
        read_segments(tmp_path, "tiny")
    write(tmp_path, [], [note(32, 1, 157, [0, 0, 9, 9], segmentation)])
    with pytest.raises(UserError, match=rf"stuff_tiny\.json: annotation 32: .*{reason}"):
        read_segments(tmp_path, "tiny", workers=2)


def test_a_polygon_may_reach_a_little_over_the_edge(tmp_path) -> None:
    write(tmp_path, [note(1, 1, 18, [20, 20, 21, 11], [corners(20, 20, 21.5, 11)])])
    assert (mask_of(read_segments(tmp_path, "tiny"), 0) == rectangle(20, 20, 20, 10)).all()


@pytest.mark.parametrize("box", [[50, 3, 9, 9], [0, 0, 0, 0], [9, 9, -3, 9]], ids=str)
def test_things_without_a_box_in_their_image_are_left_out_and_counted(tmp_path, box) -> None:
    crowd = {**thing(8, 18, 0, 0, 9, 9), "iscrowd": 1}
    sky = {**region(9, 157, rectangle(0, 0, 40, 9)), "iscrowd": 1}
    write(tmp_path, [note(6, 1, 18, box, [corners(1, 1, 9, 9)]), thing(7, 18, 1, 1, 9, 9), crowd], [sky])
    segments = read_segments(tmp_path, "tiny")
    assert segments.ids == ["000000000007"] and (segments.tally.outside, segments.tally.crowds) == (1, 2)


def test_files_and_categories_that_are_not_there_are_named(tmp_path) -> None:
    write(tmp_path, [thing(5, 18, 0, 0, 9, 9)], [region(6, 99, rectangle(0, 0, 9, 9))])
    with pytest.raises(UserError, match=r"stuff_tiny\.json: annotation 6: there is no such category_id: 99"):
        read_segments(tmp_path, "tiny")
    with pytest.raises(UserError, match=r"panoptic_tiny\.json: there is no such file; get it"):
        read_segments(tmp_path, "tiny", "panoptic", hint="; get it")
    (tmp_path / "annotations/stuff_tiny.json").unlink()
    with pytest.raises(UserError, match=r"stuff_tiny\.json: there is no such file; get it"):
        read_segments(tmp_path, "tiny", hint="; get it")
    with pytest.raises(UserError, match=r"instances_none\.json: there is no such file"):
        read_segments(tmp_path, "none")


def test_a_map_is_looked_for_in_its_folder_alone(tmp_path) -> None:
    write_panoptic(
        write(tmp_path, [thing(5, 18, 0, 0, 9, 9)], [region(6, 157, rectangle(0, 0, 9, 9))]), "tiny"
    )
    path = tmp_path / "annotations/panoptic_tiny.json"
    path.write_text(path.read_text().replace("1.png", "../1.png"))
    with pytest.raises(UserError, match=r"panoptic_tiny\.json: the file name '\.\./1\.png' leads out of .*"):
        read_segments(tmp_path, "tiny", "panoptic")


def test_a_folder_without_maps_is_named(tmp_path) -> None:
    write_panoptic(write(tmp_path, [thing(5, 18, 0, 0, 9, 9)]), "tiny")
    folder = tmp_path / "annotations/panoptic_tiny"
    for file in folder.iterdir():
        file.unlink()
    assert len(read_segments(tmp_path, "tiny", "panoptic").ids) == 1  # of its one map no stuff is needed
    folder.rmdir()
    with pytest.raises(UserError, match=r"annotations/panoptic_tiny: there is no such folder of PNG files"):
        read_segments(tmp_path, "tiny", "panoptic")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"images": images(1, 2)}, "image 2 is not in the file of the instances"),
        ({"images": [{**images(1)[0], "width": 80}]}, "image 1 has 80 x 30 pixels, but 40 x 30 in the file"),
        ({"categories": [{"id": 157, "name": "sky-other"}]}, "category 157 has no supercategory"),
        ({"categories": [{**STUFF[1], "supercategory": "dog"}]}, None),
    ],
    ids=["other images", "other sizes", "no supercategory", "two of one name"],
)
def test_stuff_must_be_that_of_the_instances(tmp_path, change, reason) -> None:
    write(tmp_path, [thing(5, 18, 0, 0, 9, 9)])
    path = tmp_path / "annotations/stuff_tiny.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    reason = rf"stuff_tiny\.json: {reason}" if reason else '"dog" is a thing and a super-category of stuff'
    with pytest.raises(UserError, match=reason):
        read_segments(tmp_path, "tiny")


# The park, and the published files


def test_the_photos_of_the_park_have_segments(tmp_path) -> None:
    folder = ensure_photos(tmp_path, train=1, val=8)
    segments = read_segments(folder, "val2017", min_thing=0.002)
    assert segments.names[segments.things :] == ("plant", "sky", "ground", "solid", "water")
    assert len(segments.images.ids) >= 6 and segments.tally.without_stuff == 0
    assert segments.licenses.of_images[0] == 1 and segments.licenses.terms[1].name == "MIT License"
    stuff = segments.category >= segments.things
    assert 0 < stuff.sum() < len(stuff)
    seen = np.zeros((256, 320), dtype=int)
    for number in np.flatnonzero(segments.image == 0):
        mask = mask_of(segments, number)
        seen += mask
        left, top, width, height = segments.boxes[number].astype(int)
        assert mask.sum() == segments.areas[number] == mask[top : top + height, left : left + width].sum()
    assert seen.max() == 1 and seen.mean() > 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "kept", "everything", "without", "empty"),
    [
        ("train2017", (299, 970, 229), (318, 2562, 814), 231, 2),
        ("val2017", (56, 189, 66), (60, 622, 267), 30, 1),
    ],
)
def test_published_photos_have_the_segments_of_their_files(
    shared_data, name, kept, everything, without, empty
) -> None:
    root = shared_data / "coco_composite"
    for settings, expected in (({}, kept), (ALL, everything)):
        segments = read_segments(root, name, **settings)
        stuff = int((segments.category >= segments.things).sum())
        assert (len(segments.images.ids), len(segments.runs) - stuff, stuff) == expected
        assert (segments.tally.without_stuff, segments.tally.empty) == (without, empty)
        assert all(number in range(1, 9) for number in segments.licenses.of_images)
    assert segments.things == 80 and segments.names[80:] == (
        *("textile", "plant", "building", "furniture-stuff", "structural", "raw-material", "floor"),
        *("ceiling", "sky", "ground", "water", "food-stuff", "solid", "wall", "window"),
    )
    areas = np.array([mask_of(segments, number).sum() for number in range(len(segments.runs))])
    assert (areas == segments.areas).all()
