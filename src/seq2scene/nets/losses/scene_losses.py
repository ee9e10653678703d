"""The losses of Text2Scene (Tan et al. 2019, section 3.4), as sums over real fields."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from seq2scene.nets.scene.laplace_mixture import LaplaceMixture
from seq2scene.nets.scene.scene_decoder import Taught
from seq2scene.scenes.objects import PAD, Objects
from seq2scene.scenes.schema import Schema


@dataclass(frozen=True)
class Field:
    """One of the things that is predicted of a step: the sum of its -log p and of how many steps."""

    nll: Tensor
    count: Tensor


def fields(taught: Taught, objects: Objects, schema: Schema) -> dict[str, Field]:
    """``object`` (END counted), ``place``, and each head, at the true place, of the classes that have it.

    Where places are densities that of the exact place counts, else the probability of its cell of the grid.
    """
    real, present = objects.classes != PAD, objects.present
    found = {
        "object": _field(taught.objects, objects.classes[real]),
        "place": _places(taught.places, objects, schema),
    }
    classes = objects.classes[present]
    for name, logits in taught.attributes.items():
        has = schema.has(name).to(classes.device)[classes]
        found[name] = _field(logits[has], objects.attributes[name][present][has])
    return found


def _places(places: Tensor | LaplaceMixture, objects: Objects, schema: Schema) -> Field:
    present = objects.present
    if isinstance(places, LaplaceMixture):
        return Field(-places.log_prob(objects.places[present]).sum(), present.sum())
    return _field(places, schema.cells(objects)[present])


def _field(logits: Tensor, gold: Tensor) -> Field:
    return Field(F.cross_entropy(logits.float(), gold, reduction="sum"), gold.new_tensor(len(gold)))


def doubly_stochastic(weights: Tensor, steps: Tensor, words: Tensor) -> Tensor:
    """How far each word is from being looked at once in all (Xu et al. 2015, eq. 14), of each scene (B,).

    weights (B, T, W), steps (B, T) and words (B, W) bool: those that count.
    """
    looked = (weights * steps.unsqueeze(2)).sum(dim=1)
    return ((looked - words.to(looked.dtype)) ** 2).sum(dim=1)
