"""The contrastive loss of appearances (InfoNCE, van den Oord et al. 2018), within classes."""

import torch
import torch.nn.functional as F
from torch import Tensor

from seq2scene.nets.losses.scene_losses import Field


def contrastive(predicted: Tensor, true: Tensor, classes: Tensor, temperature: float) -> Field:
    """-log p of choosing the true patch among all patches of its class in the batch, by the cosines divided
    by ``temperature``, as sum and count; objects that are the only one of their class do not count.

    predicted, true: (P, D), unit vectors: the appearances predicted for P objects, and those of their
    patches. classes: (P,).
    """
    same = classes.unsqueeze(1) == classes
    logits = (predicted @ true.T / temperature).masked_fill(~same, -torch.inf)
    chosen = same.sum(1) > 1
    rows = torch.arange(len(classes), device=classes.device)
    return Field(F.cross_entropy(logits[chosen], rows[chosen], reduction="sum"), chosen.sum())
