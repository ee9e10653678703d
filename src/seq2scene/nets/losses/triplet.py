"""The triplet loss of appearances (Text2Scene's composites, Tan et al. 2019, section 3.4)."""

import torch
from torch import Tensor

from seq2scene.nets.losses.scene_losses import Field


def triplet(said: Tensor, true: Tensor, other: Tensor, margin: float = 0.3) -> Field:
    """max(0, |said - true| - |said - other| + margin) of P objects, as their sum and count.

    said: (P, D) the appearance that the net predicts at the true cell. true: of the patch that was there.
    other: of another patch of the same class. All of unit length; gradients flow into all three.
    """
    near, far = (torch.linalg.vector_norm(said - patch, dim=1) for patch in (true, other))
    lost = (near - far + margin).clamp(min=0)
    return Field(lost.sum(), torch.tensor(len(said), device=said.device))
