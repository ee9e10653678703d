"""The recurrent translator: packed = gathered, all at once = step by step, no effect of padding or other
rows.
"""

import itertools
from functools import partial

import pytest
import torch

from pairs import pairwise
from seq2scene.errors import UserError
from seq2scene.models.translator import Translator
from seq2scene.nets.text.decoders import LuongDecoder
from seq2scene.nets.text.encoders import RecurrentEncoder
from seq2scene.sequences.padding import shift_right
from small_translators import ATTENTIONS, LANGUAGE, SOURCES, TARGETS, gradients, loss, sentences, translator

luong = partial(translator, LuongDecoder)


@pytest.mark.parametrize(
    ("cell", "bias", "layers", "bidirectional", "reverse"),
    pairwise(["lstm", "gru"], [True, False], [1, 2], [True, False], [True, False]),
)
def test_packed_equals_gathered(
    cell: str, bias: bool, layers: int, bidirectional: bool, reverse: bool
) -> None:
    memories = []
    for packing, extra in (("packed", 0), ("gather", 2)):
        reading = {"packing": packing, "bidirectional": bidirectional, "reverse_source": reverse}
        net = luong(cell=cell, layers=layers, bias=bias, encoder=reading)
        memories.append(net.encode(sentences(SOURCES, extra)))
    packed, gathered = memories
    torch.testing.assert_close(packed.states, gathered.states[:, :5])
    for one, other in zip(packed.final, gathered.final, strict=True):
        torch.testing.assert_close(one, other)


def test_packed_and_gathered_have_the_same_gradients() -> None:
    packed, gathered = (luong(encoder={"packing": packing}) for packing in ("packed", "gather"))
    ours, theirs = (gradients(net, loss(net, SOURCES, TARGETS)) for net in (packed, gathered))
    for name, grad in ours.items():
        torch.testing.assert_close(grad, theirs[name])


def test_a_reversed_encoder_reads_backwards_and_answers_in_natural_order() -> None:
    plain = luong(encoder={"bidirectional": False})
    turned = luong(encoder={"bidirectional": False, "reverse_source": True})
    expected = plain.encode(sentences([[8, 7, 6, 5, 4]]))
    memory = turned.encode(sentences([[4, 5, 6, 7, 8]]))
    torch.testing.assert_close(memory.states.flip(1), expected.states)
    torch.testing.assert_close(memory.final[0], expected.final[0])


@pytest.mark.parametrize(
    ("attention", "feed", "rnn"),
    pairwise(list(ATTENTIONS), [True, False], [("lstm", 1), ("lstm", 2), ("gru", 2)]),
)
def test_all_steps_at_once_equal_one_by_one(attention: str, feed: bool, rnn: tuple[str, int]) -> None:
    cell, layers = rnn
    net = luong(attention, input_feeding=feed, cell=cell, layers=layers)
    memory = net.encode(sentences(SOURCES))
    previous = shift_right(sentences(TARGETS).ids, 2)
    features, weights = net.decoder(memory, previous)
    state = net.decoder.start(memory)
    for t in range(previous.shape[1]):
        stepped, state, looked, _ = net.decoder.step(previous[:, t], state, memory)
        torch.testing.assert_close(stepped, features[:, t], atol=1e-10, rtol=0)
        if attention != "none":
            torch.testing.assert_close(looked, weights[:, t], atol=1e-10, rtol=0)


@pytest.mark.parametrize(("cell", "layers", "bias"), pairwise(["lstm", "gru"], [1, 2], [True, False]))
def test_the_fed_loop_is_the_fused_run_when_nothing_is_fed(cell: str, layers: int, bias: bool) -> None:
    """With the first layer's weights on h~ set to zero, input feeding has no effect."""
    fed, fused = (luong(input_feeding=f, cell=cell, layers=layers, bias=bias) for f in (True, False))
    state = fed.state_dict()
    state["decoder.rnn.weight_ih_l0"][:, 6:] = 0
    fed.load_state_dict(state)
    state["decoder.rnn.weight_ih_l0"] = state["decoder.rnn.weight_ih_l0"][:, :6]
    fused.load_state_dict(state)
    torch.testing.assert_close(loss(fed, SOURCES, TARGETS), loss(fused, SOURCES, TARGETS))


