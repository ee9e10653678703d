"""Where each published table stands: reached, worse by how much, or not run.

    python experiments/status.py

What runs are compared with stands in ``conf/experiment``, under ``published``; measured scores stand in
``experiments/measured.json``: the rows of ``python experiments/collect.py NAME=RUN ... --json FILE`` whose
NAME is an experiment's ``name``. Writes ``experiments/STATUS.md``, one row per score, and a badge for each
table in ``experiments/badges``.
"""

import argparse
import re
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from collect import SCORES, digits, is_score, markdown, read_rows, shown
from omegaconf import OmegaConf

from seq2scene.running.entry import user_errors

HERE = Path(__file__).resolve().parent
EXPERIMENTS = HERE.parent / "conf" / "experiment"
LOWER_IS_BETTER = {"perplexity", "aer"}
GREEN, AMBER, GREY = "#2e7d32", "#b26a00", "#5f6368"
LETTER, PADDING = 6.6, 6  # of a badge, in pixels
HEADER = ("experiment", "system", "source", "test set", "score", "compared with", "measured", "n", "status")
INTRODUCTION = """\
Made by `python experiments/status.py`. The source says where a system's score was published, that this
project measured it with the system's own code (measured), or that it is quoted from memory (recalled)."""
HOW = "python experiments/collect.py NAME=RUN ... --json experiments/measured.json writes it"


@dataclass(frozen=True)
class Comparison:
    """A score that an experiment is compared with, and what its runs gave: nothing if there is none.

    source: whether it was published, and where, or measured by this project.
    """

    experiment: str
    table: str
    system: str
    source: str
    test: str
    score: str
    wanted: float
    measured: tuple[float, ...]

    @property
    def behind(self) -> float | None:
        """By how much the mean of the runs is worse, to the digits shown; negative if it is better, None if
        not run.
        """
        if not self.measured:
            return None
        gap = self.wanted - statistics.fmean(self.measured)
        return round(-gap if self.score in LOWER_IS_BETTER else gap, digits(self.score))

    @property
    def status(self) -> str:
        if self.behind is None:
            return "not run"
        return "reached" if self.behind <= 0 else f"worse by {self.behind:.{digits(self.score)}f}"

    def row(self) -> list[str]:
        return [
            self.experiment,
            self.system,
            self.source,
            self.test,
            SCORES[self.score],
            shown([self.wanted], self.score),
            shown(self.measured, self.score),
            str(len(self.measured) or ""),
            self.status,
        ]


def table_of(experiment: str, source: str) -> str:
    """The published table, if the source names one, or all of what an experiment is compared with."""
    place = re.match(r"(Table|section) [\d.]+", source)
    return f"{experiment.partition('/')[0]} {place.group() if place else ''}".strip()


def comparisons(measured: list[dict[str, Any]]) -> Iterator[Comparison]:
    """Every score to compare with, in the order of the files. measured: rows of ``measured.json``."""
    for path in sorted(EXPERIMENTS.rglob("*.yaml")):
        name = path.relative_to(EXPERIMENTS).with_suffix("").as_posix()
        config = OmegaConf.to_container(OmegaConf.load(path))
        runs = [row["scores"] for row in measured if row["name"] == config.get("name")]
        for entry in config.get("published", []):
            for score in (score for score in SCORES if score in entry):
                tests = (
                    [entry["test"]] if "test" in entry else sorted({test for run in runs for test in run})[:1]
                )
                values = [run.get(test, {}).get(score) for run in runs for test in tests]
                yield Comparison(
                    name,
                    table_of(name, entry["source"]),
                    entry["system"],
                    entry["source"],
                    entry.get("test", "test"),
                    score,
                    float(str(entry[score]).removeprefix("> ")),
                    tuple(filter(is_score, values)),
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
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    found = list(comparisons(read_rows(HERE / "measured.json", HOW)))
    tables: dict[str, list[Comparison]] = {}
    for one in found:
        tables.setdefault(one.table, []).append(one)
    folder = HERE / "badges"
    folder.mkdir(exist_ok=True)
    lines = ["# Published and measured", "", INTRODUCTION, ""]
    for table, ones in tables.items():
        text, colour = verdict(ones)
        file = folder / f"{re.sub(r'[^a-z0-9]+', '_', table.lower())}.svg"
        file.write_text(badge(table, text, colour), encoding="utf-8")
        lines += [f"## {table}", "", f"![{text}](badges/{file.name})", ""]
        lines += [markdown(HEADER, (one.row() for one in ones)), ""]
    (HERE / "STATUS.md").write_text("\n".join(lines), encoding="utf-8")
    count = sum(one.behind is not None for one in found)
    print(f"{len(found)} scores to compare with, {count} of them measured: {HERE / 'STATUS.md'}")


if __name__ == "__main__":
    with user_errors():
        main()
