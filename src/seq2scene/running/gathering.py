"""What the ranks found, each of its own share, brought together."""

from typing import Any

import torch


def gather(part: list[Any], world: int) -> list[Any]:
    """The ``part`` of each of ``world`` ranks, joined in their order, on every rank."""
    if world == 1:
        return part
    parts: list[Any] = [None] * world
    torch.distributed.all_gather_object(parts, part)
    return [one for part in parts for one in part]
