"""The trace of a step stays with its hypothesis, whatever a search does in between."""

from itertools import product

import pytest
import torch
from toy_decoders import BOS, IDS, LARGE, HistoryDecoder, markov, one, toy_memory

from seq2scene.search.beam import Beam
from seq2scene.search.ensemble import EnsembleDecoder, Memories
from seq2scene.search.stepwise import Greedy, Sample

LENGTHS = [3, 0, 9, 1, 5, 2, 8]  # so that sentences end, and leave the batch, at different steps
SEARCHES = {
    "greedy": Greedy(),
    "beam": Beam(size=5, n_best=3, normalisation="average"),
    "sample": Sample(num_samples=3),
}


@pytest.mark.parametrize("name", SEARCHES)
def test_every_hypothesis_has_the_trace_of_stepping_through_it(name):
    decoder, memory = HistoryDecoder(12, seed=3), toy_memory(LENGTHS)
    found = SEARCHES[name](decoder, memory, **IDS)
    sums, nothing = found.trace["sums"]
    assert nothing is None and found.weights is None
    assert len(found.lengths.unique()) > 3
    for sentence, rank in product(range(len(LENGTHS)), range(found.tokens.shape[1])):
        length = int(found.lengths[sentence, rank]) if LENGTHS[sentence] else 0
        tokens = found.tokens[sentence, rank, :length].tolist()
        read = found.trace["read"][sentence, rank]
        assert (read[:length] - LARGE).tolist() == [BOS, *tokens][:length]
        alone = one(memory, sentence)
        state = decoder.start(alone)
        for step, previous in enumerate([BOS, *tokens][:length]):
            _, state, _, trace = decoder.step(torch.tensor([previous]), state, alone)
            torch.testing.assert_close(sums[sentence, rank, step], trace["sums"][0][0])
        assert not read[length:].any() and not sums[sentence, rank, length:].any()


@pytest.mark.parametrize("name", SEARCHES)
def test_where_a_decoder_leaves_no_trace_none_is_kept(name):
    assert SEARCHES[name](markov(9), toy_memory([2]), **IDS, keep_weights=True).trace is None


@pytest.mark.parametrize("name", SEARCHES)
def test_a_batch_of_empty_sentences_has_no_trace(name):
    assert SEARCHES[name](HistoryDecoder(9), toy_memory([0, 0]), **IDS).trace is None


def test_the_trace_of_an_ensemble_is_that_of_its_members():
    members, memory, previous = [HistoryDecoder(9), markov(9)], toy_memory([2]), torch.tensor([BOS])
    ensemble, memories = EnsembleDecoder(members), Memories((memory, memory))
    *_, (first, second) = ensemble.step(previous, ensemble.start(memories), memories)
    *_, expected = members[0].step(previous, members[0].start(memory), memory)
    torch.testing.assert_close(first, expected)
    assert second is None
    silent = EnsembleDecoder([members[1]] * 2)
    assert silent.step(previous, silent.start(memories), memories)[3] is None
