"""What replacing unknown words gives, by how many there are."""

import csv
from pathlib import Path

import pytest
import sacrebleu

from seq2scene.reports.text.replacement_gain import MOST, Gain, gain_by_unknown, write_gains

REFERENCES = ["a b c d e", "a b c d f", "e d c b a", "f e d c b", "a c e b d f", "b b a a"]
BEFORE = [
    "a b c d e",
    "a b c d <unk>",
    "e d <unk> b a",
    "<unk> <unk> <unk> <unk> <unk>",
    "<unk> " * 5 + "f",
    "",
]
AFTER = ["a b c d e", "a b c d f", "e d x b a", "f e d c b", "a c e b d f", ""]
UNKNOWN = [0, 1, 1, 5, 4, 0]


def bleu(texts: list[str], rows: list[int]) -> float:
    chosen = [[side[row] for row in rows] for side in (texts, REFERENCES)]
    return sacrebleu.corpus_bleu(chosen[0], [chosen[1]], tokenize="none", force=True).score


def test_sentences_are_scored_together_with_those_of_as_many_unknown_words() -> None:
    gains = gain_by_unknown(UNKNOWN, BEFORE, AFTER, REFERENCES)
    groups = {0: [0, 5], 1: [1, 2], MOST: [3, 4]}
    assert gains == [
        Gain(count, len(rows), pytest.approx(bleu(BEFORE, rows)), pytest.approx(bleu(AFTER, rows)))
        for count, rows in groups.items()
    ]
    assert gains[0].bleu == gains[0].bleu_replaced and gains[-1].bleu_replaced == pytest.approx(100)


def test_the_order_of_sentences_does_not_matter() -> None:
    turned = (side[::-1] for side in (UNKNOWN, BEFORE, AFTER, REFERENCES))
    assert gain_by_unknown(*turned) == gain_by_unknown(UNKNOWN, BEFORE, AFTER, REFERENCES)


def test_the_table_reads_back_and_the_picture_is_there(tmp_path: Path) -> None:
    gains = gain_by_unknown(UNKNOWN, BEFORE, AFTER, REFERENCES)
    write_gains(tmp_path / "test.2016.replaced", "test.2016", gains)
    with open(tmp_path / "test.2016.replaced.csv", newline="") as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    assert [row["unknown"] for row in rows] == [0, 1, 4] and [row["sentences"] for row in rows] == [2, 2, 2]
    assert [row["bleu_replaced"] for row in rows] == pytest.approx(
        [gain.bleu_replaced for gain in gains], abs=1e-4
    )
    assert (tmp_path / "test.2016.replaced.png").stat().st_size > 1000
