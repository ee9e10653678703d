"""The recurrent language model: all at once = word by word, no effect of padding or other rows, and reading a
text in windows equals reading it whole.
"""

import itertools

import pytest
import torch
from torch import nn
from torch.nn.functional import log_softmax

from seq2scene.errors import UserError
from seq2scene.nets.losses.linear_cross_entropy import linear_cross_entropy
from seq2scene.nets.text.initialisation import initialise_uniform
from seq2scene.nets.text.language_model import LanguageModel, no_source
from seq2scene.search.beam import Beam
from seq2scene.search.stepwise import Greedy, Sample
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.padding import pad, shift_right

PAD, UNK, BOS, EOS = 0, 1, 2, 3
IDS = {"bos": BOS, "eos": EOS, "pad": PAD, "unk": UNK}
TEXTS = [[5, 6, EOS], [9, 8, 7, 6, EOS], [4, EOS], [EOS]]
KINDS = [("lstm", 1), ("lstm", 3), ("gru", 2)]


def model(cell: str = "lstm", layers: int = 1, **options) -> LanguageModel:
    torch.manual_seed(0)
    net = LanguageModel(10, PAD, 6, options.pop("hidden_size", 7), layers, cell, **options).double()
    initialise_uniform(net, 0.8)
    return net.eval()


def sentences(rows: list[list[int]], extra: int = 0) -> Sentences:
    ids, lengths = pad([torch.tensor(row) for row in rows], PAD)
    return Sentences.of(nn.functional.pad(ids, (0, extra)), lengths)


def loss(net: LanguageModel, rows: list[list[int]], extra: int = 0) -> torch.Tensor:
    gold = sentences(rows, extra)
    features, _ = net(no_source(len(gold), "cpu"), shift_right(gold.ids, BOS))
    out = net.output
    return linear_cross_entropy(features[gold.mask], out.weight, out.bias, gold.ids[gold.mask])[0]


def gradients(net: LanguageModel, value: torch.Tensor) -> dict[str, torch.Tensor]:
    names = [name for name, _ in net.named_parameters()]
    return dict(zip(names, torch.autograd.grad(value, list(net.parameters())), strict=True))


def same(net: LanguageModel, one: torch.Tensor, other: torch.Tensor) -> dict[str, torch.Tensor]:
    """Two losses are equal, and so are their gradients, which are returned."""
    torch.testing.assert_close(one, other, atol=1e-12, rtol=0)
    ours, theirs = gradients(net, one), gradients(net, other)
    for name, grad in ours.items():
        torch.testing.assert_close(grad, theirs[name], atol=1e-12, rtol=0)
    return ours


@pytest.mark.parametrize(("cell", "layers"), KINDS)
def test_all_steps_at_once_equal_one_by_one(cell: str, layers: int) -> None:
    net, memory = model(cell, layers), no_source(4, "cpu")
    previous = shift_right(sentences(TEXTS).ids, BOS)
    features, _ = net(memory, previous)
    state = net.start(memory)
    for t in range(previous.shape[1]):
        stepped, state, weights, trace = net.step(previous[:, t], state, memory)
        torch.testing.assert_close(stepped, features[:, t], atol=1e-12, rtol=0)
        assert weights is None and trace is None


@pytest.mark.parametrize(("cell", "layers"), KINDS)
def test_a_text_read_in_pieces_is_the_text_read_whole(cell: str, layers: int) -> None:
    net, memory = model(cell, layers), no_source(2, "cpu")
    previous = torch.randint(2, 10, (2, 11), generator=torch.Generator().manual_seed(0))
    whole, end = net.read(previous, net.start(memory))
    state, pieces = net.start(memory), []
    for piece in previous.split([4, 1, 6], dim=1):
        features, state = net.read(piece, state)
        pieces.append(features)
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, atol=1e-12, rtol=0)
    torch.testing.assert_close(state, end, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("cell", "layers"), KINDS)
