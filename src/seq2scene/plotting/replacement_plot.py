"""BLEU before and after unknown-word replacement, by the number of unknown words in a sentence."""

from collections.abc import Sequence

import numpy as np
from matplotlib.ticker import MaxNLocator

from seq2scene.plotting.figures import COLOURS, INK, new_figure, tidy, to_pixels


def draw_replacement_gain(
    labels: Sequence[str], before: Sequence[float], after: Sequence[float], title: str = ""
) -> np.ndarray:
    """Two bars per label, BLEU ``before`` and ``after``, with the gain above ``after``: (H, W, 3) uint8."""
    assert len(labels) == len(before) == len(after), "two bars per label"
    figure = new_figure(max(4.0, 1.0 + 0.9 * len(labels)), 3.8)
    axes = figure.add_subplot()
    tidy(axes, title, "unknown words in the hypothesis, and sentences", "BLEU")
    places = np.arange(len(labels))
    for side, (values, name) in enumerate(((before, "as written"), (after, "unknown words replaced"))):
        axes.bar(places + 0.38 * (side - 0.5), values, width=0.36, color=COLOURS[side], label=name)
    for place, (low, high) in enumerate(zip(before, after, strict=True)):
        axes.annotate(
            f"{high - low:+.1f}",
            (place, max(low, high)),
            xytext=(0, 3),
            textcoords="offset points",
            ha="center",
            fontsize=7,
            color=INK,
        )
    axes.set_xticks(places, labels)
    axes.yaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10]))
    axes.margins(y=0.15)
    axes.legend(frameon=False, fontsize=8, labelcolor=INK)
    return to_pixels(figure)
