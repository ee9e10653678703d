"""The losses of Text2Scene (Tan et al. 2019, section 3.4), as sums over real fields."""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from seq2scene.nets.scene.relational.laplace_mixture import LaplaceMixture
from seq2scene.nets.scene.relational.pairs import PairPredictions
from seq2scene.nets.scene.scene_decoder import Taught
from seq2scene.scenes.objects import PAD, Objects
from seq2scene.scenes.schema import Schema
from seq2scene.scenes.statements import of_pairs


@dataclass(frozen=True)
class Field:
    """One predicted field (object, place or attribute): the sum of its -log p and the number of steps summed
    over.
    """

    nll: Tensor
    count: Tensor


def fields(
    taught: Taught, objects: Objects, schema: Schema, factors: Tensor | None = None
) -> dict[str, Field]:
    """``object`` (including END), ``place``, and each head at the true place, for the classes that have it.

    Places are either logits of the grid's cells or densities over the canvas (``LaplaceMixture``).

    factors: (B, T), what every -log p of a step is multiplied by; None: 1.
    """
    real, present = objects.classes != PAD, objects.present
    of_real, of_present = (None if factors is None else factors[steps] for steps in (real, present))
    found = {
        "object": _field(taught.objects, objects.classes[real], of_real),
        "place": _places(taught.places, objects, schema, of_present),
    }
    classes = objects.classes[present]
    for name, logits in taught.attributes.items():
        has = schema.has(name).to(classes.device)[classes]
        own = None if of_present is None else of_present[has]
        found[name] = _field(logits[has], objects.attributes[name][present][has], own)
    return found


def _places(
    places: Tensor | LaplaceMixture, objects: Objects, schema: Schema, factors: Tensor | None
) -> Field:
    present = objects.present
    if isinstance(places, LaplaceMixture):
        nll = -places.log_prob(objects.places[present])
        return Field((nll if factors is None else factors * nll).sum(), present.sum())
    return _field(places, schema.cells(objects)[present], factors)


def pair_losses(pairs: PairPredictions, stated: Tensor | None, objects: Objects) -> dict[str, Tensor]:
    """Sums of -log p over pairs: ``statements``, of whether each is made; and of the object's place given
    each anchor alone, ``related_place`` over the pairs about which the text states anything and
    ``unrelated_place`` over the others.

    stated: (F, 4), see ``scenes.statements``; None if the data provides no facts: then nothing is learnt of
    statements, and all pairs count as unrelated.
    """
    rows, steps, anchors = pairs.pairs.rows, pairs.pairs.steps, pairs.pairs.anchors
    nll = -pairs.places.log_prob(objects.places[rows, steps])
    if stated is None:
        none = nll.new_zeros(()) if pairs.stated is None else 0.0 * pairs.stated.sum()
        return {"statements": none, "unrelated_place": nll.sum()}
    labels = of_pairs(stated, objects)[rows, steps, anchors]
    related = labels.flatten(1).amax(1)
    found = {"related_place": (nll * related).sum(), "unrelated_place": (nll * (1 - related)).sum()}
    if pairs.stated is not None:
        logits = pairs.stated.float()
        found["statements"] = F.binary_cross_entropy_with_logits(logits, labels, reduction="sum")
    return found


def _field(logits: Tensor, gold: Tensor, factors: Tensor | None) -> Field:
    count = gold.new_tensor(len(gold))
    if factors is None:
        return Field(F.cross_entropy(logits.float(), gold, reduction="sum"), count)
    return Field((factors * F.cross_entropy(logits.float(), gold, reduction="none")).sum(), count)


def doubly_stochastic(weights: Tensor, steps: Tensor, words: Tensor) -> Tensor:
    """The squared deviation of each word's total attention from 1 (Xu et al. 2015, eq. 14), per scene (B,).

    weights (B, T, W); steps (B, T) and words (B, W) bool mark the real ones.
    """
    looked = (weights * steps.unsqueeze(2)).sum(dim=1)
    return ((looked - words.to(looked.dtype)) ** 2).sum(dim=1)
