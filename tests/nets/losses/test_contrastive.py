"""Each true patch is chosen among those of its class."""

import torch
import torch.nn.functional as F

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


def test_without_two_patches_of_a_class_nothing_is_learnt() -> None:
    found = contrastive(torch.eye(2), torch.eye(2), torch.tensor([3, 4]), 0.1)
    assert found.nll == 0 and found.count == 0
