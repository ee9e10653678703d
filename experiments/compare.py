"""Is one system better than another on the same test set, or only lucky?

    python experiments/compare.py BASELINE_RUN OTHER_RUN ... [--trials 10000]

For scenes and captions, whose scores are means over samples: the difference of each score with a 95 %
interval from the paired bootstrap (Koehn 2004), and p of approximate randomisation (Riezler and Maxwell
2005): how often a difference as large arises when the outputs of the two systems are swapped at random. All
texts of a scene are drawn together. For translations: both tests of BLEU and chrF by sacrebleu, ± being half
the width of the bootstrap interval.
"""

import argparse
import sys
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from collect import CAPTION, SCORES, digits, markdown, read_tested

from seq2scene.errors import UserError
from seq2scene.metrics.bleu import bleu_options
from seq2scene.metrics.cider import cider_d
from seq2scene.metrics.faithfulness import NAME
from seq2scene.metrics.rouge import rouge_l
from seq2scene.reports.page.bootstrap import DRAWS, SEED, draw_sums, means, percentiles
from seq2scene.reports.page.run_files import Rows, Run, read_lines
from seq2scene.reports.page.test_sets import fact_counts
from seq2scene.running.entry import user_errors
from seq2scene.sequences.lines import read_lines as read_sentences

HEADER = ("score", "baseline", "other", "difference")
BY_SAMPLES = (*HEADER, "95 % interval", "p (randomisation)")
BY_SACREBLEU = (*HEADER, "p (bootstrap)", "p (randomisation)")
SIDES = ("references", "hypotheses")


@dataclass(frozen=True)
class Samples:
    """The samples of a test set. sources: what the data has of each, which is the same for every system.
    units: what is resampled, of each sample. counts: of each score, both sums (samples, 2) whose quotient it
    is.
    """

    sources: list[object]
    units: list[Hashable]
    counts: dict[str, np.ndarray]


def samples(run: Run, test: str) -> Samples | None:
    """None for translations, whose scores are no means. Raises UserError for a file that is damaged."""
    folder = run.folder
    if (scenes := folder / f"{test}.scenes.jsonl").is_file():
        rows = read_samples(scenes, {"scene": int, "sentences": list, "scores": dict})
        names = [name for name in rows[0]["scores"] if name in SCORES]
        try:
            columns = {name: [_number(row["scores"][name]) for row in rows] for name in names}
            facts = {f"{NAME}_{kind}": pairs for kind, pairs in fact_counts(rows).items()}
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise UserError(f"{scenes}: a score or a fact is missing or of the wrong type: {error}") from None
        sources = [(row["scene"], row["sentences"]) for row in rows]
        return Samples(sources, [row["scene"] for row in rows], {**means(columns), **facts})
    if (captions := folder / f"{test}.captions.jsonl").is_file():
        rows = read_samples(captions, {"caption": str, "references": list})
        said, references = ([row[key] for row in rows] for key in ("caption", "references"))
        rouge = [100 * rouge_l(*pair) for pair in zip(said, references, strict=True)]
        columns = {"rouge_l": rouge, "cider": cider_d(said, references)}
        return Samples(references, list(range(len(rows))), means(columns))
    return None


