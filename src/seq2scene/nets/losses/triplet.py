"""The triplet loss of appearances (Text2Scene's composites, Tan et al. 2019, section 3.4)."""

import torch
from torch import Tensor

from seq2scene.nets.losses.scene_losses import Field


def triplet(predicted: Tensor, true: Tensor, other: Tensor, margin: float = 0.3) -> Field:
    """max(0, |predicted - true| - |predicted - other| + margin) over P objects, as sum and count.

    predicted: (P, D), the appearance vector predicted at the true cell. true: that of the true patch. other:
    that of another patch of the same class. All have unit length, and all three receive gradients.
    """
    near, far = (torch.linalg.vector_norm(predicted - patch, dim=1) for patch in (true, other))
    lost = (near - far + margin).clamp(min=0)
    return Field(lost.sum(), torch.tensor(len(predicted), device=predicted.device))
