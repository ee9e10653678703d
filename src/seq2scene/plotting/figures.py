"""What every plot shares: figures without pyplot's global state, one style, output as pixels and files."""

from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from PIL import Image

from seq2scene.caching import draft

# Okabe and Ito's colours, safe for colour-blind readers; without yellow, which is pale on white
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
INK, FAINT = "#222222", "#d8d8d8"
DPI = 150

# OKLab to the cube roots of cone responses, and cone responses to linear sRGB
OKLAB_TO_CONES = np.array(
    [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
)
CONES_TO_RGB = np.array(
    [
        [4.0767416621, -3.3077115913, 0.2309699292],
        [-1.2684380046, 2.6097574011, -0.3413193965],
        [-0.0041960863, -0.7034186147, 1.7076147010],
    ]
)


def new_figure(width: float, height: float, layout: str | None = "constrained") -> Figure:
    """A white figure of ``width`` x ``height`` inches, unknown to pyplot."""
    figure = Figure(figsize=(width, height), dpi=DPI, facecolor="white", layout=layout)
    FigureCanvasAgg(figure)
    return figure


def to_pixels(figure: Figure) -> np.ndarray:
    """The rendered figure, cropped to its contents: (height, width, 3) uint8."""
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, bbox_inches="tight", pad_inches=0.1)
    return np.asarray(Image.open(buffer).convert("RGB"))


def save_picture(path: Path, picture: np.ndarray) -> None:
    """Writes (height, width, 3) uint8 as an image file in the format of its suffix; creates the folder."""
    with draft(path) as part:
        Image.fromarray(picture).save(part)


def tidy(axes: Axes, title: str, x: str, y: str) -> None:
    """The common style of line plots: two spines, a faint grid, small labels."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(FAINT)
    axes.grid(color=FAINT, linewidth=0.6, alpha=0.7)
    axes.set_axisbelow(True)
    axes.tick_params(color=FAINT, labelcolor=INK, labelsize=8)
    axes.set_title(title, fontsize=10, color=INK, loc="left", parse_math=False)
    axes.set_xlabel(x, fontsize=8, color=INK, parse_math=False)
    axes.set_ylabel(y, fontsize=8, color=INK, parse_math=False)


@cache
def white_to_blue() -> ListedColormap:
    """A colour map of linearly decreasing lightness: an arc in OKLab (Ottosson 2020) from white to indigo."""
    amount = np.linspace(0, 1, 256)
    chroma = np.sin(np.pi * amount**0.8) * 0.08 + 0.06 * amount
    hue = np.deg2rad(230 + 50 * amount)  # from sky to indigo
    lab = np.stack([1 - 0.78 * amount, chroma * np.cos(hue), chroma * np.sin(hue)], axis=1)  # (256, 3)
    linear = (lab @ OKLAB_TO_CONES.T) ** 3 @ CONES_TO_RGB.T
    gamma = np.where(linear > 0.0031308, 1.055 * np.abs(linear) ** (1 / 2.4) - 0.055, 12.92 * linear)
    return ListedColormap(np.clip(gamma, 0, 1), name="white_to_blue")


@cache
def font_families() -> list[str]:
    """DejaVu Sans, which comes with matplotlib and has accents, then installed fonts for other scripts."""
    installed = {font.name for font in font_manager.fontManager.ttflist}
    wide = ("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans", "Arial Unicode MS", "WenQuanYi Zen Hei")
    return ["DejaVu Sans", *(name for name in wide if name in installed)]
