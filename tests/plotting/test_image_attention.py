"""Attention over a picture: bright where a word attended, uniform if attention is uniform."""

import numpy as np
import pytest
import torch

from seq2scene.plotting.image_attention import DIMMEST, box_maps, draw_image_attention, light_up, spread


def grey(height: int = 60, width: int = 90) -> np.ndarray:
    return np.full((height, width, 3), 200, dtype=np.uint8)


def test_the_brightest_pixels_are_those_of_the_place_looked_at():
    weights = torch.zeros(1, 3, 3)
    weights[0, 2, 0] = 0.7  # the bottom left
    (lit,) = light_up(grey(), weights)
    row, column = np.unravel_index(lit[..., 0].argmax(), lit.shape[:2])
    assert row >= 40 and column < 30
    assert lit.max() == 200 and lit[:20, 60:].max() < 200 * (DIMMEST + 0.1)


def test_looking_everywhere_alike_leaves_the_picture_as_it_is():
    assert (light_up(grey(), torch.full((2, 4, 5), 1 / 20)) == 200).all()


def test_a_map_is_spread_without_tipping_over_and_its_mirror_image_mirrors():
    weights = torch.rand(3, 4, 6, generator=torch.Generator().manual_seed(0))
    wide = spread(weights, 40, 90)
    assert wide.shape == (3, 40, 90)
    assert (wide >= weights.amin(dim=(1, 2)).view(3, 1, 1) - 1e-6).all()
    assert (wide <= weights.amax(dim=(1, 2)).view(3, 1, 1) + 1e-6).all()
    torch.testing.assert_close(spread(weights.flip(2), 40, 90), wide.flip(2))
    torch.testing.assert_close(spread(weights.flip(1), 40, 90), wide.flip(1))


def test_rows_of_panels_hold_the_picture_and_a_panel_for_each_word():
    one_row = draw_image_attention(grey(), np.ones((3, 2, 2)), ["a", "$", "ball"], columns=4)
    two_rows = draw_image_attention(grey(), np.ones((4, 2, 2)), ["a", "red", "ball", "<unk>"], columns=4)
    assert one_row.dtype == two_rows.dtype == np.uint8
    assert 1.6 < two_rows.shape[0] / one_row.shape[0] < 2.4


def test_a_map_too_few_is_a_fault():
    with pytest.raises(AssertionError, match="one map for each word"):
        draw_image_attention(grey(), np.ones((1, 2, 2)), ["a", "ball"])


def test_a_place_shows_the_largest_weight_of_the_boxes_over_it() -> None:
    boxes = torch.tensor([[0.25, 0.5, 0.5, 1.0], [0.5, 0.75, 1.0, 0.5]])  # the left half, the lower half
    maps = box_maps(torch.tensor([[0.25, 0.75], [1.0, 0.0]]), boxes, cells=4)
    first = [[0.25, 0.25, 0, 0]] * 2 + [[0.75] * 4] * 2
    assert maps.tolist() == [first, [[1.0, 1.0, 0, 0]] * 4]
