"""Attention weights as a heat map: which source words each target word was written from."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from seq2scene.plotting.figures import FAINT, INK, font_families, new_figure, to_pixels, white_to_blue

CELL, SMALLEST_CELL, LARGEST_SIDE = 0.30, 0.12, 12.0  # inches
LONGEST_LABEL = 24  # characters


def draw_attention(
    weights: Tensor | np.ndarray, source: Sequence[str], target: Sequence[str], title: str | None = None
) -> np.ndarray:
    """One sentence's attention (T, S), over S source tokens for each of T target tokens, as (H, W, 3) uint8.

    Source tokens run along the top and target tokens down the side, as in Luong et al. 2015, Figure 7. White
    is 0 and the darkest blue 1 in every picture, so that pictures are comparable. Padding must be removed
    first.
    """
    return to_pixels(attention_figure(weights, source, target, title))


def attention_figure(
    weights: Tensor | np.ndarray, source: Sequence[str], target: Sequence[str], title: str | None = None
) -> Figure:
    """The figure behind ``draw_attention``."""
    weights = torch.as_tensor(weights).detach().float().cpu().numpy()
    assert weights.shape == (len(target), len(source)), "one row per target, one column per source"
    cell = cell_size(len(source), len(target))
    width, height = cell * max(len(source), 1), cell * max(len(target), 1)
    figure = new_figure(width, height, layout=None)
    axes = figure.add_axes((0, 0, 1, 1))
    if weights.size:
        draw_cells(axes, weights)
        draw_tokens(axes, source, target, size=min(9.0, 48 * cell))
        draw_scale(figure, width, height)
    else:
        axes.axis("off")
        axes.text(0, 0, "(an empty sentence)", fontsize=9, color=INK)
    if title:
        axes.set_title(title, fontsize=10, color=INK, loc="left", pad=10, parse_math=False)
    return figure


def cell_size(columns: int, rows: int) -> float:
    """Side of a cell in inches: smaller for long sentences, but always large enough to read its word."""
    return float(np.clip(LARGEST_SIDE / max(columns, rows, 1), SMALLEST_CELL, CELL))


def draw_cells(axes: Axes, weights: np.ndarray) -> None:
    axes.imshow(weights, vmin=0, vmax=1, cmap=white_to_blue(), interpolation="nearest", aspect="auto")
    rows, columns = weights.shape
    axes.set_xticks(np.arange(columns + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(rows + 1) - 0.5, minor=True)
    axes.grid(which="minor", color=FAINT, linewidth=0.4)
    axes.tick_params(which="both", length=0)
    axes.spines[:].set_color(FAINT)


def draw_tokens(axes: Axes, source: Sequence[str], target: Sequence[str], size: float) -> None:
    # no mathtext: `$` is a word of many corpora
    look = {"fontsize": size, "color": INK, "family": font_families(), "parse_math": False}
    axes.xaxis.tick_top()
    axes.set_xticks(range(len(source)), [shorten(token) for token in source], rotation=60, **look)
    axes.set_yticks(range(len(target)), [shorten(token) for token in target], **look)
    for label in axes.get_xticklabels():
        label.set(ha="left", rotation_mode="anchor")


def draw_scale(figure: Figure, width: float, height: float) -> None:
    """The colour bar, of fixed size in inches and aligned with the top of the map."""
    thick, long, gap = 0.12, float(np.clip(height, 0.9, 2.0)), 0.18
    axes = figure.add_axes(((width + gap) / width, 1 - long / height, thick / width, long / height))
    axes.imshow(np.linspace(1, 0, 256)[:, None], cmap=white_to_blue(), extent=(0, 1, 0, 1), aspect="auto")
    axes.yaxis.tick_right()
    axes.set_xticks([])
    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"], fontsize=8, color=INK)
    axes.tick_params(length=0)
    axes.spines[:].set_color(FAINT)


def shorten(token: str) -> str:
    return token if len(token) <= LONGEST_LABEL else token[: LONGEST_LABEL - 1] + "…"
