"""Prints the tables of RESULTS.md from runs: python experiments/collect.py NAME=RUN_FOLDER ... [--epochs]"""

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from seq2scene.running.length_report import read_csv


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def epochs(run: Path) -> str:
    """Validation by epoch, and the speed of training in it."""
    found: dict[str, dict[str, list[float]]] = {}
    with open(run / "metrics.csv", newline="") as file:
        for row in csv.DictReader(file):
            for key in ("val/perplexity", "val/bleu_tok", "train/tokens_per_second"):
                if row.get(key):
                    found.setdefault(row["epoch"], {}).setdefault(key, []).append(float(row[key]))
    rows = []
    for epoch, values in found.items():
        if "val/bleu_tok" in values:
            speed = sorted(values.get("train/tokens_per_second", [float("nan")]))
            row = (values["val/perplexity"][-1], values["val/bleu_tok"][-1])
            rows.append([int(epoch) + 1, *(f"{v:.2f}" for v in row), round(speed[len(speed) // 2])])
    return markdown(["epoch", "val perplexity", "val BLEU (greedy)", "target tokens/s"], rows)


def scores(runs: dict[str, Path]) -> str:
    """Test scores, a row for each run and test set."""
    rows = []
    for name, run in runs.items():
        for test, result in json.loads((run / "metrics.json").read_text()).items():
            columns = ("bleu_tok", "bleu", "chrf", "perplexity", "perplexity_words")
            rows.append([name, test, *(f"{result[column]:.2f}" for column in columns)])
    return markdown(
        ["run", "test set", "BLEU (tokens)", "BLEU (13a)", "chrF", "perplexity", "without EOS"], rows
    )


def lengths(runs: dict[str, Path], test: str) -> str:
    """BLEU by reference length, a row for each run."""
    tables = {
        name: next(iter(read_csv(run / f"{test}.by_length.csv").values())) for name, run in runs.items()
    }
    buckets = next(iter(tables.values()))
    header = [test, *(f"{row.shortest}-{row.longest} ({row.sentences})" for row in buckets)]
    return markdown(header, [[name, *(f"{row.bleu:.1f}" for row in rows)] for name, rows in tables.items()])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", help="NAME=RUN_FOLDER")
    parser.add_argument("--epochs", action="store_true", help="also the validation scores of each epoch")
    options = parser.parse_args()
    runs = {name: Path(folder) for name, folder in (run.split("=", 1) for run in options.runs)}
    if options.epochs:
        for name, run in runs.items():
            print(f"\n{name}\n\n{epochs(run)}")
    print(f"\n{scores(runs)}")
    for test in json.loads((next(iter(runs.values())) / "metrics.json").read_text()):
        print(f"\n{lengths(runs, test)}")


if __name__ == "__main__":
    main()
