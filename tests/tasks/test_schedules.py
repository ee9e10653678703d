"""Learning rates by epoch, as the papers state them."""

import pytest
import torch

from seq2scene.errors import UserError
from seq2scene.tasks.schedules import halving, luong234, warm_up, warm_up_cosine


def rates(make, count: int, **settings) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    schedule = make(optimizer, **settings)
    found = []
    for _ in range(count):
        found.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return found


def test_luong_halves_every_epoch_after_the_fifth() -> None:
    by_epoch = rates(halving, 80, steps_per_epoch=10)[::10]
    assert by_epoch == [1, 1, 1, 1, 1, 1 / 2, 1 / 4, 1 / 8]


def test_sutskever_halves_every_half_epoch_after_the_fifth() -> None:
    by_half_epoch = rates(halving, 75, steps_per_epoch=10, every=0.5)[::5]
    assert by_half_epoch == [1] * 10 + [1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 32]


def test_luong234_is_whole_for_8_of_12_thousand_steps_and_then_halves_four_times() -> None:
    by_thousand = rates(luong234, 120, steps=120)[::10]
    assert by_thousand == [1] * 8 + [1 / 2, 1 / 4, 1 / 8, 1 / 16]
    with pytest.raises(UserError, match=r"schedule\.steps=-1"):
        rates(luong234, 1, steps=-1)


def test_warm_up_rises_in_a_line_and_falls_as_the_root() -> None:
    found = rates(warm_up, 16, steps=4, decay="rsqrt")
    assert found[:4] == [0.25, 0.5, 0.75, 1.0]
    assert found[15] == pytest.approx(0.5)
    assert rates(warm_up, 9, steps=4, decay="none")[3:] == [1.0] * 6


def test_cosine_ends_on_its_floor() -> None:
    found = rates(warm_up_cosine, 41, steps_per_epoch=10, epochs=4, steps=4, floor=0.1)
    assert max(found) == pytest.approx(1.0) and found[40] == pytest.approx(0.1)
    assert found[4:] == sorted(found[4:], reverse=True)
