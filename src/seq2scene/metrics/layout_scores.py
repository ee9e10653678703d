"""Similarity of generated to true layouts, as Text2Scene is evaluated (Tan et al. 2019).

Boxes, and pairs of overlapping boxes, are matched greedily within their classes by the similarity of their
positions, as the objects of ``scene_scores`` are; then the shapes of matched boxes are compared.
"""

import torch
from torch import Tensor

from seq2scene.metrics.matching import compare_pairs, likeness, match, overlapping_pairs
from seq2scene.metrics.scene_scores import ROW, SceneScores, shares
from seq2scene.scenes.boxes import areas, normalised, on_canvas, overlap
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Schema

SHAPES = ("size", "aspect", "iou")


class LayoutScores(SceneScores):
    """The means of ``layout_scores`` over layouts, each 0 to 1, under the same names."""

    def attributes(self) -> tuple[str, ...]:
        return shapes(self.schema)

    @property
    def row(self) -> tuple[str, ...]:
        return (*ROW, *shapes(self.schema))

    def raw(self, prediction: Objects, truth: Objects) -> dict[str, Tensor]:
        """The scores (B,) of every layout, as published."""
        return layout_scores(prediction, truth, self.schema)


def layout_scores(prediction: Objects, truth: Objects, schema: Schema) -> dict[str, Tensor]:
    """Each score (B,) float32, 0 to 1, of each layout.

    u_precision, u_recall: matched boxes over predicted and over true ones, i.e. precision and recall of the
    classes. u_f3: their F measure with recall weighted by 9. u_coord: the mean similarity of the centres of
    matched boxes. b_...: the same for overlapping pairs, positioned by the polar coordinates of one box
    relative to the other. size, aspect (absent if the head was dropped): the mean similarity of the square
    roots of areas, and of width over height. iou: the mean intersection over union of matched boxes, on the
    canvas. A score with nothing to count is 0, except that b_recall is -1 if the truth has no overlapping
    boxes and anything was predicted.
    """
    classes, boxes = _in_order(prediction, schema)
    true_classes, true_boxes = _in_order(truth, schema)
    present, true_present = classes > 0, true_classes > 0
    centres, true_centres = boxes[..., :2], true_boxes[..., :2]

    same = (classes.unsqueeze(2) == true_classes.unsqueeze(1)) & present.unsqueeze(2)
    similarity = likeness(*(centres.unsqueeze(2) - true_centres.unsqueeze(1)).unbind(3))
    matched = match(similarity, same)
    scores = {f"u_{name}": v for name, v in shares(matched, similarity, present, true_present).items()}

    seen, true_seen = on_canvas(boxes), on_canvas(true_boxes)
    pairs = overlapping_pairs(classes, centres, seen, present)
    true_pairs = overlapping_pairs(true_classes, true_centres, true_seen, true_present)
    similarity, same = compare_pairs(pairs, true_pairs)
    bigrams = shares(match(similarity, same), similarity, pairs.present, true_pairs.present)
    without = present.any(1) & ~true_pairs.present.any(1)
    bigrams["recall"] = bigrams["recall"].masked_fill(without, -1)
    scores |= {f"b_{name}": values for name, values in bigrams.items()}

    for name, measure in (("size", _size), ("aspect", _aspect)):
        if name not in schema.heads:
            continue
        difference = measure(boxes).unsqueeze(2) - measure(true_boxes).unsqueeze(1)
        scores[name] = _mean(likeness(difference), matched)
    scores["iou"] = _mean(overlap(seen.unsqueeze(2), true_seen.unsqueeze(1)), matched)
    return scores


def shapes(schema: Schema) -> tuple[str, ...]:
    """The SHAPES to score: those whose head was not dropped."""
    return tuple(name for name in SHAPES if name == "iou" or name in schema.heads)


def _size(boxes: Tensor) -> Tensor:
    return areas(boxes).sqrt()


def _aspect(boxes: Tensor) -> Tensor:
    return boxes[..., 2] / boxes[..., 3].clamp(min=1e-10)


def _mean(values: Tensor, matched: Tensor) -> Tensor:
    """(B,) the mean of values (B, P, Q) over matched boxes, 0 if there are none."""
    return (values * matched).sum((1, 2)) / matched.sum((1, 2)).clamp(min=1)


def _in_order(objects: Objects, schema: Schema) -> tuple[Tensor, Tensor]:
    """Classes (B, T), 0 after the last object, and boxes (B, T, 4) on a canvas of side 1, sorted by class, x
    and y: the order of matching, which also gives overlapping pairs their direction.
    """
    boxes = normalised(schema.boxes(objects), schema.canvas)
    last = torch.iinfo(torch.int64).max
    order = torch.arange(boxes.shape[1], device=boxes.device).expand_as(objects.classes)
    for key in (boxes[..., 1], boxes[..., 0], objects.classes.where(objects.present, last)):
        order = order.gather(1, key.gather(1, order).argsort(dim=1, stable=True))
    classes = (objects.classes * objects.present).gather(1, order)
    return classes, boxes.gather(1, order.unsqueeze(2).expand_as(boxes))