@pytest.mark.parametrize(
    ("attention", "feed", "packing"), pairwise(list(ATTENTIONS), [True, False], ["packed", "gather"])
)
def test_padding_never_matters(attention: str, feed: bool, packing: str) -> None:
    net = luong(attention, input_feeding=feed, encoder={"packing": packing})
    tight, loose = loss(net, SOURCES, TARGETS), loss(net, SOURCES, TARGETS, extra=3)
    torch.testing.assert_close(tight, loose, atol=1e-12, rtol=0)
    ours, theirs = gradients(net, tight), gradients(net, loose)
    for name, grad in ours.items():
        torch.testing.assert_close(grad, theirs[name], atol=1e-12, rtol=0)
    assert (ours["encoder.embedding.weight"][0] == 0).all() and (
        ours["decoder.embedding.weight"][0] == 0
    ).all()


@pytest.mark.parametrize(("attention", "feed"), list(itertools.product(ATTENTIONS, [True, False])))
def test_a_batch_is_its_sentences_alone(attention: str, feed: bool) -> None:
    net = luong(attention, input_feeding=feed)
    together = loss(net, SOURCES, TARGETS)
    alone = sum(loss(net, [source], [target]) for source, target in zip(SOURCES, TARGETS, strict=True))
    torch.testing.assert_close(together, alone)
    ours, theirs = gradients(net, together), gradients(net, alone)
    for name, grad in ours.items():
        torch.testing.assert_close(grad, theirs[name])


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_beams_of_a_sentence_share_its_memory(attention: str) -> None:
    net = luong(attention)
    memory, twice = (
        net.encode(sentences(SOURCES)),
        net.encode(sentences([s for s in SOURCES for _ in range(2)])),
    )
    shared = copied = net.decoder.start(twice)
    for previous in (torch.arange(2, 10), torch.arange(2, 10).flip(0)):
        *ours, looked, _ = net.decoder.step(previous, shared, memory)
        *theirs, seen, _ = net.decoder.step(previous, copied, twice)
        torch.testing.assert_close((ours, looked), (theirs, seen))
        shared, copied = ours[1], theirs[1]


def test_copying_the_state_needs_equal_shapes_and_then_copies() -> None:
    with pytest.raises(UserError, match=r"bridge=copy needs .* 1 layers of 10, the decoder 1 of 7"):
        luong(bridge="copy")
    encoder = RecurrentEncoder(10, 0, hidden_size=4, layers=2, bidirectional=False)
    decoder = LuongDecoder(10, 0, 4, 2, None, hidden_size=4, layers=2, bridge="copy")
    memory = Translator(encoder, decoder, LANGUAGE, LANGUAGE).encode(sentences(SOURCES))
    assert all(torch.equal(a, b) for a, b in zip(decoder.start(memory)[0], memory.final, strict=True))


def test_tied_embeddings_are_one_parameter() -> None:
    net = luong(tied=True, embedding_size=7)
    assert net.decoder.output.weight is net.decoder.embedding.weight
    with pytest.raises(UserError, match="tied=true needs"):
        luong(tied=True)


def test_dropout_of_the_fed_loop_is_fresh_at_every_step_and_absent_in_evaluation() -> None:
    torch.manual_seed(0)
    encoder = RecurrentEncoder(10, 0, hidden_size=4, bidirectional=False)
    decoder = LuongDecoder(10, 0, 4, 1, None, hidden_size=50, dropout=0.5, bridge="zero")
    memory = Translator(encoder, decoder, LANGUAGE, LANGUAGE).encode(sentences([[4]]))
    previous = torch.full((1, 6), 5)
    dropped = decoder.train()(memory, previous)[0][0] == 0
    assert 0.3 < dropped.float().mean() < 0.7 and not torch.equal(dropped[0], dropped[1])
    assert (decoder.eval()(memory, previous)[0] != 0).all()


@pytest.mark.parametrize("feed", [True, False])
def test_without_output_dropout_only_what_layers_read_is_dropped(feed: bool) -> None:
    encoder = RecurrentEncoder(10, 0, hidden_size=4, bidirectional=False)
    options = {"hidden_size": 50, "dropout": 0.5, "bridge": "zero", "input_feeding": feed}
    decoder = LuongDecoder(10, 0, 4, 1, None, **options, output_dropout=False)
    memory = Translator(encoder, decoder, LANGUAGE, LANGUAGE).encode(sentences([[4]]))
    previous = torch.full((1, 6), 5)
    one, other = (decoder.train()(memory, previous)[0][0] for _ in range(2))
    assert (one != 0).all() and not torch.equal(one, other)
