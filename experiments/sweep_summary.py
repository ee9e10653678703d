"""The runs of a sweep in a table, the best first, and what each setting has to do with the score.

    python experiments/sweep_summary.py FOLDER [--score val/loss] [--lowest]

FOLDER holds runs, however deep: a sweep of train.py -m, a search of Optuna, runs of one name. The score of
a run is its best validation by monitor.metric, or the best value of another column of metrics.csv. Writes
FOLDER/sweep.md, sweep.csv and sweep.png.
"""

import argparse
import csv
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from collect import is_score, markdown
from matplotlib.axes import Axes

from seq2scene.errors import UserError
from seq2scene.metrics.directions import lower_is_better
from seq2scene.plotting.figures import COLOURS, FAINT, INK, new_figure, save_picture, tidy, to_pixels
from seq2scene.reports.page.run_files import (
    Run,
    find_runs,
    read_choices,
    read_metric,
    read_overrides,
    read_run,
)
from seq2scene.running.entry import user_errors

QUIET = 600.0  # seconds after which a run that has written nothing counts as stopped
BINS = 4  # groups of equal size, of a setting with more numbers than this
LONGEST = 100  # characters of an error in the table
NO_SETTINGS = ("hydra", "logger", "resume", "overwrite", "paths")  # parts of a run that change no score
COLOUR = {"done": COLOURS[0], "pruned": COLOURS[1]}
MEASURE = (
    "Share of variance: the sum of squares between the groups of runs that have the same value of a setting, "
    "divided by that of all runs that are done (one-way analysis of variance, eta squared; numbers are put "
    f"in {BINS} groups of equal size). By chance: what a setting without any effect has on average, groups "
    "less one divided by runs less one. A setting matters if its share is well above that; shares of "
    "settings that were not varied independently, as in a search, overlap."
)


@dataclass(frozen=True)
class Row:
    """A run in the table. settings: by key, as on the command line. score: NaN if it has none. test: the same
    score of its first test set, minutes: NaN if unknown.
    """

    name: str
    settings: Mapping[str, str]
    score: float
    test: float
    minutes: float
    status: str
    note: str


@dataclass(frozen=True)
class Importance:
    """share: of the variance of the score, of ``groups`` of ``runs``. chance: its mean without an effect."""

    share: float
    chance: float
    groups: int
    runs: int


def given(overrides: Sequence[str]) -> dict[str, str]:
    """Overrides by key, without those that are no settings."""
    found = {}
    for override in overrides:
        key, equals, value = override.lstrip("+").partition("=")
        found[key] = plain(value.strip("'\"")) if equals else "dropped"
    return {key: value for key, value in found.items() if key.split(".")[0].split("/")[0] not in NO_SETTINGS}


def plain(value: str) -> str:
    """A value in one of the ways that it can be written in: 1e-3 as 0.001, 1.0 as 1, True as true."""
    if value.lower() in ("true", "false", "null"):
        return value.lower()
    for kind in (int, float):
        with suppress(ValueError):
            return str(kind(value)).removesuffix(".0")
    return value


def differing(runs: Mapping[Path, Run]) -> dict[Path, dict[str, str]]:
    """Of each run the settings in which any two runs differ; one that it was not given has its default."""
    every = {folder: given(read_overrides(folder) or []) for folder in runs}
    keys = dict.fromkeys(key for settings in every.values() for key in settings)
    found: dict[Path, dict[str, str]] = {folder: {} for folder in runs}
    for key in keys:
        values = {
            folder: settings[key] if key in settings else _default(runs[folder], key)
            for folder, settings in every.items()
        }
        if len(set(values.values())) > 1:
            for folder, value in values.items():
                found[folder][key] = value
    return found


def _default(run: Run, key: str) -> str:
    """What a run had that it was not told: a value of its config, or an option of a group."""
    value: Any = run.config
    for part in key.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is None or isinstance(value, Mapping):
        value = read_choices(run.folder).get(key, "")
    return plain(str(value))


def status(folder: Path) -> tuple[str, str]:
    """done, failed, pruned, running or stopped, and a word about it."""
    for name, state in (("error.txt", "failed"), ("pruned.txt", "pruned")):
        if (folder / name).is_file():
            line, *_ = (folder / name).read_text(encoding="utf-8", errors="replace").splitlines() or [""]
            return state, line.partition(": ")[2] if state == "failed" else line
    if (folder / "run.json").is_file() or (folder / "metrics.json").is_file():
        return "done", ""
    age = time.time() - last_written(folder)
    return ("running", "") if age < QUIET else ("stopped", f"nothing written for {age / 3600:.1f} h")


