"""Confidence intervals of test scores, by resampling a test set with replacement (Koehn 2004)."""

import json
import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial

import numpy as np
from sacrebleu.metrics import BLEU, CHRF

from seq2scene.metrics.caption_bleu import ORDERS, caption_statistics
from seq2scene.metrics.cider import cider_d
from seq2scene.metrics.rouge import rouge_l

DRAWS = 1000
COVERED = 0.95
SEED = 12345

Interval = tuple[float, float]


def interval(
    statistics: np.ndarray, score: Callable[[np.ndarray], np.ndarray], draws: int = DRAWS
) -> Interval:
    """The percentile interval that covers ``COVERED`` of the scores of ``draws`` resampled test sets.

    statistics: (units, k), the sufficient statistics of each unit that is drawn. score: from sums of them
    (draws, k) to scores (draws,), which are left out where they are NaN.
    """
    rng, sums, units = np.random.default_rng(SEED), [], len(statistics)
    for part in np.array_split(np.arange(draws), max(1, draws // 50)):
        counts = rng.multinomial(units, np.full(units, 1 / units), size=len(part))
        sums.append(counts @ statistics)
    scores = score(np.concatenate(sums))
    low, high = np.nanquantile(scores, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    return float(low), float(high)


def ratio(sums: np.ndarray) -> np.ndarray:
    """The score whose statistics are a numerator and a denominator; NaN where nothing is counted."""
    numerator, denominator = sums.T
    return np.divide(numerator, denominator, out=np.full(len(sums), np.nan), where=denominator > 0)


def by_unit(statistics: np.ndarray, units: Sequence[Hashable]) -> np.ndarray:
    """Statistics (samples, k) added up over the samples of each unit, such as the texts of one scene."""
    numbers = {unit: number for number, unit in enumerate(dict.fromkeys(units))}
    sums = np.zeros((len(numbers), statistics.shape[1]))
    np.add.at(sums, [numbers[unit] for unit in units], statistics)
    return sums


def means(columns: Mapping[str, Sequence[float]], units: Sequence[Hashable]) -> dict[str, tuple]:
    """Of each score of samples, NaN where its mean leaves one out: its mean and its interval."""
    found = {}
    for name, values in columns.items():
        known = np.isfinite(values)
        if known.any():
            statistics = np.stack([np.where(known, values, 0.0), known.astype(float)], axis=1)
            statistics = by_unit(statistics, units)
            found[name] = float(ratio(statistics.sum(0)[None])[0]), interval(statistics, ratio)
    return found


def shares(counts: Mapping[str, np.ndarray], units: Sequence[Hashable]) -> dict[str, tuple]:
    """Of each kind's counts (samples, 2), of what holds and of what is stated: the share and its interval."""
    found = {}
    for name, pairs in counts.items():
        statistics = by_unit(pairs.astype(float), units)
        if statistics[:, 1].any():
            found[name] = float(ratio(statistics.sum(0)[None])[0]), interval(statistics, ratio)
    return found


def translation_scores(
    hypotheses: Sequence[str], references: Sequence[str], lowercase: bool
) -> dict[str, tuple]:
    """``bleu`` and ``chrf`` with the intervals of sacrebleu's own bootstrap, which lie around the mean of the
    resampled scores: of few sentences, not around the score.
    """
    found = {}
    for name, metric in (("bleu", BLEU(lowercase=lowercase)), ("chrf", CHRF(lowercase=lowercase))):
        score = metric.corpus_score(hypotheses, [references], n_bootstrap=DRAWS)
        told = json.loads(score.format(width=4, is_json=True, signature="-"))
        mean, half = told["confidence_mean"], told["confidence_var"]
        found[name] = score.score, (mean - half, mean + half)
    return found


def caption_scores(captions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, tuple]:
    """BLEU-1 to BLEU-4, ROUGE-L and CIDEr-D, whose document frequencies stay those of the whole set."""
    pairs = list(zip(captions, references, strict=True))
    rows = np.array([np.concatenate(caption_statistics(*pair)) for pair in pairs])
    found = {}
    for order in range(1, ORDERS + 1):
        bleu = partial(_caption_bleu, order=order)
        found[f"bleu_{order}"] = float(bleu(rows.sum(0)[None])[0]), interval(rows, bleu)
    each = {"rouge_l": [100 * rouge_l(*pair) for pair in pairs], "cider": cider_d(captions, references)}
    return {**found, **means(each, range(len(pairs)))}


def _caption_bleu(sums: np.ndarray, order: int) -> np.ndarray:
    """``CaptionBleu`` of sums (draws, 10) of ``caption_statistics``."""
    counts, totals = sums[:, :order], sums[:, ORDERS : ORDERS + order]
    written, wanted = sums[:, -2], sums[:, -1]
    matched = (counts > 0).all(1)
    mean = np.log(np.where(counts > 0, counts, 1) / np.maximum(totals, 1)).mean(1)
    penalty = np.minimum(1 - wanted / np.maximum(written, 1), 0)
    return np.where(matched, 100 * np.exp(mean + penalty), 0.0)


def agrees(score: float, recomputed: float) -> bool:
    """Whether a score was recomputed from what it had been computed from, rounded to four decimals there."""
    return math.isclose(score, recomputed, rel_tol=1e-4, abs_tol=2e-4)