def read_samples(path: Path, kinds: dict[str, type]) -> Rows:
    """The rows of a file of samples. Raises UserError unless there are some, all with values of ``kinds``."""
    rows = read_lines(path)
    if not rows:
        raise UserError(f"{path}: no samples in it")
    for number, row in enumerate(rows, start=1):
        for key, kind in kinds.items():
            if not isinstance(row.get(key), kind):
                raise UserError(f"{path}: sample {number} has no {key}; fix or delete the file")
    return rows


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)


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
    """p of the difference between two systems' quotients, from sums (units, 2) of each. A swap that leaves
    nothing counted on a side is as large as any.
    """
    rng, observed = np.random.default_rng(SEED), abs(quotient(other.sum(0)) - quotient(one.sum(0)))
    as_large, gap = 0, other - one
    for part in np.array_split(np.arange(trials), max(1, trials // 500)):
        swapped = (rng.random((len(part), len(one))) < 0.5) @ gap  # what changes sides
        found = quotient(other.sum(0) - swapped) - quotient(one.sum(0) + swapped)
        as_large += int((~(np.abs(found) < observed - 1e-12)).sum())
    return (as_large + 1) / (trials + 1)


def read_translations(run: Run, test: str) -> dict[str, list[str]]:
    """Lines of the references and hypotheses. Raises UserError unless there are as many of both."""
    hint = "a comparison needs the report scenes, captions or hypotheses of both runs"
    found = {side: read_sentences(run.folder / f"{test}.{side}.txt", hint) for side in SIDES}
    wanted, count = (len(lines) for lines in found.values())
    if count != wanted or not count:
        raise UserError(f"{run.folder}: {count} hypotheses for {wanted} references of {test}")
    return found


def compare_translations(one: Run, other: Run, test: str, trials: int) -> list[list[str]]:
    ours, theirs = (read_translations(run, test) for run in (one, other))
    if ours["references"] != theirs["references"]:
        raise UserError(f"{other.folder}: other references of {test} than {one.folder}")
    references = [ours["references"]]
    options = bleu_options(str(one.scores[test].get("signature") or ""))
    metrics = {
        "BLEU": BLEU(**options, references=references, force=True),
        "chrF": CHRF(lowercase=options["lowercase"], references=references),
    }
    systems = [("baseline", ours["hypotheses"]), ("other", theirs["hypotheses"])]
    drawn, swapped = (
        PairedTest(systems, metrics, None, test_type=kind, n_samples=draws)()[1]
        for kind, draws in (("bs", DRAWS), ("ar", trials))
    )
    rows = []
    for name in list(drawn)[1:]:  # the first has the systems' names
        first, second = drawn[name]
        values = (f"{result.score:.2f} ± {result.ci:.2f}" for result in (first, second))
        gap = f"{second.score - first.score:+.2f}"
        rows.append([name, *values, gap, f"{second.p_value:.4f}", f"{swapped[name][1].p_value:.4f}"])
    return rows


def compare_samples(one: Samples, other: Samples, trials: int) -> tuple[list[list[str]], list[str]]:
    """The rows of the scores that both have, and the headings of those that only one has."""
    rows, known, others = [], defined(one), defined(other)
    for name in known:
        if name in others:
            ours, theirs = known[name], others[name]
            gaps = quotient(draw_sums(theirs)) - quotient(draw_sums(ours))  # the same draws of both
            values = float(quotient(ours.sum(0))), float(quotient(theirs.sum(0)))
            rows.append(row(name, values, percentiles(gaps), randomisation(ours, theirs, trials)))
    return rows, [heading(name) for name in {**known, **others} if name not in known or name not in others]


def defined(tested: Samples) -> dict[str, np.ndarray]:
    """The sums (units, 2) of each score of which anything was counted."""
    counted = {name: pairs for name, pairs in tested.counts.items() if pairs[:, 1].any()}
    return {name: by_unit(tested.units, pairs) for name, pairs in counted.items()}


def heading(name: str) -> str:
    """Of facts, it says so: there is a score of size and one of the facts of size."""
    kind = name.removeprefix(f"{NAME}_").replace("_", " ")
    return {**SCORES, **CAPTION}.get(name, f"facts: {kind}")


def row(name: str, values: tuple[float, float], interval: tuple[float, float], p: float) -> list[str]:
    places = 3 if name.startswith(NAME) else digits(name)
    one, other, gap = f"{values[0]:.{places}f}", f"{values[1]:.{places}f}", values[1] - values[0]
    span = f"{interval[0]:+.{places}f} to {interval[1]:+.{places}f}"
    return [heading(name), one, other, f"{gap:+.{places}f}", span, f"{p:.4f}"]


def compare(baseline: Run, other: Run, test: str, trials: int) -> str:
    """The table of one test set. Raises UserError unless both runs were tested on the same samples."""
    if test not in other.scores:
        raise UserError(f"{other.folder}: not tested on {test}, only on {', '.join(other.scores)}")
    ours, theirs = samples(baseline, test), samples(other, test)
    if ours is None or theirs is None:
        return markdown(BY_SACREBLEU, compare_translations(baseline, other, test, trials))
    pairs = enumerate(zip_longest(ours.sources, theirs.sources), start=1)
    if different := next((number for number, (one, two) in pairs if one != two), None):
        raise UserError(
            f"{other.folder}: other samples of {test} than {baseline.folder}, number {different} for one; "
            "compare runs that were tested on the same data"
        )
    rows, left_out = compare_samples(ours, theirs, trials)
    table = markdown(BY_SAMPLES, rows)
    return f"{table}\n\nUndefined in one of the two runs: {', '.join(left_out)}" if left_out else table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("baseline", type=Path, help="a run that was tested")
    parser.add_argument("others", type=Path, nargs="+", help="runs to compare with it")
    parser.add_argument("--trials", type=int, default=10_000, help="random swaps of the two systems' outputs")
    options = parser.parse_args()
    if options.trials < 1:
        raise UserError(f"--trials {options.trials}: at least 1")
    baseline = read_tested(options.baseline)
    for folder in options.others:
        other = read_tested(folder)
        for test in baseline.scores:
            table = compare(baseline, other, test, options.trials)
            print(f"\n{test}: {baseline.folder} against {folder}\n\n{table}")


if __name__ == "__main__":
    with user_errors():
        main()