def test_padding_never_matters(cell: str, layers: int) -> None:
    net = model(cell, layers)
    ours = same(net, loss(net, TEXTS), loss(net, TEXTS, extra=3))
    assert (ours["embedding.weight"][PAD] == 0).all()


@pytest.mark.parametrize(("cell", "layers"), KINDS)
def test_a_batch_is_its_sentences_alone(cell: str, layers: int) -> None:
    net = model(cell, layers)
    same(net, loss(net, TEXTS), sum(loss(net, [text]) for text in TEXTS))


@pytest.mark.parametrize(("cell", "layers"), KINDS)
def test_beams_follow_their_states(cell: str, layers: int) -> None:
    """Each hypothesis has the score of its words read from the start, so every layer's state was
    reordered.
    """
    net, memory = model(cell, layers), no_source(2, "cpu")
    found = Beam(size=4, n_best=4, max_length=6)(net, memory, **IDS)
    assert found.tokens[0].unique(dim=0).shape[0] == 4 and torch.equal(found.tokens[0], found.tokens[1])
    for n in range(4):
        gold = found.tokens[0, n, : found.lengths[0, n]]
        features, _ = net(no_source(1, "cpu"), shift_right(gold.unsqueeze(0), BOS))
        log_probs = log_softmax(net.output(features[0]), -1).gather(1, gold.unsqueeze(1))
        torch.testing.assert_close(found.log_probs[0, n].double(), log_probs.sum(), atol=1e-5, rtol=0)


def test_the_best_of_a_wide_beam_is_the_likeliest_of_all_texts() -> None:
    net = model()
    texts = [[*words, EOS] for n in range(3) for words in itertools.product([1, *range(4, 10)], repeat=n)]
    likeliest = min(texts, key=lambda text: loss(net, [text]).item())
    found = Beam(size=60, normalisation="none", max_length=2)(net, no_source(1, "cpu"), **IDS)
    assert found.tokens[0, 0, : found.lengths[0, 0]].tolist() == likeliest


@pytest.mark.parametrize("search", [Greedy, Beam, Sample])
def test_only_max_length_ends_a_text_that_has_no_end(search) -> None:
    net = model()
    with torch.no_grad():
        net.output.bias[EOS] = -1e9
    found = search(max_length=37)(net, no_source(3, "cpu"), **IDS)
    assert found.lengths.unique().tolist() == [38] and not found.finished.any()


def test_words_are_drawn_as_often_as_the_model_finds_them_likely() -> None:
    net = model()
    torch.manual_seed(1)
    found = Sample(num_samples=20000, max_length=1)(net, no_source(1, "cpu"), **IDS)
    features, *_ = net.step(torch.tensor([BOS]), net.start(no_source(1, "cpu")), no_source(1, "cpu"))
    logits = net.output(features)
    logits[0, [PAD, BOS]] = -torch.inf
    share = found.tokens[0, :, 0].bincount(minlength=10) / 20000
    torch.testing.assert_close(share.double(), logits[0].softmax(0), atol=0.015, rtol=0)


def test_tied_embeddings_are_one_parameter() -> None:
    net = model(tied=True, hidden_size=6)
    assert net.output.weight is net.embedding.weight
    with pytest.raises(UserError, match="tied=true needs"):
        model(tied=True)


def test_dropout_spares_the_recurrence() -> None:
    """Dropout acts on the layers' inputs and outputs: with zero input, the last state is as without
    dropout.
    """
    net = model(dropout=0.5)
    with torch.no_grad():
        net.embedding.weight.zero_()
    previous = torch.full((1, 40), 5)
    state = net.start(no_source(1, "cpu"))
    (plain, end), (dropped, again) = net.eval().read(previous, state), net.train().read(previous, state)
    torch.testing.assert_close(end, again)
    kept = dropped != 0
    assert 0.3 < kept.double().mean() < 0.7
    torch.testing.assert_close(dropped[kept], 2 * plain[kept])
