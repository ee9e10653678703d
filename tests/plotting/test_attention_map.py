import sys

import numpy as np
import pytest
import torch
from PIL import Image

from seq2scene.plotting.attention_map import LONGEST_LABEL, attention_figure, draw_attention
from seq2scene.plotting.figures import save_picture, white_to_blue

SOURCE = ["ein", "kleiner", "Junge", "läuft"]
TARGET = ["a", "small", "boy"]


def labels(axis) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


def lightness(picture: np.ndarray) -> np.ndarray:
    """CIE L* (0 to 100) of sRGB in 0 to 1."""
    linear = np.where(picture > 0.04045, ((picture + 0.055) / 1.055) ** 2.4, picture / 12.92)
    luminance = linear @ [0.2126, 0.7152, 0.0722]
    return 116 * np.cbrt(luminance) - 16


def cells(picture: np.ndarray) -> np.ndarray:
    """The pixels in the darkest blue, the colour of weight 1: (height, width) bool."""
    full = np.round(np.array(white_to_blue()(1.0))[:3] * 255)
    return np.abs(picture.astype(int) - full).max(axis=2) <= 1


def test_source_words_run_along_the_top_and_target_words_down_the_side():
    axes = attention_figure(np.full((3, 4), 0.25), SOURCE, TARGET).axes[0]
    assert labels(axes.xaxis) == SOURCE
    assert labels(axes.yaxis) == TARGET
    assert axes.yaxis_inverted()  # the first target word on top


def test_the_picture_is_rgb_bytes_and_its_dark_cells_are_where_the_weights_are():
    weights = torch.zeros(3, 4)
    weights[0, 3] = weights[1, 3] = weights[2, 0] = 1
    picture = draw_attention(weights.requires_grad_(), SOURCE, TARGET)
    assert picture.dtype == np.uint8
    assert picture.shape[2] == 3
    dark = cells(picture)
    last_row = np.flatnonzero(dark.sum(axis=1) > 20)[-5]
    first_row = np.flatnonzero(dark.sum(axis=1) > 20)[5]
    assert np.flatnonzero(dark[last_row]).mean() < np.flatnonzero(dark[first_row]).mean()


@pytest.mark.slow
@pytest.mark.parametrize(("sources", "targets"), [(1, 1), (40, 2), (2, 40), (120, 100)])
def test_every_cell_of_every_sentence_is_large_enough_to_see(sources, targets):
    picture = draw_attention(np.ones((targets, sources)), ["ein"] * sources, ["<unk>"] * targets)
    seen = cells(picture)
    rows, columns = seen.any(axis=1).sum(), seen.any(axis=0).sum()
    assert rows / targets > 14
    assert columns / sources > 14
    assert max(picture.shape) < 4000


def test_a_word_is_text_whatever_its_characters_and_a_long_one_is_cut():
    words = ["$x^2$", "$\\frac$", "Straße", "čeština", "x" * 60]
    axes = attention_figure(np.eye(5), words, words, title="$5 for _this_").axes[0]
    axes.figure.canvas.draw()
    assert labels(axes.xaxis)[:4] == words[:4]
    assert len(labels(axes.xaxis)[4]) == LONGEST_LABEL


def test_an_empty_output_still_gives_a_picture():
    assert draw_attention(np.zeros((0, 4)), SOURCE, []).size > 0


def test_weights_of_another_shape_are_refused():
    with pytest.raises(AssertionError, match="one row per target"):
        draw_attention(np.zeros((4, 3)), SOURCE, TARGET)


def test_the_colour_scale_falls_evenly_from_white():
    values = lightness(white_to_blue()(np.linspace(0, 1, 11))[:, :3])
    steps = -np.diff(values)
    assert values[0] == pytest.approx(100, abs=0.5)
    assert steps.min() > 0.7 * steps.mean()
    assert steps.max() < 1.3 * steps.mean()


def test_a_saved_picture_reads_back(tmp_path):
    picture = draw_attention(np.eye(3), TARGET, TARGET, title="identity")
    save_picture(tmp_path / "new" / "map.png", picture)
    assert (np.asarray(Image.open(tmp_path / "new" / "map.png")) == picture).all()


@pytest.mark.slow
def test_painting_leaves_pyplot_alone(monkeypatch):
    """No module imports it either: test_policies.py."""
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    draw_attention([[1.0]], ["a"], ["b"])
    assert "matplotlib.pyplot" not in sys.modules
