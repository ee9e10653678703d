"""A scene step by step: what was placed, and which words were looked at."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.offsetbox import AnchoredOffsetbox, HPacker, TextArea, VPacker
from PIL import Image

from seq2scene.painting.figures import INK, new_figure, to_pixels, white_to_blue

WORDS_IN_LINE = 34  # characters of words under a picture


@dataclass(frozen=True)
class Step:
    """picture: (height, width, 3) uint8 after the step. title: what was placed. weights: of each word, 0 to
    1, or None.
    """

    picture: np.ndarray
    title: str
    weights: Sequence[float] | None = None


def draw_strip(
    steps: Sequence[Step],
    words: Sequence[str] = (),
    truth: np.ndarray | None = None,
    columns: int = 4,
    heading: str = "",
) -> np.ndarray:
    """The steps side by side, wrapped into rows, the words under each as dark as they were looked at; at the
    end the true scene, where it is known. (height, width, 3) uint8.
    """
    panels = len(steps) + (truth is not None)
    rows = -(-panels // columns)
    figure = new_figure(3.0 * min(columns, panels), 3.2 * rows + 0.4 * bool(heading))
    if heading:
        figure.suptitle(heading, fontsize=9, color=INK, x=0.01, ha="left", parse_math=False)
    for place, step in enumerate(steps, start=1):
        axes = figure.add_subplot(rows, columns, place)
        _show(axes, step.picture, f"{place}. {step.title}")
        if step.weights is not None and len(words):
            _write_words(axes, words, np.asarray(step.weights))
    if truth is not None:
        _show(figure.add_subplot(rows, columns, panels), truth, "the true scene")
    return to_pixels(figure)


def save_animation(path: Path, pictures: Sequence[np.ndarray], milliseconds: int = 600) -> None:
    """A GIF of the steps, the last one held three times as long."""
    path.parent.mkdir(parents=True, exist_ok=True)
    first, *others = [Image.fromarray(picture) for picture in pictures]
    durations = [milliseconds] * len(others) + [3 * milliseconds]
    first.save(path, save_all=True, append_images=others, duration=durations, loop=0)


def _show(axes: Axes, picture: np.ndarray, title: str) -> None:
    axes.imshow(picture)
    axes.set_title(title, fontsize=8, color=INK, loc="left", parse_math=False)
    axes.set_axis_off()


def _write_words(axes: Axes, words: Sequence[str], weights: np.ndarray) -> None:
    """Words on a ground as dark as their weight, relative to the largest, wrapped below the picture."""
    shades = weights / max(float(weights.max()), 1e-9)
    lines: list[list[TextArea]] = [[]]
    length = 0
    for word, shade in zip(words, shades, strict=True):
        if length and length + len(word) > WORDS_IN_LINE:
            lines.append([])
            length = 0
        ground = {
            "facecolor": white_to_blue()(0.85 * shade),
            "edgecolor": "none",
            "boxstyle": "round,pad=0.15",
        }
        properties = {"fontsize": 6.5, "color": "white" if shade > 0.6 else INK, "bbox": ground}
        lines[-1].append(TextArea(word.replace("$", r"\$"), textprops=properties))
        length += len(word) + 1
    packed = VPacker(
        children=[HPacker(children=line, pad=0, sep=3, align="baseline") for line in lines],
        pad=0,
        sep=2,
        align="left",
    )
    axes.add_artist(
        AnchoredOffsetbox(
            "upper left",
            child=packed,
            frameon=False,
            bbox_to_anchor=(0.0, -0.01),
            bbox_transform=axes.transAxes,
            borderpad=0,
            pad=0,
        )
    )
