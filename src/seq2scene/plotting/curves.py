"""Learning curves from the CSV file that a run's logger writes."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import LogLocator, NullLocator

from seq2scene.errors import UserError
from seq2scene.plotting.figures import COLOURS, INK, new_figure, tidy, to_pixels
from seq2scene.sequences.lines import read_table

# quantity -> stage -> (points, 2): step and value
Curves = dict[str, dict[str, np.ndarray]]

TITLES = {
    "loss": "Loss",
    "perplexity": "Perplexity",
    "bleu": "BLEU",
    "chrf": "chrF",
    "faithfulness_relation": "Relations that hold",
    "faithfulness_all": "Facts that hold",
}
STAGE_COLOURS = {"train": COLOURS[0], "val": COLOURS[1], "test": COLOURS[2], "": COLOURS[6]}


def draw_curves(metrics: Path, quantities: Sequence[str] = tuple(TITLES)) -> np.ndarray:
    """Learning curves of a run as (H, W, 3) uint8: one panel for each of the ``quantities`` logged.

    metrics: Lightning's ``metrics.csv``, whose columns are named ``stage/quantity``, with suffix ``_step`` or
    ``_epoch`` if both were logged. Raises UserError if the file is missing or has none of the quantities.
    """
    curves = read_curves(metrics)
    shown = [quantity for quantity in quantities if quantity in curves]
    if not shown:
        raise UserError(
            f"{metrics}: has none of {', '.join(quantities)}; it has {', '.join(curves) or 'nothing'}"
        )
    columns = min(len(shown), 2)
    rows = -(-len(shown) // columns)
    figure = new_figure(4.4 * columns, 2.9 * rows)
    for place, quantity in enumerate(shown, start=1):
        draw_panel(figure.add_subplot(rows, columns, place), quantity, curves[quantity])
    return to_pixels(figure)


def read_curves(metrics: Path) -> Curves:
    """Every curve of a ``metrics.csv``, without empty and non-finite values; curves with no others are
    dropped. Raises UserError with file, line and column for a value that is no number.
    """
    if not metrics.is_file():
        raise UserError(f"no metrics at {metrics}: the csv logger writes them (logger=csv)")
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for line, row in read_table(metrics):
        if "step" not in row:
            raise UserError(f"{metrics}: its header has no column step, as the csv logger writes it")
        step = row.pop("step")
        for name, value in row.items():
            if name != "epoch" and value and step:
                point = (_number(step, name, metrics, line), _number(value, name, metrics, line))
                points[name].append(point)
    return arrange(points)


def _number(text: str, name: str, metrics: Path, line: int) -> float:
    try:
        return float(text)
    except ValueError:
        where = f"{metrics}, line {line}: {name}"
        raise UserError(f"{where}: {text[:40]!r} is no number; fix or delete the line") from None


def arrange(points: dict[str, list[tuple[float, float]]]) -> Curves:
    curves: Curves = defaultdict(dict)
    for name in sorted(points):  # x_epoch sorts before x_step, so the finer of the two wins
        stage, _, quantity = name.rpartition("/")
        values = np.array(points[name])
        quantity = quantity.removesuffix("_epoch").removesuffix("_step")
        finite = values[np.isfinite(values).all(axis=1)]
        if len(finite):
            curves[quantity][stage] = finite
    return dict(curves)


def draw_panel(axes: Axes, quantity: str, curves: dict[str, np.ndarray]) -> None:
    tidy(axes, TITLES.get(quantity, quantity), "optimizer steps", "")
    for stage, points in curves.items():
        colour = STAGE_COLOURS.get(stage, COLOURS[3])
        draw_curve(axes, points, stage, colour)
    axes.set_xlim(left=0)
    if quantity == "perplexity":
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter("{x:g}")
        axes.yaxis.set_minor_locator(NullLocator())
    axes.legend(frameon=False, fontsize=8, labelcolor=INK)


def draw_curve(axes: Axes, points: np.ndarray, label: str, colour: str) -> None:
    """A line; with markers if it has few points; if it has many, faint, under its running mean."""
    steps, values = points.T
    if len(points) <= 40:
        axes.plot(steps, values, color=colour, linewidth=1.6, marker="o", markersize=3.5, label=label)
        return
    axes.plot(steps, values, color=colour, linewidth=0.6, alpha=0.25)
    axes.plot(steps, running_mean(values, len(values) // 40), color=colour, linewidth=1.6, label=label)


def running_mean(values: np.ndarray, width: int) -> np.ndarray:
    """Mean over a window of up to ``width`` values on either side, clipped at the ends: (points,).

    The window is symmetric at the start, where curves are steep and a one-sided mean would be biased.
    """
    sums = np.concatenate([[0.0], values.cumsum()])
    places = np.arange(len(values))
    before = np.minimum(places, width)
    after = np.minimum(before, places[::-1])
    return (sums[places + after + 1] - sums[places - before]) / (before + after + 1)
