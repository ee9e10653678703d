"""Words written for each word of the references."""

import math

import pytest
from sacrebleu.metrics import BLEU

from seq2scene.metrics.caption_words import caption_words
from seq2scene.metrics.length_ratio import LengthRatio

WRITTEN = ["ein hund läuft", "zwei kinder spielen im garten .", ""]
REFERENCES = [["ein hund läuft über die wiese ."], ["zwei kinder spielen ."], ["ein mann ."]]


def ratio_of(texts, references, words=str.split) -> float:
    metric = LengthRatio(words)
    for text, golds in zip(texts, references, strict=True):  # batches of one
        metric.update([text], [golds])
    return metric.compute().item()


def test_it_is_the_ratio_from_which_bleu_computes_its_brevity_penalty() -> None:
    bleu = BLEU(tokenize="none", force=True).corpus_score(WRITTEN, [[gold for (gold,) in REFERENCES]])
    ratio = ratio_of(WRITTEN, REFERENCES)
    assert ratio == bleu.sys_len / bleu.ref_len == 9 / 14
    assert math.exp(1 - 1 / ratio) == pytest.approx(bleu.bp)


def test_of_several_references_the_closest_length_counts_the_shorter_of_two() -> None:
    references = ["A dog runs.", "A dog runs on the grass!", "A dog and two children run on the grass."]
    assert ratio_of(["a dog runs fast on grass today"], [references], caption_words) == 7 / 6
    assert ratio_of(["two words"], [["one", "and three words"]]) == 2 / 1
    assert math.isnan(ratio_of(["words"], [[""]]))
