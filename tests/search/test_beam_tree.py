"""The tree of a beam search holds what the search did, and recording it changes nothing."""

import pytest
import torch
from toy_decoders import EOS, IDS, HistoryDecoder, markov, toy_memory

from seq2scene.search.beam import Beam
from seq2scene.search.beam_tree import beam_tree, path

DECODERS = {"markov": lambda: markov(7, 3, seed=1), "history": lambda: HistoryDecoder(7)}


@pytest.mark.parametrize("stop", ["exact", "size", "best"])
@pytest.mark.parametrize("decoder", DECODERS.values(), ids=DECODERS)
def test_hypotheses_are_the_ended_nodes_with_the_best_scores(decoder, stop):
    search, steps = Beam(size=4, n_best=4, normalisation="average", stop=stop), []
    memory = toy_memory([2, 0, 5])
    found = search(decoder(), memory, **IDS, record=steps)
    for row in (0, 2):
        nodes = beam_tree(steps, EOS, row)
        ended = sorted(
            (n for n, node in enumerate(nodes) if node.fate == "ended"), key=lambda n: -nodes[n].score
        )
        for rank, last in enumerate(ended[:4]):
            length = int(found.lengths[row, rank])
            words = path(nodes, last)
            assert [nodes[one].token for one in words] == found.tokens[row, rank, :length].tolist()
            assert nodes[last].score == float(found.scores[row, rank])
            assert nodes[last].total == pytest.approx(float(found.log_probs[row, rank]), abs=1e-4)
    assert beam_tree(steps, EOS, 1) == []  # an empty source


def test_every_step_keeps_as_many_as_the_beam_is_wide_and_extends_only_those():
    steps = []
    Beam(size=3)(HistoryDecoder(9), toy_memory([4]), **IDS, record=steps)
    nodes = beam_tree(steps, EOS)
    for number in range(len(steps)):
        here = [node for node in nodes if node.step == number]
        assert sum(node.fate == "kept" for node in here) == 3
        assert [node.total for node in here] == sorted((node.total for node in here), reverse=True)
        assert all(nodes[node.parent].fate == "kept" for node in here if number > 0)


def test_recording_changes_nothing():
    search, memory = Beam(size=3, n_best=2), toy_memory([3, 1])
    quiet, recorded = (search(HistoryDecoder(7), memory, **IDS, **more) for more in ({}, {"record": []}))
    for name in ("tokens", "scores", "token_log_probs"):
        assert torch.equal(getattr(quiet, name), getattr(recorded, name))
