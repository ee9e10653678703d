"""Where each published table stands: reached, below by how much, or not run.

    python experiments/status.py

Published scores stand in ``conf/experiment``, measured ones in ``experiments/measured.json``: the rows of
``python experiments/collect.py NAME=RUN ... --json FILE`` whose NAME is an experiment's ``name``. Writes
``experiments/STATUS.md``, one row per published score, and a badge for each table in ``experiments/badges``.
"""

import json
import re
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from collect import SCORES, digits, markdown
from omegaconf import OmegaConf

HERE = Path(__file__).resolve().parent
EXPERIMENTS = HERE.parent / "conf" / "experiment"
LOWER_IS_BETTER = {"perplexity", "aer"}
GREEN, AMBER, GREY = "#2e7d32", "#b26a00", "#5f6368"
LETTER, PADDING = 6.6, 6  # of a badge, in pixels


@dataclass(frozen=True)
class Comparison:
    """A published score of an experiment, and what its runs gave: nothing if there is none."""

    experiment: str
    table: str
    system: str
    test: str
    score: str
    published: float
    measured: tuple[float, ...]

    @property
    def behind(self) -> float | None:
        """By how much the mean of the runs is worse, negative if it is better; None if not run."""
        if not self.measured:
            return None
        gap = self.published - statistics.fmean(self.measured)
        return -gap if self.score in LOWER_IS_BETTER else gap

    @property
    def status(self) -> str:
        if self.behind is None:
            return "not run"
        return "reached" if self.behind <= 0 else f"below by {self.behind:.{digits(self.score)}f}"

    def row(self) -> list[str]:
        places = digits(self.score)
        shown = f"{statistics.fmean(self.measured):.{places}f}" if self.measured else ""
        if len(self.measured) > 1:
            shown += f" ± {statistics.stdev(self.measured):.{places}f}"
        return [
            self.experiment,
            self.system,
            self.test,
            SCORES[self.score],
            f"{self.published:.{places}f}",
            shown,
            str(len(self.measured) or ""),
            self.status,
        ]


def table_of(experiment: str, source: str) -> str:
    """The published table, if the source names one, or all of what an experiment is compared with."""
    place = re.match(r"(Table|section) [\d.]+", source)
    return f"{experiment.partition('/')[0]} {place.group() if place else ''}".strip()


def comparisons(measured: list[dict[str, Any]]) -> Iterator[Comparison]:
    """Every published score, in the order of the files. measured: rows of ``measured.json``."""
    for path in sorted(EXPERIMENTS.rglob("*.yaml")):
        name = path.relative_to(EXPERIMENTS).with_suffix("").as_posix()
        config = OmegaConf.to_container(OmegaConf.load(path))
        runs = [row["scores"] for row in measured if row["name"] == config.get("name")]
        for entry in config.get("published", []):
            for score in (score for score in SCORES if score in entry):
                tests = (
                    [entry["test"]] if "test" in entry else sorted({test for run in runs for test in run})[:1]
                )
                values = [run[test][score] for run in runs for test in tests if score in run.get(test, {})]
                yield Comparison(
                    name,
                    table_of(name, entry["source"]),
                    entry["system"],
                    entry.get("test", "test"),
                    score,
                    float(str(entry[score]).removeprefix("> ")),
                    tuple(values),
                )


def verdict(found: list[Comparison]) -> tuple[str, str]:
    """What a badge says of a table, and its colour."""
    run = [one for one in found if one.behind is not None]
    if not run:
        return "not run", GREY
    reached = sum(one.behind <= 0 for one in run)
    return f"{reached} of {len(run)} reached", GREEN if reached == len(run) else AMBER


def badge(label: str, text: str, colour: str) -> str:
    """A small SVG: ``label`` on grey, ``text`` on ``colour``."""
    left, right = (len(part) * LETTER + 2 * PADDING for part in (label, text))
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{left + right:.0f}" height="20" role="img">
<title>{label}: {text}</title>
<rect width="{left + right:.0f}" height="20" rx="3" fill="{colour}"/>
<rect width="{left:.0f}" height="20" rx="3" fill="#37474f"/>
<g fill="#fff" font-family="Verdana, DejaVu Sans, sans-serif" font-size="11" text-anchor="middle">
<text x="{left / 2:.0f}" y="14">{label}</text>
<text x="{left + right / 2:.0f}" y="14">{text}</text>
</g>
</svg>
"""


def main() -> None:
    found = list(comparisons(json.loads((HERE / "measured.json").read_text(encoding="utf-8"))))
    tables: dict[str, list[Comparison]] = {}
    for one in found:
        tables.setdefault(one.table, []).append(one)
    folder = HERE / "badges"
    folder.mkdir(exist_ok=True)
    lines = ["# Published and measured", "", "Made by `python experiments/status.py`.", ""]
    for table, ones in tables.items():
        text, colour = verdict(ones)
        file = folder / f"{re.sub(r'[^a-z0-9]+', '_', table.lower())}.svg"
        file.write_text(badge(table, text, colour), encoding="utf-8")
        lines += [f"## {table}", "", f"![{text}](badges/{file.name})", ""]
        header = ["experiment", "system", "test set", "score", "published", "measured", "n", "status"]
        lines += [markdown(header, (one.row() for one in ones)), ""]
    (HERE / "STATUS.md").write_text("\n".join(lines), encoding="utf-8")
    count = sum(one.behind is not None for one in found)
    print(f"{len(found)} published scores, {count} of them measured: {HERE / 'STATUS.md'}")


if __name__ == "__main__":
    main()
