"""Sentences as labelled points in a plane (Sutskever et al. 2014, Figure 2)."""

from collections.abc import Sequence

import numpy as np

from seq2scene.plotting.figures import COLOURS, INK, font_families, new_figure, tidy, to_pixels

LONGEST_NAME = 48  # characters


def draw_sentence_map(
    points: np.ndarray, names: Sequence[str], groups: Sequence[str], shares: Sequence[float]
) -> np.ndarray:
    """Labelled points (N, 2) as (H, W, 3) uint8; those of one group share a colour.

    shares: the fraction of the variance that each of the two axes explains.
    """
    assert points.shape == (len(names), 2), "one point per name"
    figure = new_figure(6.4, 4.8)
    axes = figure.add_subplot()
    x, y = (
        f"principal component {n}: {100 * share:.0f} % of the variance" for n, share in enumerate(shares, 1)
    )
    tidy(axes, "Sentences by the encoder's last state", x, y)
    places = {group: place for place, group in enumerate(dict.fromkeys(groups))}
    colours = [COLOURS[places[group] % len(COLOURS)] for group in groups]
    axes.scatter(*points.T, c=colours, s=22)
    # no mathtext: `$` is a word of many corpora
    look = {"fontsize": 7, "color": INK, "family": font_families(), "parse_math": False}
    for point, name in zip(points, names, strict=True):
        short = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
        axes.annotate(short, point, xytext=(5, 3), textcoords="offset points", **look)
    axes.margins(0.1)
    return to_pixels(figure)
