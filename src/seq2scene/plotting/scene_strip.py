"""A scene step by step: what was placed, and which words were attended to.

Drawn with PIL, not matplotlib, which takes a second per strip: a gallery has hundreds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

from seq2scene.plotting.figures import INK, white_to_blue

PANEL, GAP, PAD = 420, 18, 3  # pixels: width of a picture, between panels, around a word
HEADING, TITLE, WORD = 18, 16, 14  # font sizes in pixels
DARKEST = 0.85  # of the colour scale, for the word with the largest weight


@dataclass(frozen=True)
class Step:
    """picture: (height, width, 3) uint8 after the step. title: what was placed. weights: attention to each
    word, 0 to 1, or None.
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
    """The steps side by side, wrapped into rows, with the words under each shaded by attention, and finally
    the true scene, if known: (height, width, 3) uint8.
    """
    panels = [(step.picture, f"{n}. {step.title}", step.weights) for n, step in enumerate(steps, start=1)]
    if truth is not None:
        panels.append((truth, "the true scene", None))
    columns = min(columns, len(panels))
    tall = round(PANEL * panels[0][0].shape[0] / panels[0][0].shape[1])
    headings = wrap(heading.split(), HEADING, columns * (PANEL + GAP) - GAP)
    titles = [wrap(title.split(), TITLE, PANEL) for _, title, _ in panels]
    weighed = len(words) > 0 and any(weights is not None for _, _, weights in panels)
    lines = wrap(words, WORD, PANEL) if weighed else []
    above = max(map(len, titles)) * _leading(TITLE)
    panel_height = above + tall + PAD + len(lines) * _leading(WORD)
    top = GAP + len(headings) * _leading(HEADING) + (GAP if headings else 0)
    rows = -(-len(panels) // columns)
    sheet = Image.new("RGB", (GAP + columns * (PANEL + GAP), top + rows * (panel_height + GAP)), "white")
    pen = ImageDraw.Draw(sheet)
    _write(pen, headings, HEADING, GAP, GAP)
    for place, ((picture, _, weights), title) in enumerate(zip(panels, titles, strict=True)):
        x, y = GAP + place % columns * (PANEL + GAP), top + place // columns * (panel_height + GAP)
        _write(pen, title, TITLE, x, y)
        small = Image.fromarray(picture).resize((PANEL, tall), Image.Resampling.LANCZOS)
        sheet.paste(small, (x, y + above))
        if weights is not None:
            _shade(pen, lines, x, y + above + tall + PAD, weights)
    return np.asarray(sheet)


def wrap(words: Sequence[str], size: int, width: int) -> list[list[str]]:
    """Breaks words into lines of at most ``width`` pixels; a longer word gets its own line."""
    lines: list[list[str]] = []
    room = -1.0
    for word in words:
        length = _advance(word, size)
        if length > room:
            lines.append([])
            room = width
        lines[-1].append(word)
        room -= length
    return lines


def _write(pen: ImageDraw.ImageDraw, lines: list[list[str]], size: int, x: int, y: int) -> None:
    """Writes lines of words, starting at (x, y)."""
    for number, line in enumerate(lines):
        pen.text((x, y + number * _leading(size)), " ".join(line), fill=INK, font=_font(size))


def _shade(
    pen: ImageDraw.ImageDraw, lines: list[list[str]], x: int, y: int, weights: Sequence[float]
) -> None:
    """Shades the background of each word by its weight relative to the largest."""
    assert len(weights) == sum(map(len, lines)), "one weight per word"
    shades = iter(np.asarray(weights) / max(*weights, 1e-9))
    for number, line in enumerate(lines):
        left, top = float(x), y + number * _leading(WORD)
        for word in line:
            shade, width = next(shades), _advance(word, WORD)
            ground = tuple(round(255 * part) for part in white_to_blue()(DARKEST * shade)[:3])
            box = (left, top, left + width - PAD, top + _leading(WORD) - PAD)
            pen.rounded_rectangle(box, radius=PAD, fill=ground)
            pen.text((left + PAD, top), word, fill="white" if shade > 0.6 else INK, font=_font(WORD))
            left += width


def _advance(word: str, size: int) -> float:
    """Pixels from the start of a word to the start of the next."""
    return _font(size).getlength(word) + 3 * PAD


def _leading(size: int) -> int:
    return round(1.4 * size)


@cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font_manager.findfont("DejaVu Sans"), size)  # comes with matplotlib
