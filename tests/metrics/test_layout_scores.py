"""Scores of layouts: equal to plain loops, right for known boxes, independent of batching."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from seq2scene.data.coco.annotations import read_instances
from seq2scene.data.scenes.coco_layout import lay_out, on_square
from seq2scene.metrics.layout_scores import LayoutScores, layout_scores
from seq2scene.scenes.boxes import overlap
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Head, Schema

SCHEMA = Schema(
    names=("cat", "dog", "kite"),
    grid=Grid(28, 28, 0.001, 0.001, 0.999, 0.999),
    heads={"size": Head(17), "aspect": Head(17)},
    max_objects=9,
    sentences=1,
    canvas=(1.0, 1.0),
)
SHAPES = ("size", "aspect")
Box = tuple[str, float, float, float, float]  # class, centre x, y, width, height


def objects(*layouts: list[Box]) -> Objects:
    width = max([len(layout) for layout in layouts] + [1])
    classes, boxes = torch.zeros(len(layouts), width, dtype=torch.int64), torch.zeros(len(layouts), width, 4)
    for row, layout in enumerate(layouts):
        for step, (name, *box) in enumerate(layout):
            classes[row, step], boxes[row, step] = SCHEMA.number(name), torch.tensor(box)
    return Objects(classes, boxes[..., :2], {}, boxes[..., 2:])


def score(prediction: list[Box], truth: list[Box]) -> dict[str, float]:
    scores = layout_scores(objects(prediction), objects(truth), SCHEMA)
    return {name: values.item() for name, values in scores.items()}


def random_layouts(seed: int, count: int = 20) -> tuple[list[list[Box]], list[list[Box]]]:
    """Predicted and true layouts of 0 to 8 boxes of few classes, some crossing the edge."""
    random = torch.Generator().manual_seed(seed)

    def layout() -> list[Box]:
        boxes = torch.rand(int(torch.randint(9, (), generator=random)), 4, generator=random)
        names = torch.randint(3, (len(boxes),), generator=random).tolist()
        return [
            (SCHEMA.names[n], x, y, 0.05 + 0.6 * w, 0.05 + 0.6 * h)
            for n, (x, y, w, h) in zip(names, boxes.tolist(), strict=True)
        ]

    return [layout() for _ in range(count)], [layout() for _ in range(count)]


def slow_scores(prediction: list[Box], truth: list[Box]) -> dict[str, float]:
    """The same scores of one layout in plain loops, from their description."""

    def span(box):
        _, x, y, w, h = box
        return [min(max(v, 0), 1) for v in (x - w / 2, x + w / 2, y - h / 2, y + h / 2)]

    def shared(one, other):
        a, b = span(one), span(other)
        return max(min(a[1], b[1]) - max(a[0], b[0]), 0) * max(min(a[3], b[3]) - max(a[2], b[2]), 0)

    def area(box):
        left, right, top, bottom = span(box)
        return (right - left) * (bottom - top)

    def kernel(*differences):
        return math.exp(-0.5 * sum((d / 0.2) ** 2 for d in differences))

    def like_boxes(a, b):
        return kernel(a[1] - b[1], a[2] - b[2])

    def like_pairs(a, b):
        turn = abs(a[2] - b[2])
        return kernel(a[1] - b[1], min(turn, 1 - turn))

    def pairs(boxes):
        found = []
        for place, one in enumerate(boxes):
            for other in boxes[place + 1 :]:
                if shared(one, other) > 0:
                    dx, dy = one[1] - other[1], one[2] - other[2]
                    turn = (math.atan2(dy, dx) + math.pi) / (2 * math.pi)
                    found.append(((one[0], other[0]), math.sqrt(dx * dx + dy * dy + 1e-10), turn))
        return found

    def matches(predicted, true, like):
        free, found = list(true), []
        for item in predicted:
            rivals = [other for other in free if other[0] == item[0]]
            if rivals:
                best = max(rivals, key=lambda other: like(item, other))
                free.remove(best)
                found.append((item, best))
        return found

    def mean(values):
        values = list(values)
        return sum(values) / len(values) if values else 0

    def shares(prefix, predicted, true, found, like):
        precision = len(found) / len(predicted) if predicted else 0
        recall = len(found) / len(true) if true else 0
        return {
            f"{prefix}_precision": precision,
            f"{prefix}_recall": recall,
            f"{prefix}_f3": 10 * precision * recall / (recall + 9 * precision) if found else 0,
            f"{prefix}_coord": mean(like(*pair) for pair in found),
        }

    def ordered(layout):
        return sorted(layout, key=lambda box: (SCHEMA.names.index(box[0]), box[1], box[2]))

    predicted, true = ordered(prediction), ordered(truth)
    found = matches(predicted, true, like_boxes)
    scores = shares("u", predicted, true, found, like_boxes)
    scores["size"] = mean(kernel(math.sqrt(a[3] * a[4]) - math.sqrt(b[3] * b[4])) for a, b in found)
    scores["aspect"] = mean(kernel(a[3] / a[4] - b[3] / b[4]) for a, b in found)
    scores["iou"] = mean(shared(a, b) / (area(a) + area(b) - shared(a, b)) for a, b in found)
    predicted_pairs, true_pairs = pairs(predicted), pairs(true)
    found = matches(predicted_pairs, true_pairs, like_pairs)
    scores |= shares("b", predicted_pairs, true_pairs, found, like_pairs)
    if predicted and not true_pairs:
        scores["b_recall"] = -1
    return scores


@pytest.mark.parametrize("seed", range(10))
def test_scores_are_those_of_plain_loops(seed) -> None:
    predictions, truths = random_layouts(seed)
    scores = layout_scores(objects(*predictions), objects(*truths), SCHEMA)
    for row, (prediction, truth) in enumerate(zip(predictions, truths, strict=True)):
        expected = slow_scores(prediction, truth)
        assert {name: v[row].item() for name, v in scores.items()} == pytest.approx(expected, abs=1e-5)


def test_a_layout_is_like_itself_in_every_way() -> None:
    layout = [("cat", 0.4, 0.4, 0.3, 0.3), ("cat", 0.5, 0.5, 0.3, 0.2), ("dog", 0.2, 0.9, 0.1, 0.1)]
    assert all(value == pytest.approx(1) for value in score(layout, layout[::-1]).values())


def test_a_known_box() -> None:
    """Shifted by 0.2 and twice as wide: centre similarity exp(-1/2), IoU 1/5 ..."""
    scores = score([("cat", 0.6, 0.5, 0.4, 0.2)], [("cat", 0.4, 0.5, 0.2, 0.2), ("dog", 0.4, 0.5, 0.2, 0.2)])
    assert scores["u_precision"] == 1 and scores["u_recall"] == 0.5
    assert scores["u_coord"] == pytest.approx(math.exp(-0.5))
    assert scores["size"] == pytest.approx(math.exp(-0.5 * ((math.sqrt(0.08) - 0.2) / 0.2) ** 2))
    assert scores["aspect"] == pytest.approx(math.exp(-0.5 * 25))
    assert scores["iou"] == pytest.approx(0.02 / 0.10, abs=1e-5)


def test_overlap_is_of_what_lies_on_the_canvas() -> None:
    """These two intersect only beyond the left edge."""
    beyond = [("cat", 0.01, 0.5, 0.2, 0.2), ("dog", -0.1, 0.5, 0.19, 0.2)]
    truth = [("cat", 0.1, 0.5, 0.2, 0.2), ("dog", 0.1, 0.5, 0.2, 0.2)]
    assert score(beyond, truth)["b_precision"] == 0
    assert score(truth, truth)["b_precision"] == 1


def test_no_boxes_and_no_pairs_have_scores_of_their_own() -> None:
    one = [("cat", 0.5, 0.5, 0.1, 0.1)]
    assert set(score([], one).values()) == {0}
    assert set(score(one, []).values()) == {0, -1}
    assert score(one, one)["b_recall"] == -1
    assert set(score([], []).values()) == {0}


def test_overlap_of_boxes_is_that_of_their_areas() -> None:
    boxes = torch.tensor([[0.5, 0.5, 0.4, 0.4], [0.6, 0.5, 0.4, 0.4], [0.1, 0.1, 0.1, 0.1], [0.5, 0.5, 0, 0]])
    expected = torch.tensor([1, 0.12 / 0.20, 0, 0])
    torch.testing.assert_close(overlap(boxes[0], boxes), expected, atol=1e-6, rtol=0)


def test_the_metric_is_the_mean_over_layouts_however_they_are_batched() -> None:
    predictions, truths = random_layouts(50)
    whole, parts = LayoutScores(SCHEMA), LayoutScores(SCHEMA)
    whole.update(objects(*predictions), objects(*truths))
    for start in range(0, len(truths), 3):
        cut = slice(start, start + 3)
        parts.update(objects(*predictions[cut]), objects(*truths[cut]))
    expected, each = whole.compute(), whole.each(objects(*predictions), objects(*truths))
    torch.testing.assert_close(parts.compute(), expected)
    assert expected["iou"].item() == pytest.approx(each["iou"].mean().item())
    told = each["b_recall"] >= 0
    assert 0 < told.sum() < len(told)
    assert expected["b_precision"].item() == pytest.approx(each["b_precision"][told].mean().item())
    assert expected["b_coord"].item() == pytest.approx(each["b_coord"].mean().item())
    assert set(whole.row) <= set(expected)


def test_the_score_leaves_out_what_no_layout_has_to_count() -> None:
    """Without overlaps there are no pairs to find, and predicted pairs do not count."""
    truth, close = [("cat", 0.2, 0.2, 0.1, 0.1)], [("cat", 0.25, 0.2, 0.1, 0.1), ("dog", 0.25, 0.2, 0.1, 0.1)]
    metric = LayoutScores(SCHEMA)
    metric.update(objects(close, truth), objects(truth, truth))
    each, computed = metric.each(objects(close, truth), objects(truth, truth)), metric.compute()
    for name in ("b_precision", "b_recall", "b_f3"):
        assert each[name].isnan().all() and computed[name].isnan()
    row = [computed[name].item() for name in metric.row if not name.startswith("b_")]
    assert len(row) == 6 and metric.score(computed).item() == pytest.approx(sum(row) / 6)
    metric.update(objects(close), objects(close))  # one that has a pair
    assert metric.compute()["b_precision"] == 1
    assert metric.score(dict.fromkeys(computed, torch.tensor(torch.nan))).isnan()


def said(schema: Schema, truth: Objects) -> Objects:
    """Layouts as a model can output them: nine boxes, with classes of size and aspect, on the grid."""
    ended = schema.with_end(truth)
    return replace(ended, places=schema.grid.point(schema.cells(ended)), extents=None)


def test_what_the_grid_and_the_classes_of_shapes_cost_published_layouts(shared_data) -> None:
    found = read_instances(shared_data / "coco_layout/annotations/instances_val2017.json")
    boxes = on_square(found.boxes, found.images.sizes[found.image])
    large = boxes[:, 2] * boxes[:, 3] > 0.01
    images = np.unique(found.image[large])
    truth = lay_out(
        boxes[large], found.category[large], found.image[large], images, dict.fromkeys(SHAPES, 17)
    )
    schema = replace(SCHEMA, names=found.names)
    scores = LayoutScores(schema)
    scores.update(said(schema, truth), truth)
    ceiling = {name: value.item() for name, value in scores.compute().items()}
    known = {
        "u_precision": 1,
        "u_recall": 0.983,
        "u_coord": 0.997,
        "b_precision": 0.961,
        "b_recall": 0.901,
        "size": 0.996,
        "aspect": 0.685,  # boxes at least twice as wide as high: classes are coarse, the similarity is strict
        "iou": 0.784,
    }
    assert {name: ceiling[name] for name in known} == pytest.approx(known, abs=1e-3)
