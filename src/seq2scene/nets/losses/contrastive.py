"""The contrastive loss of appearances (InfoNCE, van den Oord et al. 2018), within classes."""

import torch
import torch.nn.functional as F
from torch import Tensor

from seq2scene.nets.losses.scene_losses import Field
from seq2scene.nets.over_ranks import gathered


def contrastive(predicted: Tensor, true: Tensor, classes: Tensor, temperature: float) -> Field:
    """-log p of choosing the true patch among all patches of its class in the batches of all ranks, by the
    cosines divided by ``temperature``, as sum and count; objects that are the only one of their class do not
    count. All ranks must call it equally often.

    predicted, true: (P, D), unit vectors: the appearances predicted for P objects, and those of their
    patches. classes: (P,).
    """
    (true, first), (every, _) = gathered(true), gathered(classes)
    same = classes.unsqueeze(1) == every
    logits = (predicted @ true.T / temperature).masked_fill(~same, -torch.inf)
    chosen = same.sum(1) > 1
    own = first + torch.arange(len(classes), device=classes.device)
    return Field(F.cross_entropy(logits[chosen], own[chosen], reduction="sum"), chosen.sum())
