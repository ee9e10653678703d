"""Prints the tables of RESULTS.md from runs, with what they are compared with next to measured scores.

    python experiments/collect.py NAME=RUN_FOLDER ... [--epochs] [--intervals] [--json FILE]
    python experiments/collect.py NAME=SEED_1,SEED_2,SEED_3 ...

Of several runs, which differ by seed, a table has mean ± standard deviation (the sample's, n - 1); a score
that only some of them have says of how many. --json adds the scores of every run to FILE, with its
command, commit, minutes and hardware; rows of the same name are replaced. ``status.py`` compares rows named
as an experiment with the scores in its ``published``.
"""

import argparse
import math
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from seq2scene.errors import UserError
from seq2scene.json_text import write_json
from seq2scene.metrics.scene_scores import HEADINGS
from seq2scene.models.folders import without_places
from seq2scene.reports.page.bootstrap import COVERED, Scores
from seq2scene.reports.page.run_files import Run, read_run, require
from seq2scene.reports.page.test_sets import score_intervals
from seq2scene.reports.text.lengths import LengthRow, read_csv
from seq2scene.running.entry import user_errors
from seq2scene.sequences.lines import read_json, read_table, read_yaml

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
    "length_ratio": "length ratio",
}
HARDWARE = ("processor", "cores", "gpus")
SCENE = list(SCORES)[list(SCORES).index("u_precision") :]


