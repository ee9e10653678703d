"""BLEU against sentence length, one line per system (Luong et al. 2015, Figure 6)."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from seq2scene.plotting.figures import COLOURS, INK, new_figure, tidy, to_pixels

MARKERS = "osD^vPX"


def draw_bleu_by_length(
    systems: Mapping[str, tuple[Sequence[float], Sequence[float]]], title: str = "BLEU by sentence length"
) -> np.ndarray:
    """One line per system (name -> lengths in words, BLEU at each) as (H, W, 3) uint8."""
    figure = new_figure(6.4, 3.8)
    axes = figure.add_subplot()
    tidy(axes, title, "sentence length (words)", "BLEU")
    for place, (name, (lengths, scores)) in enumerate(systems.items()):
        look = {"color": COLOURS[place % len(COLOURS)], "marker": MARKERS[place % len(MARKERS)]}
        axes.plot(lengths, scores, label=name, linewidth=1.6, markersize=4, **look)
    axes.set_xlim(left=0)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
    if len(systems) > 1:
        axes.legend(frameon=False, fontsize=8, labelcolor=INK, ncols=2)
    return to_pixels(figure)
