"""How well each of several scenes of a text would score if any of the others were the true one."""

import torch
from torch import Tensor

from seq2scene.metrics.scene_scores import SceneScores
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Schema

PAIRS = 16384  # scored at a time, which bounds memory


def expected_scores(objects: Objects, copies: int, schema: Schema) -> Tensor:
    """Scenes (B * copies) of B texts, the ``copies`` of a text adjacent -> (B, copies) float32: what
    ``SceneScores.score`` gives a scene, 0 to 1, averaged over the other scenes of its text as the true one.
    """
    metric = SceneScores(schema)
    rows = torch.arange(len(objects), device=objects.classes.device).view(-1, copies)
    predicted = rows.unsqueeze(2).expand(-1, -1, copies).flatten()
    true = rows.unsqueeze(1).expand(-1, copies, -1).flatten()
    found = []
    for first in range(0, len(predicted), PAIRS):
        some = slice(first, first + PAIRS)
        scores = metric.raw(objects[predicted[some]], objects[true[some]])
        found.append(torch.stack([scores[name].clamp(min=0) for name in metric.row]).mean(0))
    each = torch.cat(found).view(-1, copies, copies)
    each.diagonal(dim1=1, dim2=2).zero_()
    return each.sum(2) / (copies - 1)
