"""The triplet loss: its value for known vectors, and where it is zero."""

import pytest
import torch
import torch.nn.functional as F

from seq2scene.nets.losses.triplet import triplet

EAST, NORTH, WEST = torch.eye(2)[0], torch.eye(2)[1], -torch.eye(2)[0]


@pytest.mark.parametrize(
    ("said", "true", "other", "loss"),
    [
        (EAST, EAST, WEST, 0.0),  # 0 - 2 + 0.3
        (EAST, EAST, EAST, 0.3),
        (EAST, WEST, EAST, 2.3),
        (EAST, NORTH, WEST, 2**0.5 - 2 + 0.3),
        (NORTH, EAST, WEST, 0.3),
    ],
    ids=["found", "all the same", "opposite", "nearly", "between"],
)
def test_known_triplets(said, true, other, loss) -> None:
    found = triplet(said[None], true[None], other[None])
    assert found.nll.item() == pytest.approx(max(loss, 0), abs=1e-6) and found.count == 1


def unit(count: int, seed: int) -> torch.Tensor:
    return F.normalize(torch.randn(count, 5, generator=torch.Generator().manual_seed(seed)).double())


def test_the_sum_is_that_of_the_objects_alone_and_nothing_of_none() -> None:
    vectors = [unit(6, seed) for seed in range(3)]
    together = triplet(*vectors)
    alone = [triplet(*(v[i : i + 1] for v in vectors)).nll for i in range(6)]
    torch.testing.assert_close(together.nll, torch.stack(alone).sum())
    nothing = triplet(*(v[:0] for v in vectors))
    assert together.count == 6 and nothing.nll == 0 and nothing.count == 0


def test_gradients_flow_into_all_three() -> None:
    vectors = [unit(4, seed).requires_grad_() for seed in range(3)]
    assert torch.autograd.gradcheck(lambda *v: triplet(*v, margin=1.0).nll, vectors)
    triplet(*vectors, margin=1.0).nll.backward()
    assert all(v.grad.abs().sum() > 0 for v in vectors)


def test_a_true_patch_that_is_met_exactly_has_finite_gradients() -> None:
    said = unit(3, 0).requires_grad_()
    triplet(said, said.detach().clone(), unit(3, 1), margin=3.0).nll.backward()
    assert said.grad.isfinite().all()
