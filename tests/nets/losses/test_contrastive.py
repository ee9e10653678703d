"""Each true patch is chosen among those of its class."""

import pytest
import torch
import torch.nn.functional as F

from rank_processes import in_ranks
from seq2scene.nets.losses.contrastive import contrastive


def test_it_is_the_cross_entropy_of_each_patch_among_those_of_its_class() -> None:
    generator = torch.Generator().manual_seed(0)
    predicted, true = (F.normalize(torch.randn(5, 4, generator=generator), dim=1) for _ in range(2))
    predicted.requires_grad_()
    classes = torch.tensor([3, 7, 3, 9, 7])  # 9 is the only one of its class
    found = contrastive(predicted, true, classes, 0.5)
    expected = 0.0
    for row, among, place in ((0, [0, 2], 0), (2, [0, 2], 1), (1, [1, 4], 0), (4, [1, 4], 1)):
        expected = expected - (predicted[row] @ true[among].T / 0.5).log_softmax(0)[place]
    assert found.count == 4
    torch.testing.assert_close(found.nll, expected)
    found.nll.backward()
    assert predicted.grad.isfinite().all() and (predicted.grad[3] == 0).all()


PATCHES = F.normalize(torch.randn(2, 7, 4, generator=torch.Generator().manual_seed(1)), dim=2)
KINDS = torch.tensor([3, 7, 3, 9, 7, 3, 8])
PARTS = (slice(0, 2), slice(2, 7))  # unequal batches


def learnt(part: slice) -> list[torch.Tensor]:
    """Sum, count, and gradients of a part of the patches."""
    predicted, true = (patches[part].clone().requires_grad_() for patches in PATCHES)
    found = contrastive(predicted, true, KINDS[part], 0.5)
    found.nll.backward()
    return [found.nll.detach(), found.count, predicted.grad, true.grad]


def learnt_in_a_rank(rank: int) -> list[torch.Tensor]:
    return learnt(PARTS[rank])


@pytest.mark.slow
def test_ranks_choose_among_the_patches_of_all_of_them() -> None:
    one, (first, second) = learnt(slice(None)), in_ranks(learnt_in_a_rank)
    for place in (0, 1):
        torch.testing.assert_close(first[place] + second[place], one[place])
    for place in (2, 3):
        torch.testing.assert_close(torch.cat([first[place], second[place]]), one[place])


def test_without_two_patches_of_a_class_nothing_is_learnt() -> None:
    found = contrastive(torch.eye(2), torch.eye(2), torch.tensor([3, 4]), 0.1)
    assert found.nll == 0 and found.count == 0
