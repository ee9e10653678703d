"""Sentences drawn as points: one point per sentence, one colour per group."""

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from seq2scene.plotting.figures import COLOURS
from seq2scene.plotting.sentence_map import draw_sentence_map

POINTS = np.array([[0.0, 0.0], [1.0, 1.0], [-1.0, 2.0]])


def pixels_of(colour: str, picture: np.ndarray) -> int:
    rgb = np.round(np.array(to_rgb(colour)) * 255)
    return int((picture == rgb).all(axis=2).sum())


def test_a_group_has_a_colour_of_its_own() -> None:
    one, two = (draw_sentence_map(POINTS, list("xyz"), groups, (0.6, 0.3)) for groups in ("aaa", "aba"))
    assert pixels_of(COLOURS[0], one) > 0 and pixels_of(COLOURS[1], one) == 0
    # one point against two
    assert pixels_of(COLOURS[0], two) == pytest.approx(2 * pixels_of(COLOURS[1], two), rel=0.1)


def test_names_are_text_and_no_formulas_and_long_ones_are_cut() -> None:
    short = draw_sentence_map(POINTS, ["$a_b$", "", "x"], "aaa", (0.6, 0.3))
    assert not np.array_equal(short, draw_sentence_map(POINTS, ["", "", "x"], "aaa", (0.6, 0.3)))
    ours, theirs = (draw_sentence_map(POINTS, ["x", "y", "z" * n], "aaa", (1, 0)) for n in (60, 90))
    assert np.array_equal(ours, theirs)
