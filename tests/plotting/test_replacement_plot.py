"""Two bars per number of unknown words."""

import numpy as np
from matplotlib.colors import to_rgb

from seq2scene.plotting.figures import COLOURS
from seq2scene.plotting.replacement_plot import draw_replacement_gain


def area(colour: str, picture: np.ndarray) -> int:
    return int((picture == np.round(np.array(to_rgb(colour)) * 255)).all(axis=2).sum())


def test_bars_are_as_high_as_their_scores() -> None:
    same = draw_replacement_gain(["0", "1"], [20.0, 30.0], [20.0, 30.0])
    more = draw_replacement_gain(["0", "1"], [10.0, 15.0], [20.0, 30.0])
    legend = draw_replacement_gain(["0", "1"], [0.0, 0.0], [20.0, 30.0])
    swatch = area(COLOURS[0], legend)
    before, after = (area(colour, same) - swatch for colour in COLOURS[:2])
    assert abs(before - after) < 0.03 * after
    assert abs(2 * (area(COLOURS[0], more) - swatch) - after) < 0.05 * after
