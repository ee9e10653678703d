"""Dropout whose masks are cheap to sample on a CPU.

On a CPU, PyTorch calls the generator once per element; here one call of 64 random bits covers four elements.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STEPS = 2**16  # values of 16 random bits: the probability is rounded to a multiple of 1 / STEPS


def dropout_mask(shape: tuple[int, ...], probability: float, like: Tensor) -> Tensor:
    """A mask to multiply a tensor with: 0 with ``probability``, else 1 / (1 - probability).

    Has the device and dtype of ``like``; sampled from PyTorch's global generator.
    """
    if like.device.type != "cpu" or probability in (0.0, 1.0):
        return F.dropout(like.new_ones(shape), probability)
    size = torch.Size(shape).numel()
    dropped = round(probability * STEPS)
    bits = torch.empty(-(-size // 4), dtype=torch.int64).random_(torch.iinfo(torch.int64).min, None)
    kept = bits.view(torch.int16)[:size].view(shape) >= dropped - STEPS // 2
    return kept.to(like.dtype) * (STEPS / (STEPS - dropped))


class Dropout(nn.Dropout):
    """``nn.Dropout`` with masks from ``dropout_mask``."""

    def forward(self, inputs: Tensor) -> Tensor:
        if not self.training or self.p == 0:
            return inputs
        return inputs * dropout_mask(inputs.shape, self.p, inputs)
