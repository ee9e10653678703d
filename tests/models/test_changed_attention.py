"""Attention changed at one step: exact where nothing changes, and masking is masking in the memory."""

from dataclasses import replace

import pytest
import torch

from seq2scene.attention import PredictiveAttention
from seq2scene.errors import UserError
from seq2scene.models.changed_attention import Change, ChangedAttention
from seq2scene.nets.text.decoders import LuongDecoder
from seq2scene.nets.text.gnmt_decoder import GNMTDecoder
from seq2scene.search.beam import Beam
from seq2scene.search.stepwise import Greedy
from seq2scene.sequences.memory import Memory
from small_translators import ATTENTIONS, sentences, translator

SOURCE = [[4, 5, 6, 7, 8]]
ATTENDING = [name for name in ATTENTIONS if name != "none"]


@pytest.mark.parametrize("decoder", [LuongDecoder, GNMTDecoder])
@pytest.mark.parametrize("attention", ATTENDING)
def test_the_models_own_weights_give_the_models_own_output_to_the_last_bit(attention, decoder):
    net = translator(decoder, attention).float()
    source = sentences(SOURCE)
    own = net.decode(source, Greedy(), keep_weights=True)
    for step in range(int(own.lengths[0, 0])):
        weights = own.weights[0, 0, step].tolist()
        again = net.with_attention({step: Change(weights=weights)}).decode(
            source, Greedy(), keep_weights=True
        )
        for name in ("tokens", "log_probs", "token_log_probs", "weights"):
            assert torch.equal(getattr(again, name), getattr(own, name))


@pytest.mark.parametrize("attention", ATTENDING)
def test_masking_a_word_is_masking_it_in_the_memory_for_that_step(attention):
    net = translator(LuongDecoder, attention)
    memory, previous = net.encode(sentences(SOURCE)), torch.tensor([[2, 5, 6, 7]])
    hidden = replace(memory, mask=memory.mask & (torch.arange(5) != 2))
    changed = net.with_attention({1: Change(masked=[2])}).decoder
    state = net.decoder.start(memory)
    features, weights = changed(memory, previous)
    for step in range(4):
        stepped, state, looked, _ = net.decoder.step(
            previous[:, step], state, hidden if step == 1 else memory
        )
        torch.testing.assert_close(features[:, step], stepped, rtol=0, atol=1e-12)
        torch.testing.assert_close(weights[:, step], looked, rtol=0, atol=1e-12)
    assert weights[0, 1, 2] == 0


@pytest.mark.parametrize("score", ["dot", "general", "concat"])
def test_both_implementations_of_a_window_see_the_mask(score):
    """Masking inside the window renormalises the softmax over the rest of it."""
    torch.manual_seed(0)
    masked = PredictiveAttention(4, 4, score, half_width=2).double()
    gathered = PredictiveAttention(4, 4, score, half_width=2, implementation="gather").double()
    gathered.load_state_dict(masked.state_dict())
    query, memory = torch.randn(1, 3, 4).double(), _memory(masked)
    for one, other in zip(masked(query, memory), gathered(query, memory), strict=True):
        torch.testing.assert_close(one, other)


def _memory(attention):
    states = torch.randn(1, 6, 4, dtype=torch.float64)
    mask = torch.tensor([[True, True, False, True, True, True]])
    return Memory(states, attention.keys(states), mask, torch.tensor([6]), ())


def test_all_weight_on_one_word_makes_the_context_its_state():
    net = translator(LuongDecoder)
    memory = net.encode(sentences(SOURCE))
    changed = ChangedAttention(net.decoder.attention, {0: Change(weights=[0, 0, 0, 1, 0])})
    context, weights = changed(torch.randn(1, 2, 7).double(), memory, torch.tensor([[0, 1]]))
    assert torch.equal(context[0, 0], memory.states[0, 3])
    assert weights[0, 0].tolist() == [0, 0, 0, 1, 0] and weights[0, 1].count_nonzero() == 5


def test_steps_before_the_change_and_the_model_itself_stay_as_they_were():
    net = translator(LuongDecoder)
    source, before = sentences(SOURCE), torch.tensor([[2, 5, 6, 7]])
    own = net(source, before)[0]
    changed = net.with_attention({2: Change(weights=[0, 0, 0, 0, 1])})(source, before)[0]
    assert torch.equal(changed[:, :2], own[:, :2])
    assert not torch.equal(changed[:, 2], own[:, 2])
    assert torch.equal(net(source, before)[0], own)


def test_the_change_acts_on_every_beam():
    net = translator(LuongDecoder)
    looked = [0.5, 0, 0, 0.5, 0]
    changed = net.with_attention({1: Change(weights=looked)})
    found = changed.decode(sentences(SOURCE), Beam(size=4, n_best=4), keep_weights=True)
    longer = found.lengths[0] > 1
    assert longer.any() and all(row.tolist() == looked for row in found.weights[0, longer, 1])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"weights": [1.0]}, "1 weights: the source has 5 positions"),
        ({"masked": [5]}, "the source has 5 positions"),
        ({"masked": [-1]}, "counted from 0"),
        ({"weights": [-1, 0, 0, 0, 0]}, "at least 0"),
        ({"weights": [float("nan"), 0, 0, 0, 0]}, "finite"),
    ],
)
def test_changes_that_do_not_fit_are_refused(change, complaint):
    net = translator(LuongDecoder)
    with pytest.raises(UserError, match=complaint):
        net.with_attention({0: Change(**change)}).decode(sentences(SOURCE), Greedy())


def test_a_model_without_attention_has_none_to_change():
    with pytest.raises(UserError, match="no attention"):
        translator(LuongDecoder, "none").with_attention({})
