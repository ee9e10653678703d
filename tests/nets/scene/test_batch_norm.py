"""Batch normalisation of several ranks is that of one rank with all their maps."""

import pytest
import torch
from torch import Tensor, nn

from rank_processes import in_ranks
from seq2scene.nets.scene.batch_norm import BatchNorm

MAPS = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(0)) * 3 + 2
PARTS = (slice(0, 2), slice(2, 5))  # unequal batches


def trained(norm: nn.BatchNorm2d, maps: Tensor) -> dict[str, Tensor]:
    """What a step leaves: outputs, gradients and running statistics."""
    with torch.no_grad():
        norm.weight.copy_(torch.tensor([0.5, 1.0, 2.0]))
    maps = maps.clone().requires_grad_()
    outputs = norm(maps)
    (outputs.sin() * maps.detach()).sum().backward()
    grads = {"maps": maps.grad, "weight": norm.weight.grad, "bias": norm.bias.grad}
    return {"outputs": outputs.detach(), **grads, **dict(norm.named_buffers())}


def in_a_rank(rank: int) -> dict[str, Tensor]:
    return trained(BatchNorm(3), MAPS[PARTS[rank]])


@pytest.mark.slow
def test_two_ranks_normalise_as_one() -> None:
    one, two = trained(nn.BatchNorm2d(3), MAPS), in_ranks(in_a_rank)
    for name in ("outputs", "maps"):
        torch.testing.assert_close(torch.cat([each[name] for each in two]), one[name])
    for name in ("weight", "bias"):
        torch.testing.assert_close(two[0][name] + two[1][name], one[name])
    for name in ("running_mean", "running_var", "num_batches_tracked"):
        for each in two:
            torch.testing.assert_close(each[name], one[name])


def test_one_process_normalises_as_pytorch_does() -> None:
    for name, value in trained(BatchNorm(3), MAPS).items():
        assert torch.equal(value, trained(nn.BatchNorm2d(3), MAPS)[name]), name
