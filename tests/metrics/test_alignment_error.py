import math

import pytest

from rank_processes import in_ranks
from seq2scene.metrics.alignment_error import AlignmentError
from seq2scene.sequences.alignments import GoldAlignment, read_gold

# |A| 3, |S| 2, |A & S| 1, |A & P| 2: AER = 1 - 3/5; and a sentence with |A| 1, |S| 1 and no match
LINKS = [{(0, 0), (1, 2), (2, 2)}, {(0, 1)}]
GOLD = [
    GoldAlignment(frozenset({(0, 0), (1, 1)}), frozenset({(0, 0), (1, 1), (1, 2)})),
    GoldAlignment(frozenset({(0, 0)}), frozenset({(0, 0), (1, 1)})),
]


def scores(metric: AlignmentError) -> dict[str, float]:
    return {name: value.item() for name, value in metric.compute().items()}


def test_the_error_of_a_hand_counted_sentence():
    metric = AlignmentError()
    metric.update(LINKS[:1], GOLD[:1])
    assert scores(metric) == pytest.approx({"aer": 0.4, "precision": 2 / 3, "recall": 1 / 2})


def test_sentences_add_up_by_their_links_and_are_not_averaged():
    metric = AlignmentError()
    metric.update(LINKS, GOLD)
    assert scores(metric) == pytest.approx({"aer": 1 - 3 / 7, "precision": 2 / 4, "recall": 1 / 3})


def test_possible_links_cost_nothing_and_are_never_demanded():
    gold = [GoldAlignment(frozenset({(0, 0)}), frozenset({(0, 0), (1, 0), (1, 1)}))]
    for found in ({(0, 0)}, {(0, 0), (1, 1)}, set(gold[0].possible)):
        metric = AlignmentError()
        metric.update([found], gold)
        assert scores(metric) == {"aer": 0.0, "precision": 1.0, "recall": 1.0}


def test_nothing_counted_is_no_number():
    metric = AlignmentError()
    metric.update([], [])
    assert all(math.isnan(value) for value in scores(metric).values())


def test_the_sure_links_of_the_hansards_have_no_error_against_themselves(shared_data):
    gold = read_gold(shared_data / "alignments" / "enfr.gold")
    assert len(gold) == 447
    assert sum(len(one.sure) for one in gold) == 4038
    assert sum(len(one.possible) for one in gold) == 4038 + 13400
    metric = AlignmentError()
    metric.update([one.sure for one in gold], gold)
    assert scores(metric) == {"aer": 0.0, "precision": 1.0, "recall": 1.0}
    metric.reset()
    metric.update([one.sure for one in gold[1:]] + [gold[0].sure], gold)  # of the wrong sentences
    assert scores(metric)["aer"] > 0.5


def scores_of_rank(rank: int) -> dict[str, float]:
    metric = AlignmentError()
    metric.update(LINKS[rank : rank + 1], GOLD[rank : rank + 1])
    return scores(metric)


@pytest.mark.slow
def test_two_ranks_compute_what_one_does():
    alone = AlignmentError()
    alone.update(LINKS, GOLD)
    assert in_ranks(scores_of_rank) == [scores(alone)] * 2
