"""Confidence intervals by resampling: of means, of quotients, and of scores of texts."""

import numpy as np
import pytest

from seq2scene.metrics.bleu import CorpusBleu
from seq2scene.metrics.caption_bleu import CaptionBleu
from seq2scene.metrics.chrf import CorpusChrf
from seq2scene.metrics.cider import CiderD
from seq2scene.metrics.rouge import RougeL
from seq2scene.reports.page.bootstrap import caption_scores, means, ratios, translation_scores
from seq2scene.reports.page.curve_panels import even_ticks, log_ticks
from seq2scene.reports.page.run_files import Run
from seq2scene.reports.page.test_sets import score_intervals, translation_lines
from seq2scene.running import model_cards

WORDS = ["a", "dog", "runs", "fast"]


def texts(seed: int, count: int = 120) -> list[str]:
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, rng.integers(3, 9))) for _ in range(count)]


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    values = np.random.default_rng(0).normal(3, 2, size=500)
    mean, (low, high) = ratios(means({"x": values}), range(500))["x"]
    half = 1.96 * values.std() / np.sqrt(500)
    assert mean == pytest.approx(values.mean())
    assert low == pytest.approx(mean - half, abs=0.2 * half)
    assert high == pytest.approx(mean + half, abs=0.2 * half)


def test_a_value_that_the_mean_leaves_out_is_left_out_of_every_draw() -> None:
    assert ratios(means({"x": [1.0, np.nan, 1.0]}), range(3))["x"] == (1.0, (1.0, 1.0))
    assert ratios(means({"x": [np.nan, np.nan]}), range(2)) == {}


def test_samples_of_one_unit_are_drawn_together() -> None:
    """Four equal texts of each scene are no more evidence than one."""
    counts = np.random.default_rng(0).integers(0, 2, size=(100, 1)) * [1.0, 0.0] + [0.0, 1.0]
    alone = ratios({"x": counts}, range(100))["x"]
    together = ratios({"x": np.repeat(counts, 4, axis=0)}, np.repeat(np.arange(100), 4).tolist())["x"]
    apart = ratios({"x": np.repeat(counts, 4, axis=0)}, range(400))["x"]
    assert together == alone
    assert np.diff(apart[1])[0] == pytest.approx(np.diff(alone[1])[0] / 2, rel=0.15)


def test_scores_of_texts_are_those_of_the_metrics_and_lie_in_their_intervals() -> None:
    written, golds = texts(0), texts(1)
    several = [[gold, more] for gold, more in zip(golds, texts(2), strict=True)]
    metrics = {f"bleu_{order}": CaptionBleu(order) for order in range(1, 5)}
    cases = [
        (translation_scores(written, golds, True), {"bleu": CorpusBleu(lowercase=True)}, golds),
        (translation_scores(written, golds, False), {"chrf": CorpusChrf()}, golds),
        (caption_scores(written, several), {**metrics, "rouge_l": RougeL(), "cider": CiderD()}, several),
    ]
    for found, kinds, references in cases:
        for name, metric in kinds.items():
            metric.update(written, references)
            score, (low, high) = found[name]
            assert score == pytest.approx(float(metric.compute())), name
            assert low < score < high, name


def test_a_model_that_writes_nothing_has_a_score_of_zero_without_doubt() -> None:
    assert translation_scores([""] * 9, texts(0, 9), False)["bleu"] == (0.0, (0.0, 0.0))


def test_tokens_are_scored_without_a_warning(caplog) -> None:
    lines = [f"{text} ." for text in texts(0)]
    assert translation_scores(lines, lines, False)["bleu"][0] == pytest.approx(100) and not caplog.records


@pytest.mark.parametrize("case", ["mixed", "lc"])
def test_bleu_is_recomputed_with_the_tokenizer_and_the_case_of_the_run_line_by_line(
    case: str, tmp_path
) -> None:
    """A carriage return within a line does not end it."""
    written, golds = (
        ["我们A吃苹果。", "狗在\r公园。", "她Ok说。"],
        ["我们a吃了苹果。", "狗在公园里。", "她ok说。"],
    )
    metric = CorpusBleu("zh", lowercase=case == "lc")
    metric.update(written, golds)
    for side, lines in (("sources", ["a\rb", "c", "d"]), ("hypotheses", written), ("references", golds)):
        text = "".join(f"{line}\n" for line in lines)
        (tmp_path / f"test.{side}.txt").write_text(text, encoding="utf-8", newline="")
    scores = {"test": {"bleu": float(metric.compute()), "signature": metric.signature()}}
    found, resampled = score_intervals(Run(tmp_path, {}, {}, {}, scores), "test")
    assert found["bleu"][0] == pytest.approx(scores["test"]["bleu"]) and found["bleu"][0] > 30
    assert resampled == "3 sentences"
    assert translation_lines(tmp_path, "test")["sources"] == ["a\rb", "c", "d"]


def test_a_card_counts_lines_as_the_page_does(tmp_path) -> None:
    (tmp_path / "metrics.json").write_text('{"test": {"bleu": 1.0}}')
    (tmp_path / "test.hypotheses.txt").write_bytes(b"a\rb\nc\n")
    assert "Test set `test`, n = 2 samples" in model_cards._scores(tmp_path / "best.ckpt")


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.31, 0.33), (-2.0, 950.0), (5.0, 5.0), (0.0, 0.0)])
def test_ticks_are_few_and_enclose_the_values(low: float, high: float) -> None:
    ticks = even_ticks(low, high)
    assert ticks[0] <= low and ticks[-1] >= high and len(ticks) <= 8 and ticks == sorted({*ticks})


def test_ticks_of_a_logarithmic_axis_enclose_the_values() -> None:
    assert log_ticks(3.0, 180.0) == [2, 5, 10, 20, 50, 100, 200]
    assert log_ticks(0.02, 8000.0) == pytest.approx([0.01, 0.1, 1, 10, 100, 1000, 10000])
