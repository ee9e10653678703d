"""Dropout from random bits is dropout."""

import pytest
import torch

from seq2scene.nets.text.dropout import Dropout, dropout_mask


@pytest.mark.parametrize("probability", [0.1, 0.3, 0.5, 0.9])
def test_elements_are_dropped_as_often_as_asked_and_the_mean_is_kept(probability: float) -> None:
    torch.manual_seed(0)
    mask = dropout_mask((400, 501), probability, torch.zeros(1))
    share = (mask == 0).double().mean().item()
    assert share == pytest.approx(
        probability, abs=5 * (probability * (1 - probability) / mask.numel()) ** 0.5
    )
    assert mask.mean().item() == pytest.approx(1, abs=0.02)
    assert mask[mask != 0].unique().numel() == 1


def test_elements_are_dropped_independently_of_their_neighbours() -> None:
    torch.manual_seed(0)
    dropped = (dropout_mask((200_001,), 0.5, torch.zeros(1)) == 0).double()
    for lag in (1, 2, 3, 4, 8):
        together = (dropped[:-lag] * dropped[lag:]).mean().item()
        assert together == pytest.approx(0.25, abs=0.005), lag


def test_the_seed_decides_and_evaluation_drops_nothing() -> None:
    layer, inputs = Dropout(0.5), torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(3)
    first = layer(inputs)
    torch.manual_seed(3)
    assert torch.equal(first, layer(inputs)) and not torch.equal(first, layer(inputs))
    (gradient,) = torch.autograd.grad(first.sum(), inputs)
    torch.testing.assert_close(gradient * inputs, first)
    assert torch.equal(layer.eval()(inputs), inputs)
    assert (Dropout(1.0)(inputs) == 0).all() and torch.equal(Dropout(0.0)(inputs), inputs)
