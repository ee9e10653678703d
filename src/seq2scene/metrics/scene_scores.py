"""Similarity of generated to true scenes, as Text2Scene is evaluated (Tan et al. 2019).

The objects of a scene are its unigrams, pairs of objects with overlapping boxes its bigrams. Both are matched
greedily within their classes, by the similarity of their positions, and counted.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from torchmetrics import Metric

from seq2scene.metrics.matching import compare_pairs, likeness, match, overlapping_pairs
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Schema

GRAMS = ("u_precision", "u_recall", "u_f3", "u_coord", "b_precision", "b_recall", "b_f3", "b_coord")
HEADINGS = {  # of the scores of scenes and layouts, in the order of the paper's tables
    "u_precision": "U-P",
    "u_recall": "U-R",
    "b_precision": "B-P",
    "b_recall": "B-R",
    "pose": "pose",
    "expression": "expr",
    "size": "size",
    "aspect": "aspect",
    "iou": "IoU",
    "flip": "flip",
    "u_coord": "U-coord",
    "b_coord": "B-coord",
}
ROW = ("u_precision", "u_recall", "b_precision", "b_recall", "u_coord")
WITH_BIGRAMS = ("b_precision", "b_recall", "b_f3", "b_coord_masked")  # means over scenes with bigrams


class SceneScores(Metric):
    """The means of ``scene_scores`` over scenes, each 0 to 1, under the same names, from sums over batches
    and ranks.

    b_precision, b_recall and b_f3 are means over scenes with b_recall >= 0. b_coord is a mean over all
    scenes, as in the authors' evaluation, b_coord_masked over those with b_recall >= 0, as in their training
    log. NaN if nothing was counted.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    sums: Tensor  # (scores,)
    counts: Tensor  # (scores,) scenes averaged over

    def __init__(self, schema: Schema) -> None:
        super().__init__()
        self.schema = schema
        self.names = (*GRAMS, *self.attributes(), "b_coord_masked")
        for state in ("sums", "counts"):
            self.add_state(state, torch.zeros(len(self.names), dtype=torch.float64), dist_reduce_fx="sum")

    def attributes(self) -> tuple[str, ...]:
        """The names of the attribute scores."""
        return tuple(self.schema.heads)

    @property
    def row(self) -> tuple[str, ...]:
        """The scores of the paper's table, except b_coord, which rises when fewer objects are matched."""
        return (*ROW, *(name for name in self.schema.variants if name in self.names))

    def raw(self, prediction: Objects, truth: Objects) -> dict[str, Tensor]:
        """The scores (B,) of every scene, as published."""
        return scene_scores(prediction, truth, self.schema)

    def each(self, prediction: Objects, truth: Objects) -> dict[str, Tensor]:
        """The scores (B,) of every scene, NaN where the mean excludes it."""
        scores = self.raw(prediction, truth)
        left_out = scores["b_recall"] < 0
        return {n: v.masked_fill(left_out, torch.nan) if n in WITH_BIGRAMS else v for n, v in scores.items()}

    def update(self, prediction: Objects, truth: Objects) -> None:
        """Adds generated and true scenes, neither truncated nor snapped to the grid."""
        each = self.each(prediction, truth)
        masked = each["b_coord"].masked_fill(each["b_recall"].isnan(), torch.nan)
        scores = torch.stack([{**each, "b_coord_masked": masked}[name].double() for name in self.names])
        self.sums += scores.nansum(1)
        self.counts += (~scores.isnan()).sum(1)

    def compute(self) -> dict[str, Tensor]:
        return dict(zip(self.names, self.sums / self.counts, strict=True))

    def score(self, computed: dict[str, Tensor]) -> Tensor:
        """The mean over the row's scores that are not NaN; NaN if all are."""
        return torch.stack([computed[name] for name in self.row]).nanmean()


