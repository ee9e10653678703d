"""Images to words with either decoder: row-major locations, no effect of padding or other rows, it learns."""

import pytest
import torch
from torch import nn

from seq2scene.errors import UserError
from seq2scene.models.captioner import Captioner
from seq2scene.nets.losses.linear_cross_entropy import linear_cross_entropy
from seq2scene.nets.losses.scene_losses import doubly_stochastic
from seq2scene.nets.text.decoders import LuongDecoder
from seq2scene.nets.text.initialisation import initialise_uniform
from seq2scene.nets.text.xu_decoder import XuDecoder
from seq2scene.nets.vision.annotations import Annotations
from seq2scene.search.beam import Beam
from seq2scene.search.stepwise import Greedy
from seq2scene.sequences.caption_batch import CaptionBatch
from seq2scene.sequences.padding import shift_right
from small_translators import ATTENTIONS, LANGUAGE, TARGETS, gradients, sentences

CHANNELS, ROWS, COLUMNS = 3, 2, 4
SYMBOLS = {"bos": 2, "eos": 3, "pad": 0, "unk": 1}
DECODERS = {"luong": LuongDecoder, "xu": XuDecoder}
CASES = [
    ("luong", "none"),
    *((name, attention) for name in DECODERS for attention in ("dot", "general", "concat")),
]


def captioner(decoder: str = "xu", attention: str = "concat", **options) -> Captioner:
    torch.manual_seed(0)
    annotations = Annotations(CHANNELS, options.pop("size", 5))
    features = annotations.output_size
    attend = ATTENTIONS[attention](7, features)
    layers = options.get("layers", 1)
    options = {"embedding_size": 6, "hidden_size": 7, "dropout": 0.0, **options}
    writer = DECODERS[decoder](10, 0, features, layers, attend, **options)
    net = Captioner(None, annotations, writer, LANGUAGE).double()
    initialise_uniform(net, 0.5)
    return net.eval()


def batch(targets: list[list[int]] = TARGETS, extra: int = 0, rows: list[int] | None = None) -> CaptionBatch:
    """Random feature maps, fixed per row, and captions with ``extra`` columns of padding."""
    rows = list(range(len(targets))) if rows is None else rows
    maps = torch.randn(8, CHANNELS, ROWS, COLUMNS, generator=torch.Generator().manual_seed(1)).double()
    return CaptionBatch(None, sentences(targets, extra), torch.tensor(rows), features=maps[rows])


def cross_entropy(net: Captioner, given: CaptionBatch) -> torch.Tensor:
    gold, output = given.target, net.decoder.output
    features, _ = net(given, shift_right(gold.ids, 2))
    return linear_cross_entropy(features[gold.mask], output.weight, output.bias, gold.ids[gold.mask])[0]


def loss(net: Captioner, given: CaptionBatch) -> torch.Tensor:
    """Cross-entropy and the doubly stochastic penalty."""
    _, weights = net(given, shift_right(given.target.ids, 2))
    total = cross_entropy(net, given)
    if weights is None:
        return total
    return total + doubly_stochastic(weights, given.target.mask, net.encode(given).mask).sum()


def test_places_are_remembered_row_by_row_and_their_mean_is_where_decoders_start() -> None:
    net = captioner("luong", "general", layers=2, size=None)
    given = batch()
    memory = net.encode(given)
    assert torch.equal(memory.states[:, 1 * COLUMNS + 2], given.features[:, :, 1, 2])
    assert memory.mask.all() and memory.lengths.tolist() == [ROWS * COLUMNS] * len(given)
    assert len(memory.final) == 2 and memory.final[0].shape == (len(given), 2, CHANNELS)
    torch.testing.assert_close(memory.final[1][:, 1], given.features.mean((2, 3)))
    assert len(captioner("luong", "general", cell="gru").encode(given).final) == 1


def test_stored_features_are_as_good_as_the_encoder_and_one_of_the_two_is_needed() -> None:
    net, given = captioner(), batch()
    images = torch.randn(len(given), 3, ROWS, COLUMNS).double()
    of_images = CaptionBatch(images, given.target, given.rows)
    with pytest.raises(UserError, match="no image encoder"):
        net.encode(of_images)
    net.encoder = nn.Conv2d(3, CHANNELS, 1).double()
    stored = CaptionBatch(None, given.target, given.rows, features=net.encoder(images).half())
    torch.testing.assert_close(net.encode(of_images).states, net.encode(stored).states, atol=5e-3, rtol=0)


