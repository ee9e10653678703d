"""Confidence intervals of test scores, by resampling a test set with replacement (Koehn 2004)."""

import json
import math
from collections.abc import Hashable, Mapping, Sequence

import numpy as np
from sacrebleu.metrics import BLEU, CHRF

from seq2scene.metrics.bleu import SPACED
from seq2scene.metrics.caption_bleu import ORDERS, caption_statistics
from seq2scene.metrics.cider import cider_d
from seq2scene.metrics.rouge import rouge_l

DRAWS = 1000
COVERED = 0.95
SEED = 12345

Interval = tuple[float, float]
Scores = dict[str, tuple[float, Interval]]  # recomputed, by name, each with its interval


def draw_sums(statistics: np.ndarray, draws: int = DRAWS) -> np.ndarray:
    """Sums (draws, k) of sufficient statistics (units, k) over ``draws`` resampled test sets."""
    rng, units = np.random.default_rng(SEED), len(statistics)
    parts = [
        rng.multinomial(units, np.full(units, 1 / units), size=len(part)) @ statistics
        for part in np.array_split(np.arange(draws), max(1, draws // 50))
    ]
    return np.concatenate(parts)


def percentiles(scores: np.ndarray) -> Interval:
    """What covers ``COVERED`` of the scores (draws,); NaN is left out."""
    low, high = np.nanquantile(scores, [(1 - COVERED) / 2, (1 + COVERED) / 2])
    return float(low), float(high)


def ratios(counts: Mapping[str, np.ndarray], units: Sequence[Hashable]) -> Scores:
    """Of each score that is the quotient of two sums over samples (samples, 2): itself and its interval; left
    out where nothing was counted. units: what is drawn, of each sample; all samples of a unit, such as the
    texts of one scene, are drawn together.
    """
    numbers = {unit: number for number, unit in enumerate(dict.fromkeys(units))}
    counted = {name: pairs for name, pairs in counts.items() if pairs[:, 1].any()}
    if not counted:
        return {}
    statistics = np.zeros((len(numbers), 2 * len(counted)))
    np.add.at(statistics, [numbers[unit] for unit in units], np.concatenate([*counted.values()], axis=1))
    total, sums = statistics.sum(0), draw_sums(statistics)
    found = {}
    for place, name in enumerate(counted):
        above, below = sums[:, 2 * place], sums[:, 2 * place + 1]
        drawn = above[below > 0] / below[below > 0]
        found[name] = float(total[2 * place] / total[2 * place + 1]), percentiles(drawn)
    return found


def means(columns: Mapping[str, Sequence[float]]) -> dict[str, np.ndarray]:
    """Means of samples as quotients for ``ratios``: (samples, 2) each, without what is NaN."""
    values = {name: np.asarray(column, dtype=float) for name, column in columns.items()}
    return {
        name: np.stack([np.nan_to_num(column), np.isfinite(column)], axis=1)
        for name, column in values.items()
    }


def translation_scores(
    hypotheses: Sequence[str], references: Sequence[str], lowercase: bool, tokenize: str = SPACED
) -> Scores:
    """``bleu`` and ``chrf`` with the intervals of sacrebleu's own bootstrap, which lie around the mean of the
    resampled scores; sacrebleu gives none where all of these are alike.
    """
    bleu = BLEU(tokenize=tokenize, lowercase=lowercase, force=True)
    found, metrics = {}, {"bleu": bleu, "chrf": CHRF(lowercase=lowercase)}
    for name, metric in metrics.items():
        score = metric.corpus_score(hypotheses, [references], n_bootstrap=DRAWS)
        printed = json.loads(score.format(width=4, is_json=True, signature=metric.get_signature().format()))
        mean, half = printed.get("confidence_mean", score.score), printed.get("confidence_var", 0.0)
        found[name] = score.score, (mean - half, mean + half)
    return found


def caption_scores(captions: Sequence[str], references: Sequence[Sequence[str]]) -> Scores:
    """BLEU-1 to BLEU-4, ROUGE-L and CIDEr-D, whose document frequencies stay those of the whole set."""
    pairs = list(zip(captions, references, strict=True))
    rows = np.array([np.concatenate(caption_statistics(*pair)) for pair in pairs])
    found, total, sums = {}, rows.sum(0)[None], draw_sums(rows)
    for order in range(1, ORDERS + 1):
        bleu = float(_caption_bleu(total, order)[0])
        found[f"bleu_{order}"] = bleu, percentiles(_caption_bleu(sums, order))
    each = {"rouge_l": [100 * rouge_l(*pair) for pair in pairs], "cider": cider_d(captions, references)}
    return {**found, **ratios(means(each), range(len(pairs)))}


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
