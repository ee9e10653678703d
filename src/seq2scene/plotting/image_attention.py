"""Attention over a picture, word by word: attended regions stay bright (Xu et al. 2015, Figures 2, 3)."""

from collections.abc import Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from seq2scene.plotting.attention_map import shorten
from seq2scene.plotting.figures import INK, font_families, new_figure, to_pixels
from seq2scene.scenes.boxes import edges

PANEL, GAP, HEADING = 1.7, 0.12, 0.28  # inches
SPREAD = 0.6  # standard deviation of the blur, in attention cells
DIMMEST = 0.25  # brightness of a picture where there is no attention


def draw_image_attention(
    picture: np.ndarray, weights: Tensor | np.ndarray, words: Sequence[str], columns: int = 5
) -> np.ndarray:
    """Panels of one picture (H, W, 3) uint8, as (height, width, 3) uint8: the picture itself, then one per
    word.

    weights: (T, y, x), the attention of each of T words over y rows and x columns of cells.
    """
    return to_pixels(image_attention_figure(picture, weights, words, columns))


def image_attention_figure(
    picture: np.ndarray, weights: Tensor | np.ndarray, words: Sequence[str], columns: int = 5
) -> Figure:
    """The figure behind ``draw_image_attention``."""
    assert len(weights) == len(words), "one map for each word"
    panels = [picture, *light_up(picture, weights)]
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    height = PANEL * picture.shape[0] / picture.shape[1]
    across, down = columns * (PANEL + GAP), rows * (height + HEADING)
    figure = new_figure(across, down, layout=None)
    look = {"fontsize": 9, "color": INK, "family": font_families(), "loc": "left", "pad": 3}
    for number, (panel, word) in enumerate(zip(panels, ["", *words], strict=True)):
        row, column = divmod(number, columns)
        left, bottom = column * (PANEL + GAP), down - (row + 1) * (height + HEADING)
        axes = figure.add_axes((left / across, bottom / down, PANEL / across, height / down))
        axes.imshow(panel, aspect="auto")
        axes.set_title(shorten(word), parse_math=False, **look)
        axes.axis("off")
    return figure


def light_up(picture: np.ndarray, weights: Tensor | np.ndarray) -> np.ndarray:
    """The picture (H, W, 3) uint8 shaded by each of T maps (T, y, x): (T, H, W, 3) uint8.

    Each map is scaled by its own maximum, so that panels show where, not how much.
    """
    light = spread(torch.as_tensor(weights).detach().float().cpu(), picture.shape[0], picture.shape[1])
    light = light / light.amax(dim=(1, 2), keepdim=True).clamp(min=torch.finfo(light.dtype).tiny)
    brightness = DIMMEST + (1 - DIMMEST) * light.unsqueeze(3).numpy()
    return (picture * brightness).round().astype(np.uint8)


def box_maps(weights: Tensor, boxes: Tensor, cells: int = 28) -> Tensor:
    """Weights (T, S) over S boxes as maps (T, cells, cells) of the square canvas: a cell has the largest
    weight of the boxes that cover it.

    boxes: (S, 4) centre x, y, width and height as fractions of the canvas.
    """
    at = (torch.arange(cells) + 0.5) / cells
    low, high = edges(boxes)
    inside = (at >= low.unsqueeze(2)) & (at <= high.unsqueeze(2))  # (S, 2, cells)
    over = inside[:, 1].unsqueeze(2) & inside[:, 0].unsqueeze(1)  # (S, y, x)
    return (weights[:, :, None, None] * over).amax(dim=1)


def spread(weights: Tensor, height: int, width: int) -> Tensor:
    """Maps (T, y, x) upsampled to the size of a picture, (T, height, width), with Gaussian weights.

    A pixel is a weighted mean of the cells around it, so a uniform map stays uniform.
    """
    return _glow(height, weights.shape[1]) @ weights @ _glow(width, weights.shape[2]).T


def _glow(pixels: int, places: int) -> Tensor:
    """(pixels, cells) interpolation weights along one side; rows sum to 1."""
    at = (torch.arange(pixels) + 0.5) * places / pixels  # pixel centres, in cells
    distance = at.unsqueeze(1) - (torch.arange(places) + 0.5)
    return (-((distance / SPREAD) ** 2) / 2).softmax(dim=1)
