"""The GNMT decoder: its formula, fused = step by step, no effect of padding."""

from functools import partial

import pytest
import torch
from torch import nn

from pairs import pairwise
from seq2scene.attention import GlobalAttention
from seq2scene.errors import UserError
from seq2scene.nets.text.gnmt_decoder import GNMTDecoder
from seq2scene.search.beam import Beam
from seq2scene.search.stepwise import Greedy
from seq2scene.sequences.padding import shift_right
from small_translators import ATTENTIONS, SOURCES, TARGETS, gradients, loss, sentences, translator

gnmt = partial(translator, GNMTDecoder, layers=4)


@pytest.mark.parametrize(("cell", "kind"), [("lstm", nn.LSTMCell), ("gru", nn.GRUCell)])
def test_it_is_the_formula_of_its_first_page(cell: str, kind: type[nn.RNNCellBase]) -> None:
    """Word by word and layer by layer, with PyTorch cells and the decoder's weights."""
    net = gnmt(cell=cell)
    decoder, memory = net.decoder, net.encode(sentences(SOURCES))
    previous = shift_right(sentences(TARGETS).ids, 2)
    features, weights = decoder(memory, previous)
    cells = []
    for rnn in decoder.layers:
        cells.append(kind(rnn.input_size, rnn.hidden_size).double())
        cells[-1].load_state_dict({key.removesuffix("_l0"): value for key, value in rnn.state_dict().items()})
    states = [tuple(s[:, layer] for s in decoder.start(memory)[0]) for layer in range(4)]
    for t in range(previous.shape[1]):
        x, context = decoder.embedding(previous[:, t]), None
        for layer, one in enumerate(cells):
            inputs = x if context is None else torch.cat([x, context], dim=1)
            after = one(inputs, states[layer] if cell == "lstm" else states[layer][0])
            states[layer] = after if cell == "lstm" else (after,)
            x = states[layer][0] + x if layer in (2, 3) else states[layer][0]
            if layer == 0:
                context, looked = (v[:, 0] for v in decoder.attention(x.unsqueeze(1), memory))
        expected = torch.tanh(decoder.combine(torch.cat([context, x], dim=1)))
        torch.testing.assert_close(features[:, t], expected)
        torch.testing.assert_close(weights[:, t], looked)


@pytest.mark.parametrize(
    ("attention", "layers", "cell"), pairwise(list(ATTENTIONS), [1, 2, 4], ["lstm", "gru"])
)
def test_all_steps_at_once_equal_one_by_one(attention: str, layers: int, cell: str) -> None:
    net = gnmt(attention, layers=layers, cell=cell)
    memory = net.encode(sentences(SOURCES))
    previous = shift_right(sentences(TARGETS).ids, 2)
    features, weights = net.decoder(memory, previous)
    state = net.decoder.start(memory)
    for t in range(previous.shape[1]):
        stepped, state, looked, _ = net.decoder.step(previous[:, t], state, memory)
        torch.testing.assert_close(stepped, features[:, t], atol=1e-10, rtol=0)
        if attention != "none":
            torch.testing.assert_close(looked, weights[:, t], atol=1e-10, rtol=0)


