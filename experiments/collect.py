"""Prints the tables of RESULTS.md from runs, with published next to measured scores: python
experiments/collect.py NAME=RUN_FOLDER ... [--epochs]
"""

import argparse
import csv
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from omegaconf import OmegaConf

from seq2scene.metrics.scene_scores import HEADINGS
from seq2scene.reports.text.lengths import read_csv

# Headings of the scores in an experiment's `published`, by name in metrics.json and alignment_error.json
SCORES = {
    "perplexity": "perplexity",
    "bleu_tok": "BLEU (tokens)",
    "bleu": "BLEU (13a)",
    "chrf": "chrF",
    "bleu_tok_replaced": "BLEU (tokens), unknown words replaced",
    "aer": "alignment error",
    **HEADINGS,
    "b_coord_masked": "B-coord masked",
}
CAPTION = {
    "bleu_1": "BLEU-1",
    "bleu_2": "BLEU-2",
    "bleu_3": "BLEU-3",
    "bleu_4": "BLEU-4",
    "rouge_l": "ROUGE-L",
    "cider": "CIDEr-D",
}
TEXT = {
    "bleu_tok": "BLEU (tokens)",
    "bleu": "BLEU (13a)",
    "chrf": "chrF",
    "perplexity": "perplexity",
    "perplexity_words": "without EOS",
}
SCENE = list(SCORES)[list(SCORES).index("u_precision") :]


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def epochs(run: Path) -> str:
    """Validation scores and training throughput by epoch."""
    shown = {
        "val/perplexity": "val perplexity",
        "val/bleu_tok": "val BLEU (greedy)",
        "val/loss": "val loss",
        "val/score": "val score",
        **{f"val/{name}": SCORES[name] for name in SCENE[:7]},
        **{f"val/{name}": heading for name, heading in CAPTION.items()},
        "train/tokens_per_second": "target tokens/s",
        "train/scenes_per_second": "scenes/s",
    }
    found: dict[str, dict[str, list[float]]] = {}
    with open(run / "metrics.csv", newline="") as file:
        for row in csv.DictReader(file):
            for key in shown:
                if row.get(key):
                    found.setdefault(row["epoch"], {}).setdefault(key, []).append(float(row[key]))
    columns = [key for key in shown if any(key in values for values in found.values())]
    rows = []
    for epoch, values in found.items():
        if any(key.startswith("val/") for key in values):
            speeds = [sorted(v) for key, v in values.items() if key.startswith("train/")]
            last = {
                key: f"{v[-1]:.{digits(key[4:])}f}" for key, v in values.items() if key.startswith("val/")
            }
            last |= {key: str(round(v[len(v) // 2])) for key, v in zip(columns[-1:], speeds, strict=False)}
            rows.append([int(epoch) + 1, *(last.get(key, "") for key in columns)])
    return markdown(["epoch", *(shown[key] for key in columns)], rows)


def digits(score: str) -> int:
    """Decimals to show: three for scores of scenes."""
    return 3 if score in SCENE or score in ("score", "loss", "cider") else 2


def shown(value: float | None, score: str) -> str:
    """A score as shown in tables; empty if missing."""
    return "" if value is None else f"{value:.{digits(score)}f}"


def scores(runs: dict[str, Path]) -> str:
    """Test scores, one row per run and test set, and one for each of its baselines."""
    measured = []
    for name, run in runs.items():
        for test, result in json.loads((run / "metrics.json").read_text()).items():
            measured.append((name, test, result))
            beside = {key: value for key, value in result.items() if isinstance(value, dict)}
            measured += [(f"{name}, {key}".replace("_", " "), test, value) for key, value in beside.items()]
    headings = {**CAPTION, **TEXT, **{name: SCORES[name] for name in SCENE}}
    columns = [key for key in headings if any(key in result for *_, result in measured)]
    rows = [
        [name, test, *(shown(result.get(key), key) for key in columns)] for name, test, result in measured
    ]
    return markdown(["run", "test set", *(headings[key] for key in columns)], rows)


def lengths(runs: dict[str, Path], test: str) -> str:
    """BLEU by reference length, one row per run."""
    tables = {
        name: next(iter(read_csv(run / f"{test}.by_length.csv").values())) for name, run in runs.items()
    }
    buckets = next(iter(tables.values()))
    header = [test, *(f"{row.shortest}-{row.longest} ({row.sentences})" for row in buckets)]
    return markdown(header, [[name, *(f"{row.bleu:.1f}" for row in rows)] for name, rows in tables.items()])


def published_scores(run: Path) -> list[dict]:
    """Published scores for the experiment of a run, or of the run that an evaluation scored."""
    kept = run / ".hydra" / "config.yaml"
    if not kept.exists():
        return []
    config = OmegaConf.to_container(OmegaConf.load(kept))
    if "ckpt" not in config:
        return config.get("published", [])
    first = Path(config["ckpt"] if isinstance(config["ckpt"], str) else config["ckpt"][0])
    return published_scores(first if first.is_dir() else first.parent)


def measured_scores(run: Path) -> dict[str, dict]:
    """A run's scores by test set; alignment scores under ``gold``."""
    scores = json.loads((run / "metrics.json").read_text())
    error = run / "alignment_error.json"
    return {**scores, "gold": json.loads(error.read_text())} if error.exists() else scores


def comparison(runs: dict[str, Path]) -> str | None:
    """Published next to measured scores, one row per published score; None if there are none."""
    rows = []
    for name, run in runs.items():
        measured = measured_scores(run)
        for entry in published_scores(run):
            test = entry.get("test", next(iter(measured)))
            for score in (score for score in SCORES if score in entry):
                ours = shown(measured.get(test, {}).get(score), score)
                where = entry["system"], entry.get("source", "")
                rows.append([name, test, SCORES[score], entry[score], ours, *where])
    header = ["run", "test set", "score", "published", "measured", "system", "source"]
    return markdown(header, rows) if rows else None


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
    if table := comparison(runs):
        print(f"\n{table}")
    for test in json.loads((next(iter(runs.values())) / "metrics.json").read_text()):
        if all((run / f"{test}.by_length.csv").exists() for run in runs.values()):
            print(f"\n{lengths(runs, test)}")


if __name__ == "__main__":
    main()
