"""Batches of one length: no padding, every sentence included, ranks in step."""

import numpy as np
import pytest

from seq2scene.sequences.batching import EqualLengths

LENGTHS = np.random.default_rng(0).integers(3, 9, 101)


@pytest.mark.parametrize("size", [1, 4, 200])
def test_every_sentence_is_seen_once_beside_others_of_its_length(size: int) -> None:
    batches = EqualLengths(LENGTHS, size).batches(3)
    assert sorted(np.concatenate(batches)) == list(range(101))
    assert all(len(set(LENGTHS[rows])) == 1 and len(rows) <= size for rows in batches)


def test_epochs_differ_and_each_is_the_same_again() -> None:
    plan = EqualLengths(LENGTHS, 4, seed=1)
    assert all(np.array_equal(a, b) for a, b in zip(plan.batches(2), plan.batches(2), strict=True))
    assert not np.array_equal(np.concatenate(plan.batches(2)), np.concatenate(plan.batches(3)))
    assert len(plan) == len(plan.batches(0)) == len(plan.batches(9))


@pytest.mark.parametrize("world", [2, 3])
def test_ranks_step_together_with_equally_many_sentences_of_one_length(world: int) -> None:
    ranks = [EqualLengths(LENGTHS, 4, rank=rank, world=world).batches(1) for rank in range(world)]
    seen = np.zeros(101, dtype=int)
    for step in zip(*ranks, strict=True):
        assert len({len(rows) for rows in step}) == 1 and len(set(LENGTHS[np.concatenate(step)])) == 1
        np.add.at(seen, np.concatenate(step), 1)
    assert seen.min() == 1
