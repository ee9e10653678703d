"""Sums over all ranks of a distributed run, and the rows of all of them, through which gradients flow."""

import torch
import torch.nn.functional as F
from torch import Tensor, distributed


def several_ranks() -> bool:
    return distributed.is_initialized() and distributed.get_world_size() > 1


def sum_over_ranks(values: Tensor) -> Tensor:
    """The sum over all ranks; its gradient is the sum of theirs. All ranks must call it equally often."""
    return _Sum.apply(values)


def gathered(rows: Tensor) -> tuple[Tensor, int]:
    """The rows (N, ...) of all ranks, one rank after another, and the place of this rank's first. Ranks may
    have different numbers of rows; all must call it equally often.
    """
    if not several_ranks():
        return rows, 0
    counts, rank = rows.new_zeros(distributed.get_world_size(), dtype=torch.int64), distributed.get_rank()
    counts[rank] = len(rows)
    distributed.all_reduce(counts)
    before, after = int(counts[:rank].sum()), int(counts[rank + 1 :].sum())
    return sum_over_ranks(F.pad(rows, [0] * (2 * rows.dim() - 2) + [before, after])), before


class _Sum(torch.autograd.Function):
    @staticmethod
    def forward(_, values: Tensor) -> Tensor:
        total = values.clone()
        distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(_, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total