def last_written(folder: Path) -> float:
    return max(path.stat().st_mtime for path in folder.rglob("*") if path.is_file())


def minutes(run: Run) -> float:
    """As the run says, or from its first file to its last. Of a resumed run, which says this of its last part
    alone, NaN.
    """
    if run.config.get("resume") is not None:
        return np.nan
    if is_score(run.record.get("seconds")):
        return run.record["seconds"] / 60
    return (last_written(run.folder) - (run.folder / ".hydra/overrides.yaml").stat().st_mtime) / 60


def monitored(runs: Sequence[Run]) -> tuple[str, bool]:
    """The metric that all runs monitor, and whether lower is better. Raises UserError if they differ."""
    found = {tuple(monitor.values()) for run in runs if (monitor := run.config.get("monitor"))}
    if len(found) != 1:
        names = ", ".join(sorted(metric for metric, _ in found)) or "nothing"
        raise UserError(f"the runs monitor {names}: choose one column of metrics.csv with --score")
    ((metric, mode),) = found
    return metric, mode == "min"


def summarise(folder: Path, score: str | None = None, lowest: bool = False) -> tuple[str, bool, list[Row]]:
    """The name of the score, whether lower is better, and the runs, the best first.

    Raises UserError if there are no runs, or none has the score.
    """
    runs = {path: read_run(path, tested=False) for path in find_runs(folder)}
    if not runs:
        raise UserError(f"{folder}: no runs in it")
    name, low = (score, lowest or lower_is_better(score)) if score else monitored(list(runs.values()))
    settings, rows = differing(runs), []
    for path, run in runs.items():
        values = [value for value in read_metric(path, name) if value == value]
        first = next(iter(run.scores.values()), {})
        test = first.get(name.rpartition("/")[2])
        rows.append(
            Row(
                path.relative_to(folder).as_posix(),
                settings[path],
                (min if low else max)(values, default=np.nan),
                test if is_score(test) else np.nan,
                minutes(run),
                *status(path),
            )
        )
    if all(np.isnan(row.score) for row in rows):
        raise UserError(f"{folder}: no run has logged {name} in its metrics.csv")
    return name, low, sorted(rows, key=lambda row: (np.isnan(row.score), row.score if low else -row.score))


def numbers(values: Sequence[str]) -> np.ndarray | None:
    """Values as numbers, None if any is none."""
    try:
        return np.array([float(value) for value in values])
    except ValueError:
        return None


def groups(values: Sequence[str]) -> np.ndarray:
    """The number of the group of each value: of equal ones, or of numbers of about the same size."""
    found, places = np.unique(np.array(values), return_inverse=True)
    as_numbers = numbers(values)
    if as_numbers is None or len(found) <= BINS:
        return places
    edges = np.quantile(as_numbers, np.linspace(0, 1, BINS + 1)[1:-1])
    return np.searchsorted(edges, as_numbers, side="right")


def importance(rows: Sequence[Row]) -> dict[str, Importance]:
    """Of each setting, the most important first; of the runs that are done. See ``MEASURE``."""
    done = [row for row in rows if row.status == "done" and np.isfinite(row.score)]
    scores = np.array([row.score for row in done])
    found = {}
    for key in done[0].settings if len(done) > 2 and np.ptp(scores) > 0 else ():
        places = groups([row.settings[key] for row in done])
        members = [scores[places == place] for place in np.unique(places)]
        if 1 < len(members) < len(done):
            between = sum(len(one) * (one.mean() - scores.mean()) ** 2 for one in members)
            share = between / ((scores - scores.mean()) ** 2).sum()
            found[key] = Importance(share, (len(members) - 1) / (len(done) - 1), len(members), len(done))
    return dict(sorted(found.items(), key=lambda pair: -pair[1].share))


