"""The fused loss equals the plain one, and its gradient that of autograd."""

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck

from seq2scene.nets.losses import linear_cross_entropy as losses
from seq2scene.nets.losses.linear_cross_entropy import linear_cross_entropy


def problem(dtype: torch.dtype = torch.float64) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(0)
    features = torch.randn(11, 4, dtype=dtype, requires_grad=True)
    weight = torch.randn(7, 4, dtype=dtype, requires_grad=True)
    bias = torch.randn(7, dtype=dtype, requires_grad=True)
    return features, weight, bias, torch.randint(7, (11,))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("rows", [3, 100])
def test_equals_the_loss_of_the_library_in_slices_of_any_size(
    monkeypatch, smoothing: float, rows: int
) -> None:
    monkeypatch.setitem(losses.SLICE, "cpu", rows * 7)
    features, weight, bias, gold = problem()
    loss, nll = linear_cross_entropy(features, weight, bias, gold, smoothing)
    logits = F.linear(features, weight, bias)
    torch.testing.assert_close(
        loss, F.cross_entropy(logits, gold, reduction="sum", label_smoothing=smoothing)
    )
    torch.testing.assert_close(nll, F.cross_entropy(logits, gold, reduction="sum"))
    ours = torch.autograd.grad(2 * loss, (features, weight, bias))
    theirs = torch.autograd.grad(
        2 * F.cross_entropy(logits, gold, reduction="sum", label_smoothing=smoothing),
        (features, weight, bias),
    )
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine, other)


def test_gradient_is_right_with_and_without_bias() -> None:
    features, weight, bias, gold = problem()
    assert gradcheck(lambda x, w, b: linear_cross_entropy(x, w, b, gold, 0.1)[0], (features, weight, bias))
    assert gradcheck(lambda x, w: linear_cross_entropy(x, w, None, gold)[0], (features, weight))


def test_each_position_counts_by_its_own_factor() -> None:
    features, weight, bias, gold = problem()
    factors = torch.linspace(-1, 2, 11, dtype=torch.float64)
    loss, nll = linear_cross_entropy(features, weight, bias, gold, 0.1, factors)
    each = F.cross_entropy(F.linear(features, weight, bias), gold, reduction="none", label_smoothing=0.1)
    torch.testing.assert_close(loss, (each * factors).sum())
    torch.testing.assert_close(nll, linear_cross_entropy(features, weight, bias, gold)[1])
    for mine, other in zip(
        *(torch.autograd.grad(one, (features, weight, bias)) for one in (loss, (each * factors).sum())),
        strict=True,
    ):
        torch.testing.assert_close(mine, other)


def test_without_gradients_the_numbers_are_the_same() -> None:
    features, weight, bias, gold = problem()
    with torch.no_grad():
        plain = linear_cross_entropy(features, weight, bias, gold, 0.1)
    torch.testing.assert_close(
        plain, tuple(t.detach() for t in linear_cross_entropy(features, weight, bias, gold, 0.1))
    )


def test_the_largest_logits_do_not_overflow() -> None:
    features = torch.full((2, 1), 1e4, requires_grad=True)
    weight = torch.tensor([[1.0], [-1.0]], requires_grad=True)
    loss, nll = linear_cross_entropy(features, weight, None, torch.tensor([0, 1]))
    assert nll.item() == pytest.approx(2e4)
    loss.backward()
    assert torch.isfinite(features.grad).all()


def test_autocast_keeps_the_sum_in_float32_and_close() -> None:
    features, weight, bias, gold = problem(torch.float32)
    exact, _ = linear_cross_entropy(features, weight, bias, gold)
    with torch.autocast("cpu", torch.bfloat16):
        loss, nll = linear_cross_entropy(features, weight, bias, gold)
    loss.backward()
    assert nll.dtype == torch.float32 and features.grad.dtype == torch.float32
    torch.testing.assert_close(loss, exact, rtol=2e-2, atol=0.1)


def test_no_positions_cost_nothing() -> None:
    _, weight, bias, _ = problem()
    empty = torch.zeros(0, 4, dtype=torch.float64, requires_grad=True)
    loss, nll = linear_cross_entropy(empty, weight, bias, torch.zeros(0, dtype=torch.int64))
    loss.backward()
    assert loss.item() == nll.item() == 0 and (weight.grad == 0).all()
