"""Is one system better than another on the same test set, or only lucky?

    python experiments/compare.py BASELINE_RUN OTHER_RUN ... [--trials 10000]

For scenes and captions, whose scores are means over samples: the difference of each score with a 95 %
interval from the paired bootstrap (Koehn 2004), and p of approximate randomisation (Riezler and Maxwell
2005): how often a difference as large arises when the outputs of the two systems are swapped at random. All
texts of a scene are drawn together. For translations: both tests of BLEU and chrF by sacrebleu.
"""

import argparse
import sys
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from collect import SCORES, digits, markdown

from seq2scene.errors import UserError
from seq2scene.metrics.cider import cider_d
from seq2scene.metrics.faithfulness import NAME
from seq2scene.metrics.rouge import rouge_l
from seq2scene.reports.page.bootstrap import DRAWS, SEED, draw_sums, means, percentiles
from seq2scene.reports.page.run_files import Run, read_lines, read_run
from seq2scene.reports.page.test_sets import fact_counts, translation_lines
from seq2scene.running.entry import user_errors

HEADER = ("score", "baseline", "other", "difference")
BY_SAMPLES = (*HEADER, "95 % interval", "p (randomisation)")
BY_SACREBLEU = (*HEADER, "p (bootstrap)", "p (randomisation)")


@dataclass(frozen=True)
class Samples:
    """The samples of a test set. units: what is resampled, of each sample. counts: of each score, both sums
    (samples, 2) whose quotient it is.
    """

    units: list[Hashable]
    counts: dict[str, np.ndarray]


def samples(run: Run, test: str) -> Samples | None:
    """None for translations, whose scores are no means."""
    folder = run.folder
    if (scenes := folder / f"{test}.scenes.jsonl").is_file():
        rows = read_lines(scenes)
        names = [name for name in rows[0]["scores"] if name in SCORES]
        columns = {name: [_number(row["scores"][name]) for row in rows] for name in names}
        facts = {f"{NAME}_{kind}": pairs for kind, pairs in fact_counts(rows).items()}
        return Samples([row["scene"] for row in rows], {**means(columns), **facts})
    if (captions := folder / f"{test}.captions.jsonl").is_file():
        rows = read_lines(captions)
        said, references = ([row[key] for row in rows] for key in ("caption", "references"))
        rouge = [100 * rouge_l(*pair) for pair in zip(said, references, strict=True)]
        return Samples(list(range(len(rows))), means({"rouge_l": rouge, "cider": cider_d(said, references)}))
    return None


def _number(value: float | None) -> float:
    return np.nan if value is None else value


def by_unit(units: Sequence, pairs: np.ndarray) -> np.ndarray:
    """The sums (units, 2) of samples (samples, 2) that are drawn together."""
    numbers = {unit: number for number, unit in enumerate(dict.fromkeys(units))}
    found = np.zeros((len(numbers), 2))
    np.add.at(found, [numbers[unit] for unit in units], pairs)
    return found


def quotient(sums: np.ndarray) -> np.ndarray:
    """(..., 2) -> (...), NaN where nothing was counted."""
    above, below = sums[..., 0], sums[..., 1]
    return np.divide(above, below, out=np.full(np.shape(above), np.nan), where=below > 0)


def randomisation(one: np.ndarray, other: np.ndarray, trials: int) -> float:
    """p of the difference between two systems' quotients, from sums (units, 2) of each."""
    rng, observed = np.random.default_rng(SEED), abs(quotient(other.sum(0)) - quotient(one.sum(0)))
    as_large, gap = 0, other - one
    for part in np.array_split(np.arange(trials), max(1, trials // 500)):
        swapped = (rng.random((len(part), len(one))) < 0.5) @ gap  # what changes sides
        found = quotient(other.sum(0) - swapped) - quotient(one.sum(0) + swapped)
        as_large += int((np.abs(found) >= observed - 1e-12).sum())
    return (as_large + 1) / (trials + 1)


def compare_translations(one: Run, other: Run, test: str, trials: int) -> list[list[str]]:
    ours, theirs = (translation_lines(run.folder, test) for run in (one, other))
    if ours["references"] != theirs["references"]:
        raise UserError(f"{other.folder}: other references of {test} than {one.folder}")
    references = [ours["references"]]
    lowercase = "case:lc" in one.scores[test].get("signature", "")
    metrics = {
        "BLEU": BLEU(lowercase=lowercase, references=references, force=True),
        "chrF": CHRF(lowercase=lowercase, references=references),
    }
    systems = [("baseline", ours["hypotheses"]), ("other", theirs["hypotheses"])]
    drawn, swapped = (
        PairedTest(systems, metrics, None, test_type=kind, n_samples=draws)()[1]
        for kind, draws in (("bs", DRAWS), ("ar", trials))
    )
    rows = []
    for name in list(drawn)[1:]:  # the first has the systems' names
        first, second = drawn[name]
        values = (f"{result.mean:.2f} ± {result.ci:.2f}" for result in (first, second))
        gap = f"{second.score - first.score:+.2f}"
        rows.append([name, *values, gap, f"{second.p_value:.4f}", f"{swapped[name][1].p_value:.4f}"])
    return rows


def compare_samples(one: Samples, other: Samples, trials: int) -> list[list[str]]:
    rows = []
    for name, pairs in one.counts.items():
        if name in other.counts and pairs[:, 1].any():
            ours, theirs = by_unit(one.units, pairs), by_unit(one.units, other.counts[name])
            gaps = quotient(draw_sums(theirs)) - quotient(draw_sums(ours))  # the same draws of both
            values = float(quotient(ours.sum(0))), float(quotient(theirs.sum(0)))
            rows.append(row(name, values, percentiles(gaps), randomisation(ours, theirs, trials)))
    return rows


def row(name: str, values: tuple[float, float], interval: tuple[float, float], p: float) -> list[str]:
    places = 3 if name.startswith(NAME) else digits(name)
    one, other, gap = f"{values[0]:.{places}f}", f"{values[1]:.{places}f}", values[1] - values[0]
    heading = SCORES.get(name, name.removeprefix(f"{NAME}_").replace("_", " "))
    span = f"{interval[0]:+.{places}f} to {interval[1]:+.{places}f}"
    return [heading, one, other, f"{gap:+.{places}f}", span, f"{p:.4f}"]


def compare(baseline: Run, other: Run, test: str, trials: int) -> str:
    """The table of one test set. Raises UserError unless both runs were tested on the same samples."""
    if test not in other.scores:
        raise UserError(f"{other.folder}: not tested on {test}, only on {', '.join(other.scores)}")
    ours, theirs = samples(baseline, test), samples(other, test)
    if ours is None or theirs is None:
        return markdown(BY_SACREBLEU, compare_translations(baseline, other, test, trials))
    if ours.units != theirs.units:
        raise UserError(f"{other.folder}: other samples of {test} than {baseline.folder}")
    return markdown(BY_SAMPLES, compare_samples(ours, theirs, trials))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("baseline", type=Path, help="a run that was tested")
    parser.add_argument("others", type=Path, nargs="+", help="runs to compare with it")
    parser.add_argument("--trials", type=int, default=10_000, help="random swaps of the two systems' outputs")
    options = parser.parse_args()
    baseline = read_run(options.baseline)
    for folder in options.others:
        other = read_run(folder)
        for test in baseline.scores:
            table = compare(baseline, other, test, options.trials)
            print(f"\n{test}: {baseline.folder} against {folder}\n\n{table}")


if __name__ == "__main__":
    with user_errors():
        main()