def test_teacher_forcing_calls_every_layer_and_the_attention_once() -> None:
    net, called = gnmt(), []
    for name, part in net.decoder.named_modules():
        if isinstance(part, nn.LSTM | GlobalAttention):
            part.register_forward_hook(lambda *_, name=name: called.append(name))
    loss(net, SOURCES, TARGETS)
    assert called == ["layers.0", "attention", "layers.1", "layers.2", "layers.3"]


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_padding_never_matters(attention: str) -> None:
    net = gnmt(attention)
    tight, loose = loss(net, SOURCES, TARGETS), loss(net, SOURCES, TARGETS, extra=3)
    torch.testing.assert_close(tight, loose, atol=1e-12, rtol=0)
    ours, theirs = gradients(net, tight), gradients(net, loose)
    for name, grad in ours.items():
        torch.testing.assert_close(grad, theirs[name], atol=1e-12, rtol=0)
    assert (ours["decoder.embedding.weight"][0] == 0).all()
    assert all((grad != 0).any() for grad in ours.values())


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_batch_is_its_sentences_alone(attention: str) -> None:
    net = gnmt(attention)
    together = loss(net, SOURCES, TARGETS)
    alone = sum(loss(net, [source], [target]) for source, target in zip(SOURCES, TARGETS, strict=True))
    torch.testing.assert_close(together, alone)
    ours, theirs = gradients(net, together), gradients(net, alone)
    for name, grad in ours.items():
        torch.testing.assert_close(grad, theirs[name])


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_beams_of_a_sentence_share_its_memory(attention: str) -> None:
    """At the second step as well as at the first: local-m's window must have moved."""
    net = gnmt(attention)
    memory = net.encode(sentences(SOURCES))
    twice = net.encode(sentences([source for source in SOURCES for _ in range(2)]))
    shared = copied = net.decoder.start(twice)
    for previous in (torch.arange(2, 10), torch.arange(2, 10).flip(0)):
        ours, shared, looked, _ = net.decoder.step(previous, shared, memory)
        theirs, copied, seen, _ = net.decoder.step(previous, copied, twice)
        torch.testing.assert_close((ours, looked), (theirs, seen))


@pytest.mark.parametrize("attention", ATTENTIONS)
def test_a_search_finds_what_teacher_forcing_scores_the_same(attention: str) -> None:
    net, words = gnmt(attention), {"bos": 2, "eos": 3, "pad": 0, "unk": 1}
    memory = net.encode(sentences([SOURCES[0], SOURCES[1], SOURCES[3]]))
    for search in (Greedy(), Beam(size=3)):
        found = search(net.decoder, memory, **words)
        tokens = found.tokens[:, 0]
        features, _ = net.decoder(memory, shift_right(tokens, 2))
        log_probs = net.decoder.output(features).log_softmax(dim=2).gather(2, tokens.unsqueeze(2)).squeeze(2)
        scored = (log_probs * (tokens != 0)).sum(dim=1)
        torch.testing.assert_close(found.log_probs[:, 0].double(), scored, atol=1e-5, rtol=0)


def test_copying_the_state_needs_equal_shapes() -> None:
    with pytest.raises(UserError, match=r"bridge=copy needs .* 4 layers of 10, the decoder 4 of 7"):
        gnmt(bridge="copy")


def test_tied_embeddings_are_one_parameter() -> None:
    net = gnmt(tied=True, embedding_size=7)
    assert net.decoder.output.weight is net.decoder.embedding.weight
    with pytest.raises(UserError, match="tied=true needs"):
        gnmt(tied=True)


def test_without_biases_there_is_none_anywhere() -> None:
    decoder = gnmt(bias=False, output_bias=False, bridge="zero").decoder
    assert [name for name, _ in decoder.named_parameters() if "bias" in name] == []


def test_at_least_one_layer_is_needed() -> None:
    with pytest.raises(UserError, match=r"decoder\.layers=0 is too few"):
        GNMTDecoder(10, 0, 5, 1, None, layers=0)


def test_dropout_acts_on_every_layers_input_and_on_the_features_and_not_in_evaluation() -> None:
    net = gnmt(layers=3, embedding_size=40, hidden_size=7, dropout=0.5, bridge="zero")
    memory, previous, seen = net.encode(sentences(SOURCES[:2])), torch.full((2, 20), 5), []
    for rnn in net.decoder.layers:
        rnn.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    seen.append(net.decoder.train()(memory, previous)[0])
    assert len(seen) == 4
    for values in seen:
        dropped = values == 0
        assert 0.3 < dropped.double().mean() < 0.7 and not torch.equal(dropped[0, 0], dropped[0, 1])
    seen.clear()
    seen.append(net.decoder.eval()(memory, previous)[0])
    assert all((values != 0).all() for values in seen)