def markdown(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def read_tested(folder: Path) -> Run:
    """A run with scores of a test set. Raises UserError if it has none."""
    run = read_run(folder, tested=False)
    if not run.scores:
        raise UserError(f"{folder}: no run that was tested (it has no scores in metrics.json)")
    return run


def epochs(run: Path) -> str:
    """Validation scores and training throughput by epoch. Raises UserError for a run without any, and for a
    row of metrics.csv that is none.
    """
    file = run / "metrics.csv"
    if not file.is_file():
        raise UserError(f"{run}: it has no metrics.csv; an evaluation has no epochs: leave out --epochs")
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
    found: dict[int, dict[str, list[float]]] = {}
    for line, row in read_table(file):
        try:
            values = {key: float(row[key]) for key in shown if row.get(key)}
            epoch = int(row["epoch"]) if values else -1
        except (KeyError, ValueError) as error:
            raise UserError(
                f"{file}, line {line}: no number as epoch or score ({error}); fix or delete the line"
            ) from None
        for key, value in values.items():
            found.setdefault(epoch, {}).setdefault(key, []).append(value)
    columns = [key for key in shown if any(key in values for values in found.values())]
    rows = []
    for epoch, values in found.items():
        if any(key.startswith("val/") for key in values):
            speeds = [sorted(v) for key, v in values.items() if key.startswith("train/")]
            last = {
                key: f"{v[-1]:.{digits(key[4:])}f}" for key, v in values.items() if key.startswith("val/")
            }
            last |= {key: f"{v[len(v) // 2]:.0f}" for key, v in zip(columns[-1:], speeds, strict=False)}
            rows.append([epoch + 1, *(last.get(key, "") for key in columns)])
    return markdown(["epoch", *(shown[key] for key in columns)], rows)


def digits(score: str) -> int:
    """Decimals to show: three for scores of scenes."""
    return 3 if score in SCENE or score in ("score", "loss", "cider", "length_ratio") else 2


def is_score(value: object) -> bool:
    """Whether a value is a number: one of which nothing was counted is null or NaN."""
    return isinstance(value, int | float) and math.isfinite(value)


def shown(values: Sequence[Any], score: str) -> str:
    """A score as tables show it: the one value, or mean ± standard deviation, and n if some runs lack it;
    empty if all do.
    """
    found, places = [value for value in values if is_score(value)], digits(score)
    if not found:
        return ""
    spread = f" ± {statistics.stdev(found):.{places}f}" if len(found) > 1 else ""
    count = f" (n = {len(found)})" if len(found) < len(values) else ""
    return f"{statistics.fmean(found):.{places}f}{spread}{count}"


def same_tests(name: str, runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The test sets of runs that stand in one row. Raises UserError if they differ."""
    tests = [list(run) for run in runs]
    if any(one != tests[0] for one in tests):
        raise UserError(f"{name}: its runs were tested on different sets: {', '.join(map(str, tests))}")
    return tests[0]


def scores(runs: dict[str, Sequence[Path]]) -> str:
    """Test scores, one row per name and test set, and one for each of its baselines."""
    measured: list[tuple[str, str, list[Mapping[str, Any]]]] = []
    for name, folders in runs.items():
        results = [read_tested(run).scores for run in folders]
        for test in same_tests(name, results):
            each = [result[test] for result in results]
            measured.append((name, test, each))
            inner = [{key: value for key, value in one.items() if isinstance(value, dict)} for one in each]
            measured += [
                (f"{name}, {key}".replace("_", " "), test, [one.get(key, {}) for one in inner])
                for key in dict.fromkeys(key for one in inner for key in one)
            ]
    headings = {**CAPTION, **TEXT, **{name: SCORES[name] for name in SCENE}}
    columns = [key for key in headings if any(key in one for *_, each in measured for one in each)]
    several = any(len(folders) > 1 for folders in runs.values())
    rows = [
        [
            name,
            test,
            *([len(each)] if several else []),
            *(shown([one.get(key) for one in each], key) for key in columns),
        ]
        for name, test, each in measured
    ]
    return markdown(
        ["run", "test set", *(["n"] if several else []), *(headings[key] for key in columns)], rows
    )


def intervals(runs: dict[str, Sequence[Path]]) -> str:
    """Bootstrap intervals of the scores of each run: from what a test set's samples could have been."""
    found: list[tuple[str, str, Scores]] = []
    for name, folders in runs.items():
        for number, folder in enumerate(folders, start=1):
            run = read_run(folder)
            label = f"{name} {number}" if len(folders) > 1 else name
            found += [(label, test, score_intervals(run, test)[0]) for test in run.scores]
    headings = {**CAPTION, **TEXT, **{name: SCORES[name] for name in SCENE}}
    columns = [key for key in headings if any(key in one for *_, one in found)]
    rows = [
        [
            label,
            test,
            *(f"{one[key][1][0]:.{digits(key)}f} to {one[key][1][1]:.{digits(key)}f}" for key in columns),
        ]
        for label, test, one in found
    ]
    return markdown([f"{COVERED:.0%} interval", "test set", *(headings[key] for key in columns)], rows)


def provenance(runs: dict[str, Sequence[Path]]) -> list[dict[str, Any]]:
    """Every run as data: its scores, and the command, commit, minutes and hardware that gave them. Of a
    resumed run, which records its last part alone, the minutes are not known.
    """
    rows = []
    for name, folders in runs.items():
        for folder in folders:
            record = read_run(folder).record
            config = record.get("config", {})
            known = is_score(record.get("seconds")) and config.get("resume") is None
            rows.append(
                {
                    "name": name,
                    "seed": config.get("seed"),
                    "command": without_places(record.get("command"), config.get("paths", {}).get("data")),
                    "commit": record.get("git"),
                    "minutes": round(record["seconds"] / 60, 1) if known else None,
                    "hardware": {key: (record.get("hardware") or {}).get(key) for key in HARDWARE},
                    "scores": measured_scores(folder),
                }
            )
    return rows


def read_rows(path: Path, hint: str = "") -> list[dict[str, Any]]:
    """The rows that --json wrote. Raises UserError for anything else."""
    rows = read_json(path, hint)
    require(rows, list, str(path))
    for number, row in enumerate(rows, start=1):
        where = f"{path}: row {number}"
        require(row, {}, where)
        require(row.get("name"), str, f"{where}: name")
        require(row.get("scores"), {}, f"{where}: scores")
        for test, scores in row["scores"].items():
            require(scores, {}, f"{where}: {test}")
    return rows


def recorded(path: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that a file has, of other names, and then these. Raises UserError if it cannot be written."""
    if path.is_dir() or not path.absolute().parent.is_dir():
        raise UserError(f"{path}: name a file for --json, in a folder that exists")
    names = {row["name"] for row in rows}
    kept = read_rows(path) if path.exists() else []
    return [*(row for row in kept if row["name"] not in names), *rows]


def lengths(runs: dict[str, Path], test: str) -> str:
    """BLEU by reference length, one row per run; a table for each set of buckets, as test sets differ."""
    tables: dict[tuple[str, ...], list[list[str]]] = {}
    for name, run in runs.items():
        rows = length_rows(run / f"{test}.by_length.csv")
        buckets = tuple(f"{row.shortest}-{row.longest} ({row.sentences})" for row in rows)
        tables.setdefault(buckets, []).append([name, *(f"{row.bleu:.1f}" for row in rows)])
    return "\n\n".join(markdown([test, *buckets], rows) for buckets, rows in tables.items())


def length_rows(path: Path) -> list[LengthRow]:
    """Of the first system in a file. Raises UserError if it has none."""
    for rows in read_csv(path).values():
        return rows
    raise UserError(f"{path}: no rows of BLEU by length in it; delete the file")


def published_scores(run: Path) -> list[dict]:
    """What the experiment of a run, or of the run that an evaluation scored, is compared with."""
    kept = run / ".hydra" / "config.yaml"
    if not kept.exists():
        return []
    config = read_yaml(kept) or {}
    require(config, {"published": list}, str(kept))
    if "ckpt" not in config:
        return config.get("published") or []
    first = Path(config["ckpt"] if isinstance(config["ckpt"], str) else config["ckpt"][0])
    return published_scores(first if first.is_dir() else first.parent)


def measured_scores(run: Path) -> dict[str, Mapping[str, Any]]:
    """A run's scores by test set; alignment scores under ``gold``."""
    scores, error = dict(read_tested(run).scores), run / "alignment_error.json"
    if error.exists():
        scores["gold"] = read_json(error)
        require(scores["gold"], {}, str(error))
    return scores


def comparison(runs: dict[str, Sequence[Path]]) -> str | None:
    """What runs are compared with next to measured scores, one row per score; None if there is nothing."""
    rows = []
    for name, folders in runs.items():
        measured = [measured_scores(run) for run in folders]
        for entry in published_scores(folders[0]):
            test = entry.get("test", next(iter(measured[0])))
            for score in (score for score in SCORES if score in entry):
                ours = shown([one.get(test, {}).get(score) for one in measured], score)
                where = entry.get("system", ""), entry.get("source", "")
                rows.append([name, test, SCORES[score], entry[score], ours, *where])
    header = ["run", "test set", "score", "compared with", "measured", "system", "source"]
    return markdown(header, rows) if rows else None


def read_runs(arguments: Sequence[str]) -> dict[str, list[Path]]:
    """NAME=RUN_FOLDER[,RUN_FOLDER...] -> the folders by name. Raises UserError for anything else."""
    runs = {}
    for argument in arguments:
        name, equals, folders = argument.partition("=")
        if not (name and equals and folders):
            raise UserError(f"{argument}: write NAME=RUN_FOLDER, or NAME=RUN_FOLDER,RUN_FOLDER for several")
        if name in runs:
            raise UserError(
                f"{argument}: {name} stands twice; name all its runs at once, separated by commas"
            )
        runs[name] = [Path(folder) for folder in folders.split(",")]
        places = [folder.resolve() for folder in runs[name]]
        for number, folder in enumerate(runs[name]):
            if places[number] in places[:number]:
                raise UserError(f"{argument}: {folder} stands twice; name each run once")
            read_tested(folder)
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("runs", nargs="+", help="NAME=RUN_FOLDER[,RUN_FOLDER...]")
    parser.add_argument("--epochs", action="store_true", help="also the validation scores of each epoch")
    parser.add_argument("--intervals", action="store_true", help="also bootstrap intervals of each run")
    parser.add_argument("--json", type=Path, help="adds every run's scores and how they came about")
    options = parser.parse_args()
    runs = read_runs(options.runs)
    if options.json:
        recorded(options.json, [])  # whether it can be, before any work
    single = {name: folders[0] for name, folders in runs.items() if len(folders) == 1}
    if options.epochs:
        for name, folders in runs.items():
            for folder in folders:
                print(f"\n{name}\n\n{epochs(folder)}")
    print(f"\n{scores(runs)}")
    if options.intervals:
        print(f"\n{intervals(runs)}")
    if table := comparison(runs):
        print(f"\n{table}")
    for test in read_tested(next(iter(runs.values()))[0]).scores:
        if len(single) == len(runs) and all(
            (run / f"{test}.by_length.csv").exists() for run in single.values()
        ):
            print(f"\n{lengths(single, test)}")
    if options.json:
        write_json(options.json, recorded(options.json, provenance(runs)))
        print(f"\n{options.json}: every run's scores, command, commit, minutes and hardware")


if __name__ == "__main__":
    with user_errors():
        main()
