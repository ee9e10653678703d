import numpy as np
import pytest
import sacrebleu
from PIL import Image

from seq2scene.reports.text.lengths import bleu_by_length, read_csv, write_csv, write_plot

REFERENCES = [" ".join(f"w{place}" for place in range(length)) for length in (12, 3, 5, 6, 3, 11, 10, 25)]
# the three longest come out right, of the others only the first words
HYPOTHESES = [
    reference if len(reference.split()) > 10 else " ".join(reference.split()[:5]) for reference in REFERENCES
]


def test_buckets_are_of_five_words_and_empty_ones_are_left_out():
    rows = bleu_by_length(HYPOTHESES, REFERENCES, tokenize="none")
    assert [(row.shortest, row.longest, row.sentences) for row in rows] == [
        (3, 5, 3),
        (6, 10, 2),
        (11, 12, 2),
        (25, 25, 1),
    ]


def test_groups_are_cut_from_the_sorted_references_and_the_last_may_be_small():
    rows = bleu_by_length(HYPOTHESES, REFERENCES, group=3, tokenize="none")
    assert [(row.longest, row.sentences) for row in rows] == [(5, 3), (11, 3), (25, 2)]


def test_a_row_is_sacrebleus_score_of_its_sentences_and_the_last_cumulative_that_of_all():
    rows = bleu_by_length(HYPOTHESES, REFERENCES, tokenize="none")
    theirs = sacrebleu.corpus_bleu(
        [HYPOTHESES[3], HYPOTHESES[6]], [[REFERENCES[3], REFERENCES[6]]], tokenize="none"
    )
    assert rows[1].bleu == pytest.approx(theirs.score)
    assert 0 < rows[1].bleu < 100
    assert rows[1].ratio == pytest.approx(10 / 16)
    assert rows[2].bleu == pytest.approx(100)
    whole = sacrebleu.corpus_bleu(HYPOTHESES, [REFERENCES], tokenize="none").score
    assert rows[-1].cumulative == pytest.approx(whole)


def test_lengths_can_be_those_of_the_sources():
    sources = ["one two three", *["one"] * 7]
    rows = bleu_by_length(HYPOTHESES, REFERENCES, by=sources, width=1, tokenize="none")
    assert [(row.longest, row.sentences) for row in rows] == [(1, 7), (3, 1)]
    assert rows[1].bleu == pytest.approx(100)  # the reference of 12 words


def test_empty_sentences_have_their_place_and_an_empty_corpus_no_rows():
    assert [row.shortest for row in bleu_by_length(["", "a"], ["", "a"])] == [0]
    assert bleu_by_length([], []) == bleu_by_length([], [], group=200) == []


def test_the_csv_reads_back_and_the_plot_holds_several_systems(tmp_path):
    systems = {
        "general": bleu_by_length(HYPOTHESES, REFERENCES, group=2, tokenize="none"),
        "none": bleu_by_length(REFERENCES, REFERENCES, group=2, tokenize="none"),
    }
    write_csv(tmp_path / "by_length.csv", systems)
    again = read_csv(tmp_path / "by_length.csv")
    assert list(again) == ["general", "none"]
    assert [row.longest for row in again["general"]] == [row.longest for row in systems["general"]]
    assert again["general"][0].bleu == pytest.approx(systems["general"][0].bleu, abs=1e-4)
    write_plot(tmp_path / "two.png", systems)
    write_plot(tmp_path / "one.png", {"general": systems["general"]})
    two, one = (np.asarray(Image.open(tmp_path / name)) for name in ("two.png", "one.png"))
    second_colour = np.array([0xD5, 0x5E, 0x00])
    assert (two == second_colour).all(axis=2).sum() > 100
    assert not (one == second_colour).all(axis=2).any()
