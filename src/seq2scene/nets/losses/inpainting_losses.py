"""What an inpainter learns (Tan et al. 2019)."""

import torch
import torch.nn.functional as F
from torch import Tensor

from seq2scene.nets.losses.perceptual import PerceptualDistance
from seq2scene.nets.losses.scene_losses import Field
from seq2scene.nets.vision.inpainter import Inpainted


def fields(
    made: Inpainted, pictures: Tensor, labels: Tensor, distance: PerceptualDistance
) -> dict[str, Field]:
    """What is learnt of N photos (N, 3, y, x), 0 to 255, and their labels (N, y, x), as sums over photos:
    ``picture``, the mean absolute difference of colours, ``perceptual``, that of a trunk's features, and
    ``label``, the mean -log p of a pixel's class. The authors weight them 1, 1 and 10.
    """
    count = torch.tensor(len(pictures), device=pictures.device)
    nll = F.cross_entropy(made.labels.float(), labels, reduction="none")
    sums = {
        "picture": (made.pictures.float() - pictures).abs().mean((1, 2, 3)),
        "perceptual": distance(made.pictures, pictures),
        "label": nll.mean((1, 2)),
    }
    return {name: Field(each.sum(), count) for name, each in sums.items()}