def draw(name: str, rows: Sequence[Row], found: Mapping[str, Importance]) -> np.ndarray:
    """A panel of the score by each setting, and one of their importance: (H, W, 3) uint8."""
    keys = [*found, *(key for key in rows[0].settings if key not in found)]
    columns = min(3, len(keys) + bool(found)) or 1
    lines = -(-(len(keys) + bool(found)) // columns) or 1
    figure = new_figure(3.6 * columns, 2.8 * lines)
    axes = iter(figure.subplots(lines, columns, squeeze=False).flat)
    if found:
        _draw_importance(next(axes), found)
    for key in keys:
        _draw_setting(next(axes), key, name, [row for row in rows if np.isfinite(row.score)])
    for empty in axes:
        empty.set_axis_off()
    return to_pixels(figure)


def _draw_importance(axes: Axes, found: Mapping[str, Importance]) -> None:
    tidy(axes, "share of variance", "", "")
    places = np.arange(len(found))[::-1]
    axes.barh(places, [one.share for one in found.values()], color=COLOURS[0], height=0.6)
    chance = [one.chance for one in found.values()]
    axes.plot(chance, places, "|", color=INK, markersize=14, label="by chance")
    axes.set_yticks(places, list(found), fontsize=7, parse_math=False)
    axes.set_xlim(0, 1)
    axes.legend(frameon=False, fontsize=7)


def _draw_setting(axes: Axes, key: str, name: str, rows: Sequence[Row]) -> None:
    tidy(axes, key, "", name)
    values = [row.settings[key] for row in rows]
    places = numbers(values)
    if places is None:
        known = sorted(set(values))
        places = np.array([known.index(value) for value in values], float)
        axes.set_xticks(range(len(known)), known, fontsize=7, parse_math=False)
        axes.set_xlim(-0.5, len(known) - 0.5)
    elif places.min() > 0 and places.max() > 20 * places.min():
        axes.set_xscale("log")
    for place, row in zip(places, rows, strict=True):
        colour = COLOUR.get(row.status, FAINT)
        face = colour if row.status == "done" else "white"
        axes.plot(place, row.score, "o", markersize=5, color=colour, markerfacecolor=face)


def shown(value: float, digits: int) -> str:
    return "" if np.isnan(value) else f"{value:.{digits}f}"


def table(name: str, rows: Sequence[Row]) -> str:
    has_test = any(np.isfinite(row.test) for row in rows)
    header = [*(["test"] if has_test else []), "minutes", "status", "run"]
    return markdown(
        [name, *rows[0].settings, *header],
        [
            [
                shown(row.score, 4),
                *row.settings.values(),
                *([shown(row.test, 4)] if has_test else []),
                shown(row.minutes, 1),
                row.status + (f": {row.note[:LONGEST].replace('|', '/')}" if row.note else ""),
                row.name,
            ]
            for row in rows
        ],
    )


def page(folder: Path, name: str, low: bool, rows: Sequence[Row], found: Mapping[str, Importance]) -> str:
    """sweep.md."""
    states = Counter(row.status for row in rows)
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    parts = [
        f"# {folder.resolve().name}",
        f"{len(rows)} run{'s' if len(rows) > 1 else ''}: {counts}. The best {name} of each, ",
        table(name, rows),
    ]
    parts[1] += f"{'lowest' if low else 'highest'} first:"
    if found:
        listed = [[key, f"{one.share:.2f}", f"{one.chance:.2f}", one.groups] for key, one in found.items()]
        measured = markdown(["setting", "share of variance", "by chance", "groups"], listed)
        parts += [measured, f"{MEASURE} Of {next(iter(found.values())).runs} runs that are done."]
    parts.append("![the score by each setting](sweep.png)")
    parts.append("Filled: done. Orange: pruned. Grey: others, as far as they have come.")
    return "\n\n".join(parts) + "\n"


def write(folder: Path, name: str, low: bool, rows: Sequence[Row]) -> str:
    """Writes the three files; returns what sweep.md says."""
    found = importance(rows)
    text = page(folder, name, low, rows, found)
    (folder / "sweep.md").write_text(text, encoding="utf-8")
    with open(folder / "sweep.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["run", name, *rows[0].settings, "test", "minutes", "status", "note"])
        for row in rows:
            measured = [shown(value, 6) for value in (row.test, row.minutes)]
            settings = row.settings.values()
            writer.writerow([row.name, shown(row.score, 6), *settings, *measured, row.status, row.note])
    save_picture(folder / "sweep.png", draw(name, rows, found))
    return text


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="the folder of a sweep, or any that holds runs")
    parser.add_argument("--score", help="a column of metrics.csv instead of monitor.metric")
    parser.add_argument("--lowest", action="store_true", help="of that column, lower is better")
    options = parser.parse_args()
    print(write(options.folder, *summarise(options.folder, options.score, options.lowest)))
    print(f"written: {options.folder}/sweep.md, sweep.csv, sweep.png")


if __name__ == "__main__":
    with user_errors():
        main()