def scene_scores(prediction: Objects, truth: Objects, schema: Schema) -> dict[str, Tensor]:
    """Each score (B,) float32, 0 to 1, of each scene.

    u_precision, u_recall: matched objects over predicted and over true ones. u_f3: their F measure with
    recall weighted by 9. u_coord: the mean similarity of the positions of matched objects. b_...: the same
    for bigrams, positioned by the polar coordinates of one object relative to the other. Each head's name:
    the accuracy of that attribute over matched objects of the classes that have it. A score with nothing to
    count is 0, except that b_recall is -1 if the truth has no bigrams and anything was predicted.
    """
    predicted, true = _in_order(prediction, schema.variants), _in_order(truth, schema.variants)
    canvas = torch.tensor(schema.canvas, device=predicted.places.device)
    centres, true_centres = predicted.places / canvas, true.places / canvas

    same = predicted.classes.unsqueeze(2) == true.classes.unsqueeze(1)
    similarity = likeness(*(centres.unsqueeze(2) - true_centres.unsqueeze(1)).unbind(3))
    matched = match(similarity, same & predicted.present.unsqueeze(2))
    objects = shares(matched, similarity, predicted.present, true.present)

    pairs = overlapping_pairs(predicted.classes, centres, schema.boxes(predicted), predicted.present)
    true_pairs = overlapping_pairs(true.classes, true_centres, schema.boxes(true), true.present)
    similarity, same = compare_pairs(pairs, true_pairs)
    bigrams = shares(match(similarity, same), similarity, pairs.present, true_pairs.present)
    without = predicted.present.any(1) & ~true_pairs.present.any(1)
    bigrams["recall"] = bigrams["recall"].masked_fill(without, -1)

    scores = {f"u_{name}": values for name, values in objects.items()}
    scores |= {f"b_{name}": values for name, values in bigrams.items()}
    for head in schema.heads:
        about = matched & schema.has(head).to(matched.device)[predicted.classes].unsqueeze(2)
        right = predicted.attributes[head].unsqueeze(2) == true.attributes[head].unsqueeze(1)
        scores[head] = _ratio((about & right).flatten(1), about.flatten(1))
    return scores


def shares(matched: Tensor, similarity: Tensor, predicted: Tensor, true: Tensor) -> dict[str, Tensor]:
    """Precision, recall, F3 and mean similarity of a matching; ``predicted`` (B, P) and ``true`` (B, Q) mark
    real items.
    """
    both = matched.flatten(1)
    precision, recall = _ratio(both, predicted), _ratio(both, true)
    return {
        "precision": precision,
        "recall": recall,
        "f3": 10 * precision * recall / (recall + 9 * precision).where(both.any(1), 1),
        "coord": (similarity * matched).sum((1, 2)) / both.sum(1).clamp(min=1),
    }


def _ratio(some: Tensor, of: Tensor) -> Tensor:
    """(B,) the number of ``some`` (B, N) over that of ``of`` (B, M); 0 if the latter is 0."""
    return some.sum(1).float() / of.sum(1).clamp(min=1)


def _in_order(objects: Objects, variants: Sequence[str]) -> Objects:
    """The objects of each scene sorted by class, ``variants`` (pose, expression), x and y: the order of
    matching, which also gives overlapping pairs their direction.
    """
    zeros = torch.zeros_like(objects.classes)
    x, y = objects.places.unbind(2)
    shown = [objects.attributes.get(name, zeros) for name in variants]
    classes = objects.classes.where(objects.present, torch.iinfo(torch.int64).max)  # padding last
    order = torch.arange(classes.shape[1], device=classes.device).expand_as(classes)
    for key in (y, x, *shown[::-1], classes):  # stable sorts, the primary key last
        order = order.gather(1, key.gather(1, order).argsort(dim=1, stable=True))
    return Objects(
        objects.classes.gather(1, order),
        objects.places.gather(1, order.unsqueeze(2).expand_as(objects.places)),
        {name: values.gather(1, order) for name, values in objects.attributes.items()},
    )