@pytest.mark.parametrize(("decoder", "attention"), CASES)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_all_steps_at_once_equal_one_by_one(decoder: str, attention: str, cell: str) -> None:
    net, given = captioner(decoder, attention, cell=cell), batch()
    previous = shift_right(given.target.ids, 2)
    features, weights = net(given, previous)
    memory = net.encode(given)
    state = net.decoder.start(memory)
    for t in range(previous.shape[1]):
        stepped, state, looked, _ = net.decoder.step(previous[:, t], state, memory)
        torch.testing.assert_close(stepped, features[:, t])
        if attention != "none":
            torch.testing.assert_close(looked, weights[:, t])


@pytest.mark.parametrize(("decoder", "attention"), CASES)
def test_padding_never_matters(decoder: str, attention: str) -> None:
    net = captioner(decoder, attention)
    tight, loose = loss(net, batch()), loss(net, batch(extra=3))
    torch.testing.assert_close(tight, loose)
    ours, theirs = gradients(net, tight), gradients(net, loose)
    for name, grad in ours.items():
        torch.testing.assert_close(grad, theirs[name])


@pytest.mark.parametrize(("decoder", "attention"), CASES)
def test_a_batch_is_its_images_alone(decoder: str, attention: str) -> None:
    net = captioner(decoder, attention)
    together = loss(net, batch())
    alone = sum(loss(net, batch([target], rows=[row])) for row, target in enumerate(TARGETS))
    torch.testing.assert_close(together, alone)
    ours, theirs = gradients(net, together), gradients(net, alone)
    for name, grad in ours.items():
        torch.testing.assert_close(grad, theirs[name])


@pytest.mark.parametrize(("decoder", "attention"), CASES)
def test_a_beam_of_one_is_greedy_search(decoder: str, attention: str) -> None:
    net, limits = captioner(decoder, attention), {"max_ratio": 0.0, "max_extra": 6}
    memory = net.encode(batch())
    greedy = Greedy(**limits)(net.decoder, memory, **SYMBOLS)
    beam = Beam(size=1, **limits)(net.decoder, memory, **SYMBOLS)
    assert torch.equal(greedy.tokens, beam.tokens)
    torch.testing.assert_close(greedy.log_probs, beam.log_probs)


def test_each_place_looked_at_once_is_what_the_doubly_stochastic_wish_is_for() -> None:
    weights = torch.eye(3).roll(1, 0).unsqueeze(0).requires_grad_()  # three steps, three locations, one each
    steps, places = torch.ones(1, 3, dtype=torch.bool), torch.ones(1, 3, dtype=torch.bool)
    best = doubly_stochastic(weights, steps, places).sum()
    best.backward()
    assert best == 0 and (weights.grad == 0).all()
    twice = torch.tensor([[[1.0, 0, 0], [1.0, 0, 0], [0, 0, 1.0]]])
    assert doubly_stochastic(twice, steps, places).tolist() == [2.0]  # one twice, one never
    padded = torch.tensor([[True, True, False]])
    assert doubly_stochastic(weights, padded, places).tolist() == [1.0]  # padding attends to nothing


@pytest.mark.slow
@pytest.mark.parametrize("decoder", DECODERS)
def test_captions_of_images_are_learnt_by_heart(decoder: str) -> None:
    net, given = captioner(decoder).train(), batch()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(120):
        optimizer.zero_grad()
        cross_entropy(net, given).backward()
        optimizer.step()
    search = Greedy(max_ratio=0.0, max_extra=8)
    found = search(net.eval().decoder, net.encode(given), **SYMBOLS)
    assert [row[row != 0].tolist() for row in found.tokens[:, 0]] == TARGETS


def test_normalised_annotations_do_not_depend_on_the_scale_of_the_features() -> None:
    torch.manual_seed(0)
    annotations, maps = Annotations(CHANNELS, 5, normalise=True), 3 + torch.randn(2, CHANNELS, 3, 4)
    torch.testing.assert_close(annotations(maps), annotations(100 * maps - 7), rtol=0.01, atol=0.01)
    same = torch.ones(1, CHANNELS, 1, 1).expand_as(maps)  # hardly any direction
    assert annotations(same).isfinite().all()
