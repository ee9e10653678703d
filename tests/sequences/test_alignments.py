import pytest
import torch

from seq2scene.errors import UserError
from seq2scene.sequences.alignments import (
    NO_LINK,
    GoldAlignment,
    hard_alignment,
    links,
    read_gold,
    read_pharaoh,
    soft_alignment,
    to_pharaoh,
    write_pharaoh,
)

# Two sentences: "a b c" -> "x y" EOS, and "a" -> "x" EOS, the second padded on both sides.
WEIGHTS = torch.tensor(
    [
        [[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.2, 0.5, 0.3]],
        [[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]],
    ]
)
SOURCE, TARGET = torch.tensor([3, 1]), torch.tensor([2, 1])


def test_a_word_is_linked_to_where_its_own_step_looked_most():
    found = hard_alignment(soft_alignment(WEIGHTS, SOURCE, TARGET))
    assert found.tolist() == [[0, 2, NO_LINK], [0, NO_LINK, NO_LINK]]


def test_shifted_by_one_it_is_linked_to_where_the_next_step_looked_and_the_last_to_that_of_eos():
    found = hard_alignment(soft_alignment(WEIGHTS, SOURCE, TARGET, shift=1))
    assert found.tolist() == [[2, 1, NO_LINK], [0, NO_LINK, NO_LINK]]


def test_a_soft_alignment_is_the_attention_of_words_to_words_alone():
    soft = soft_alignment(WEIGHTS, SOURCE, TARGET, shift=1)
    torch.testing.assert_close(soft[0, :2], WEIGHTS[0, 1:])
    assert soft[0, 2].eq(0).all() and soft[1, 1:].eq(0).all()


def test_the_sources_own_eos_is_never_linked():
    weights = torch.tensor([[[0.1, 0.2, 0.7], [0.3, 0.1, 0.6]]])  # "a b EOS" -> "x" EOS
    assert hard_alignment(soft_alignment(weights, torch.tensor([2]), torch.tensor([1]))).tolist() == [[1, -1]]


def test_a_word_that_looked_nowhere_has_no_link():
    weights = torch.tensor([[[0.0, 0.0], [0.0, 1.0], [1.0, 0.0]]])
    found = hard_alignment(soft_alignment(weights, torch.tensor([2]), torch.tensor([2])))
    assert found.tolist() == [[NO_LINK, 1, NO_LINK]]
    assert links(found[0].tolist()) == {(1, 1)}
    assert hard_alignment(torch.zeros(2, 3, 0)).tolist() == [[NO_LINK] * 3] * 2  # no source at all


def test_a_batch_aligns_as_its_sentences_alone():
    torch.manual_seed(0)
    weights = torch.rand(5, 6, 7)
    source, target = torch.tensor([7, 1, 4, 0, 2]), torch.tensor([5, 5, 0, 3, 1])
    together = hard_alignment(soft_alignment(weights, source, target, 1))
    for row in range(5):
        words, width = int(target[row]), int(source[row])
        alone = soft_alignment(
            weights[row : row + 1, : words + 1, :width], source[row : row + 1], target[row : row + 1], 1
        )
        assert together[row, :words].tolist() == hard_alignment(alone)[0, :words].tolist()
        assert (together[row, words:] == NO_LINK).all()


def test_pharaoh_text_counts_from_0_in_the_targets_order_and_reads_back(tmp_path):
    alignments = [{(0, 1), (2, 0), (1, 1)}, set(), {(11, 9)}]
    assert to_pharaoh(alignments[0]) == "2-0 0-1 1-1"
    write_pharaoh(tmp_path / "links.txt", alignments)
    assert (tmp_path / "links.txt").read_text() == "2-0 0-1 1-1\n\n11-9\n"
    assert read_pharaoh(tmp_path / "links.txt") == alignments


def test_gold_counts_from_1_and_its_sure_links_are_possible_too(tmp_path):
    path = tmp_path / "gold"
    path.write_text("1-1 2p3\r\n\n3p1 2-2")
    assert read_gold(path) == [
        GoldAlignment(frozenset({(0, 0)}), frozenset({(0, 0), (1, 2)})),
        GoldAlignment(frozenset(), frozenset()),
        GoldAlignment(frozenset({(1, 1)}), frozenset({(1, 1), (2, 0)})),
    ]


@pytest.mark.parametrize(
    "word", ["1:2", "1-", "p3", "0-1", "2p0", "1-2-3", "-1-2", "a-b", "1?2", "²-1", "1-" + "9" * 5000]
)
def test_a_malformed_gold_link_is_refused_with_file_and_line(tmp_path, word):
    path = tmp_path / "gold"
    path.write_text(f"1-1\n2-2 {word}\n", encoding="utf-8")
    with pytest.raises(UserError) as refusal:
        read_gold(path)
    assert (
        str(path) in str(refusal.value) and "line 2" in str(refusal.value) and word[:40] in str(refusal.value)
    )


def test_pharaoh_text_has_no_possible_links(tmp_path):
    path = tmp_path / "links.txt"
    path.write_text("0-0 1p1\n")
    with pytest.raises(UserError, match=r"line 1: .1p1"):
        read_pharaoh(path)


def test_a_file_that_is_not_there_or_not_text_is_refused(tmp_path):
    with pytest.raises(UserError, match="does not exist"):
        read_gold(tmp_path / "none")
    (tmp_path / "latin").write_bytes(b"1-1\n\xe9\n")
    with pytest.raises(UserError, match="line 2, byte 1: not UTF-8"):
        read_gold(tmp_path / "latin")
    with pytest.raises(UserError, match="is a folder"):
        read_gold(tmp_path)
