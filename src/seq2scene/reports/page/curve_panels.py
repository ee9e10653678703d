"""Learning curves as geometry for inline SVG."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seq2scene.plotting.curves import TITLES, read_curves, running_mean

WIDTH, HEIGHT = 480.0, 260.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 12.0, 30.0, 34.0  # margins
STAGES = ("train", "val")
MARKED = 40  # curves of so few points have markers
POINTS = 400  # of longer curves every n-th is drawn
LOGARITHMIC = 30.0  # ratio of the largest to the smallest value from which the axis is logarithmic


@dataclass(frozen=True)
class Curve:
    """points: for an SVG polyline. marks: (x, y) of markers. faint: the curve before smoothing, or ``""``.
    last: the value it ends with.
    """

    stage: str
    points: str
    marks: list[tuple[float, float]]
    faint: str
    last: str


@dataclass(frozen=True)
class Panel:
    """One quantity over optimizer steps. x_ticks, y_ticks: (position, label)."""

    title: str
    curves: list[Curve]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]


def curve_panels(metrics: Path, quantities: Sequence[str]) -> list[Panel]:
    """A panel for each of the ``quantities`` that ``metrics.csv`` has of training or validation, more than
    once.

    Raises:
        UserError: there is no such file.
    """
    found = read_curves(metrics)
    known = {q: {stage: found[q][stage] for stage in STAGES if stage in found[q]} for q in found}
    wanted = [q for q in dict.fromkeys(quantities) if max(map(len, known.get(q, {}).values()), default=0) > 1]
    return [_panel(quantity, known[quantity]) for quantity in wanted]


def _panel(quantity: str, curves: dict[str, np.ndarray]) -> Panel:
    values = np.concatenate([points[:, 1] for points in curves.values()])
    last = max(float(points[-1, 0]) for points in curves.values())
    low, high = float(values.min()), float(values.max())
    logarithmic = low > 0 and high / low > LOGARITHMIC
    ticks = log_ticks(low, high) if logarithmic else even_ticks(low, high)
    bottom, top = min(low, ticks[0]), max(high, ticks[-1])
    if bottom == top:
        bottom, top = bottom - 0.5, top + 0.5
    steps = even_ticks(0.0, max(last, 1.0))
    end = max(last, 1.0)

    def x(steps: np.ndarray) -> np.ndarray:
        return LEFT + steps / end * (WIDTH - LEFT - RIGHT)

    def y(values: np.ndarray) -> np.ndarray:
        scale = np.log if logarithmic else np.asarray
        share = (scale(values) - scale(bottom)) / (scale(top) - scale(bottom))
        return TOP + (1 - share) * (HEIGHT - TOP - BOTTOM)

    def draw(stage: str, points: np.ndarray) -> Curve:
        at, smooth, faint = points[:, 0], points[:, 1], ""
        if len(points) > MARKED:
            faint = _polyline(x(at), y(smooth))
            smooth = running_mean(smooth, len(points) // MARKED)
        marks = [] if faint else [(float(a), float(b)) for a, b in zip(x(at), y(smooth), strict=True)]
        return Curve(stage, _polyline(x(at), y(smooth)), marks, faint, f"{points[-1, 1]:.4g}")

    return Panel(
        TITLES.get(quantity, quantity.replace("_", " ")),
        [draw(stage, points) for stage, points in curves.items()],
        [(float(x(np.asarray(tick))), f"{tick:g}") for tick in steps if tick <= end],
        [(float(y(np.asarray(tick))), f"{tick:g}") for tick in ticks],
    )


def _polyline(xs: np.ndarray, ys: np.ndarray) -> str:
    every = max(1, len(xs) // POINTS)
    rows = [*zip(xs[::every], ys[::every], strict=True), (xs[-1], ys[-1])]
    return " ".join(f"{a:.1f},{b:.1f}" for a, b in rows)


def even_ticks(low: float, high: float, most: int = 6) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten; the ends enclose ``low`` and ``high``."""
    span = (high - low) or abs(high) or 1.0
    power = 10.0 ** math.floor(math.log10(span / (most - 1)))
    step = next(power * m for m in (1, 2, 5, 10, 20) if span / (power * m) <= most - 1)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(number * step, 12) for number in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten, or the powers alone; the ends enclose ``low`` and ``high``."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= 3 else (1,)
    ticks = [m * 10.0**power for power in range(first, last + 1) for m in factors]
    below, above = max(t for t in ticks if t <= low), min(t for t in ticks if t >= high)
    return [tick for tick in ticks if below <= tick <= above]
