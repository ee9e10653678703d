"""The largest values of wide rows."""

import torch
from torch import Tensor

BLOCK = 64


def top(values: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k largest values of each row of (R, V) and their columns, each (R, min(k, V)), largest first.

    ``torch.topk``, but at half the time on a CPU when V is thousands: the k blocks of columns with the
    largest maxima hold k largest values, and finding the maxima is one vectorised pass.
    """
    width = values.shape[1]
    blocks = width // BLOCK
    if blocks < 2 * k:
        return values.topk(min(k, width))
    maxima = values[:, : blocks * BLOCK].unflatten(1, (blocks, BLOCK)).amax(2)  # (R, blocks)
    chosen = maxima.topk(k).indices.unsqueeze(2)  # (R, k, 1)
    columns = (chosen * BLOCK + torch.arange(BLOCK, device=values.device)).flatten(1)
    rest = torch.arange(blocks * BLOCK, width, device=values.device).expand(len(values), -1)
    columns = torch.cat([columns, rest], dim=1)
    largest, places = values.gather(1, columns).topk(k)
    return largest, columns.gather(1, places)
