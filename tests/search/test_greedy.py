"""Greedy search equals decoding by hand."""

import pytest
import torch
from toy_decoders import BOS, EOS, IDS, PAD, HistoryDecoder, force, one, toy_memory

from seq2scene.search.constraints import BLOCK, top
from seq2scene.search.stepwise import Greedy


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_greedy_is_the_argmax_at_every_step(dtype):
    decoder, memory = HistoryDecoder(15, seed=7, dtype=dtype), toy_memory([4, 8, 1, 6])
    found = Greedy()(decoder, memory, **IDS)
    for number in range(4):
        alone, previous = one(memory, number), BOS
        state = decoder.start(alone)
        for token in found.tokens[number, 0, : found.lengths[number, 0]].tolist():
            features, state, *_ = decoder.step(torch.tensor([previous]), state, alone)
            logits = decoder.output(features)
            logits[:, [PAD, BOS]] = -torch.inf
            assert logits[0, token] == logits.max()
            previous = token
        assert previous == EOS or not found.finished[number, 0]


def test_neighbours_change_nothing_and_scores_and_weights_are_those_of_stepping():
    decoder, memory = HistoryDecoder(15, seed=8), toy_memory([4, 8, 1, 6, 2, 3, 9, 5, 7])
    found = Greedy()(decoder, memory, **IDS, keep_weights=True)
    assert found.lengths.unique().numel() > 2
    for number in range(len(memory)):
        alone = Greedy()(decoder, one(memory, number), **IDS)
        length = int(found.lengths[number, 0])
        assert alone.tokens[0, 0].tolist() == found.tokens[number, 0, :length].tolist()
        log_probs, weights = force(decoder, one(memory, number), alone.tokens[0, 0])
        torch.testing.assert_close(found.token_log_probs[number, 0, :length], log_probs)
        torch.testing.assert_close(found.weights[number, 0, :length], weights)
        assert (found.weights[number, 0, length:] == 0).all()
        torch.testing.assert_close(found.scores[number, 0], log_probs.sum())


def test_a_source_without_words_gives_eos_alone():
    decoder = HistoryDecoder(9)
    found = Greedy()(decoder, toy_memory([0, 4, 0]), **IDS)
    assert found.tokens[[0, 2], 0, 0].tolist() == [EOS, EOS]
    assert found.lengths[[0, 2], 0].tolist() == [1, 1]
    assert (found.tokens[[0, 2], 0, 1:] == PAD).all() and found.finished[0, 0]
    decoder.rows_asked = 0
    assert Greedy()(decoder, toy_memory([0]), **IDS).tokens.tolist() == [[[EOS]]]
    assert decoder.rows_asked == 0


def test_hypotheses_move_to_a_device():
    found = Greedy()(HistoryDecoder(9), toy_memory([2]), **IDS).to("meta")
    assert found.tokens.is_meta and found.scores.is_meta and found.weights is None


@pytest.mark.parametrize("width", [3, BLOCK * 2, BLOCK * 12, BLOCK * 40 + 17])
@pytest.mark.parametrize("k", [1, 6])
def test_top_is_topk(width, k):
    values = torch.randn(50, width, generator=torch.Generator().manual_seed(1))
    values[:, ::7] = -torch.inf
    values[:3] = -torch.inf
    largest, columns = top(values, k)
    assert torch.equal(largest, values.topk(min(k, width)).values)
    assert torch.equal(values.gather(1, columns), largest)
    assert all(len(set(row)) == min(k, width) for row in columns.tolist())
