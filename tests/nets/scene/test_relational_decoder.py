"""The decoder that places objects in relation to each other: step by step equals all at once, exactly."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from seq2scene.attention import GlobalAttention
from seq2scene.errors import UserError
from seq2scene.nets.losses.scene_losses import fields, pair_losses
from seq2scene.nets.scene.relational.decoder import RelationalDecoder
from seq2scene.nets.scene.relational.laplace_mixture import LaplaceMixture
from seq2scene.nets.scene.relational.pairs import Pairs
from seq2scene.nets.scene.relational.relative_places import RelativePlaces
from seq2scene.nets.scene.text_encoder import SceneTextEncoder
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.objects import EOS, PAD, SOS, Objects
from seq2scene.scenes.schema import Head, Schema
from seq2scene.scenes.statements import STATEMENTS, of_pairs
from seq2scene.search.beam import Beam
from seq2scene.search.drawing import PlaceDraw
from seq2scene.search.stepwise import Greedy
from seq2scene.sequences.batch import Sentences

NAMES = ("s_0", "s_1", "hb0", "hb1", "t_0", "t_1")
SCHEMA = Schema(
    names=NAMES,
    grid=Grid(6, 4, 1, 1, 499, 399),
    heads={
        "size": Head(3, 2.0),
        "flip": Head(2, 2.0),
        "pose": Head(7, 2.0, ("hb0", "hb1")),
        "expression": Head(5, 2.0, ("hb0", "hb1")),
    },
    max_objects=4,
    sentences=3,
    canvas=(500, 400),
    sizes=torch.linspace(20, 200, len(NAMES) * 70).view(len(NAMES), 7, 5, 2),
    scales=(1.0, 0.7, 0.49),
)
BOXES = replace(SCHEMA, heads={"size": Head(17), "aspect": Head(17)}, canvas=(1, 1), sizes=None, scales=())
VOCABULARY = 20
SEARCH = {"max_ratio": 0.0, "max_extra": 4}


class Net(torch.nn.Module):
    """An encoder and a decoder, without the vocabulary that a ``SceneWriter`` has."""

    def __init__(self, encoder: SceneTextEncoder, decoder: RelationalDecoder) -> None:
        super().__init__()
        self.encoder, self.decoder = encoder, decoder

    def encode(self, texts: Sentences):
        return self.decoder.memory(*self.encoder(texts))

    def forward(self, texts: Sentences, objects: Objects):
        return self.decoder(self.encode(texts), objects)


def make_net(score="general", pair_score="general", schema=SCHEMA, seed=0, **options) -> Net:
    torch.manual_seed(seed)
    encoder = SceneTextEncoder(VOCABULARY, 0, 3, embedding_size=5, hidden_size=4)
    attentions = (kind and GlobalAttention(4, 4, kind) for kind in (score, pair_score))
    sizes = {"hidden_size": 8, "heads": 2, "pair_size": 6, "components": 3, "agreement": 0.1} | options
    decoder = RelationalDecoder(schema, encoder.state_size, encoder.output_size, *attentions, **sizes)
    net = Net(encoder, decoder).double()
    for parameter in net.parameters():  # far enough from zero for choices to differ
        torch.nn.init.uniform_(parameter, -0.8, 0.8)
    return net.eval()


def make_texts(lengths=((3, 2, 4), (1, 0, 2), (5, 3, 1)), seed=1) -> Sentences:
    generator = torch.Generator().manual_seed(seed)
    flat = torch.tensor(lengths).flatten()
    ids = torch.randint(3, VOCABULARY, (len(flat), int(flat.max())), generator=generator)
    return Sentences.of(ids * (torch.arange(ids.shape[1]) < flat.unsqueeze(1)), flat)


def make_objects(counts=(4, 2, 3), seed=2) -> Objects:
    generator = torch.Generator().manual_seed(seed)
    steps = max(counts)
    present = torch.arange(steps) < torch.tensor(counts).unsqueeze(1)

    def draw(low, high, *shape):
        return torch.randint(low, high, (len(counts), steps, *shape), generator=generator)

    classes = draw(3, SCHEMA.classes) * present
    attributes = {name: draw(0, head.classes) * present for name, head in SCHEMA.heads.items()}
    places = draw(0, 400, 2).float() * present.unsqueeze(2)
    return SCHEMA.with_end(Objects(classes, places, attributes))


def write(net, texts, search):
    found = search(net.decoder, net.encode(texts), bos=SOS, eos=EOS, pad=PAD, unk=PAD, keep_weights=True)
    return found, *net.decoder.read_trace(found.tokens, found.trace)


def rows_of(texts: Sentences, rows: torch.Tensor) -> Sentences:
    which = (rows.unsqueeze(1) * 3 + torch.arange(3)).flatten()
    return Sentences.of(texts.ids[which], texts.lengths[which])


SEARCHES = [Greedy(min_length=3, **SEARCH), Beam(size=4, n_best=3, min_length=2, **SEARCH)]


@pytest.mark.parametrize("schema", [SCHEMA, BOXES], ids=["clip art", "boxes"])
@pytest.mark.parametrize("search", SEARCHES, ids=["greedy", "beam"])
@pytest.mark.parametrize(
    "scores", [("general", "general"), ("dot", "concat"), ("concat_luong", None), (None, "dot"), (None, None)]
)
def test_stepping_equals_all_steps_at_once(scores, search, schema):
    """What a search wrote, taught as the truth: the same probabilities, places, attributes and attention."""
    net, texts = make_net(*scores, schema=schema), make_texts()
    found, written, placing = write(net, texts, search)
    copies = found.tokens.shape[1]
    for n in range(copies):
        rows = (found.lengths[:, n] > 0).nonzero().squeeze(1)
        objects = written[rows * copies + n]
        taught = net(rows_of(texts, rows), objects)
        real, present = objects.classes != PAD, objects.present
        assert present.any()
        log_probs = taught.objects.log_softmax(1).gather(1, objects.classes[real].unsqueeze(1)).squeeze(1)
        said = found.token_log_probs[rows, n][real].double()
        torch.testing.assert_close(said, log_probs, atol=1e-5, rtol=0)
        edges = torch.tensor(schema.canvas).float()
        places = taught.places.centre().float().clamp(min=torch.zeros(2), max=edges)
        torch.testing.assert_close(objects.places[present], places, atol=1e-3 * max(schema.canvas), rtol=0)
        for name, logits in taught.attributes.items():
            has = schema.has(name)[objects.classes[present]]
            assert torch.equal(logits.argmax(1)[has], objects.attributes[name][present][has])
        for kept, mine, steps in (
            (None if found.weights is None else found.weights[rows, n], taught.object_attention, real),
            (None if placing is None else placing[rows * copies + n], taught.attribute_attention, present),
        ):
            assert (kept is None) == (mine is None)
            if kept is not None:
                torch.testing.assert_close(kept[steps].double(), mine[steps].double(), atol=1e-5, rtol=0)
                torch.testing.assert_close(mine[steps].sum(1), torch.ones(int(steps.sum())).to(mine))


def test_greedy_search_takes_the_likeliest_scene_where_every_step_is_clear():
    """Of all scenes of up to two objects, each placed as the decoder places it, none is likelier than what
    an exact beam finds; and greedy search goes its first step.
    """
    net, texts = make_net(), make_texts(((4, 2, 0),))
    net.decoder.schema = replace(SCHEMA, max_objects=2)
    limits = {"max_ratio": 0.0, "max_extra": 2}
    best = write(net, texts, Beam(size=24, stop="exact", **limits))[0]
    scores = {}
    for scene in [(), *product(range(3, 9), repeat=1), *product(range(3, 9), repeat=2)]:
        prefix = torch.tensor([[*scene, EOS]])
        memory = net.encode(texts)
        found = Greedy(**limits)(net.decoder, memory, bos=SOS, eos=EOS, pad=PAD, unk=PAD, prefix=prefix)
        scores[scene] = float(found.log_probs)
    likeliest = max(scores, key=scores.__getitem__)
    assert best.tokens[0, 0].tolist() == [*likeliest, EOS]
    assert float(best.log_probs[0, 0]) == pytest.approx(scores[likeliest], abs=1e-5)


def test_a_scene_does_not_notice_its_company_nor_padding():
    net, texts, objects = make_net(), make_texts(), make_objects()
    together, at = net(texts, objects), 0
    for row in range(3):
        steps = int((objects.classes[row] != PAD).sum())
        alone = net(rows_of(texts, torch.tensor([row])), objects[row : row + 1].cut(steps))
        torch.testing.assert_close(together.objects[at : at + steps], alone.objects)
        at += steps
    wider = Sentences.of(torch.nn.functional.pad(texts.ids, (0, 3)), texts.lengths)
    other = replace(wider, ids=wider.ids.masked_fill(~wider.mask, 7))
    for changed in (wider, other):
        got = net(changed, objects)
        torch.testing.assert_close(got.objects, together.objects)
        torch.testing.assert_close(got.places.means, together.places.means)
        assert not got.object_attention[:, :, int(texts.lengths.view(3, 3).sum(1).max()) :].any()


def test_the_future_is_not_seen():
    net, texts, objects = make_net(), make_texts(), make_objects((3, 3, 3))
    places = objects.places.clone()
    places[:, 2] += 40
    before, after = net(texts, objects), net(texts, replace(objects, places=places))
    for part in ("objects", "places"):
        said, unlike = (getattr(taught, part) for taught in (before, after))
        if part == "places":
            points = objects.places[objects.present]
            said, unlike = (one.log_prob(points).view(3, 3) for one in (said, unlike))
            torch.testing.assert_close(said, unlike)
        else:
            torch.testing.assert_close(said.view(3, 4, -1)[:, :3], unlike.view(3, 4, -1)[:, :3])
            assert not torch.allclose(said.view(3, 4, -1)[:, 3], unlike.view(3, 4, -1)[:, 3])


def test_a_scene_moved_as_a_whole_moves_what_is_placed_by_its_objects():
    """Seen from an anchor, a component is where it is whatever stands elsewhere: means are relative."""
    decoder = make_net().decoder
    related, features = torch.randn(2, 6).double(), torch.randn(1, 1, 8).double()
    anchors, extents = torch.rand(1, 2, 4).double(), torch.rand(1, 1, 2).double()
    pairs = Pairs.of(torch.ones(1, 1, 2, dtype=torch.bool))
    _, here = decoder.places(related, features, anchors, extents, pairs)
    by = torch.tensor([3.0, -5.0, 0.0, 0.0]).double()
    _, there = decoder.places(related, features, anchors + by, extents, pairs)
    torch.testing.assert_close(there.means, here.means + by[:2])
    torch.testing.assert_close(there.log_weights, here.log_weights)


def test_the_density_of_a_place_has_mass_1_and_is_drawn_from():
    """And what search takes is the mean of the weightiest component, not the needle of a light one."""
    torch.manual_seed(0)
    places = LaplaceMixture(
        torch.tensor([[0.3, 0.6, 0.1]]).log(),
        torch.tensor([[[1.0, 2.0], [-1.0, 0.0], [3.0, 3.0]]]),
        torch.tensor([[[0.2, 0.5], [0.5, 0.3], [0.03, 0.03]]]).log(),
    )
    side = torch.linspace(-6, 6, 1201)
    grid = torch.stack(torch.meshgrid(side, side, indexing="xy"), dim=-1).view(-1, 1, 2)
    density = places.log_prob(grid).exp()
    assert float(density.sum() * (side[1] - side[0]) ** 2) == pytest.approx(1, abs=0.01)
    assert grid[density.argmax()].flatten().tolist() == pytest.approx([3, 3], abs=0.01)
    assert places.centre().tolist() == [[-1, 0]]

    def drawn(count, temperature):
        many = places[torch.zeros(count, dtype=torch.int64)]
        return many.sample(PlaceDraw(lambda: torch.rand(count, 1).double(), temperature, top_p=1.0))

    mean = (grid.squeeze(1) * density).sum(0) / density.sum()
    torch.testing.assert_close(drawn(20000, 1.0).mean(0), mean, atol=0.03, rtol=0)
    torch.testing.assert_close(drawn(1, 1e-4), places.centre(), atol=0.01, rtol=0)


def test_a_place_suits_every_object_that_the_text_relates_it_to():
    """Two anchors, each with components at its left, on it and at its right. By their own weights the object
    would be at the left of the first; the text relates it to neither, to one of them, or to both.
    """
    torch.manual_seed(0)
    places = RelativePlaces(4, 4, 3, unit=1.0, agreement=1.0).double()
    torch.nn.init.zeros_(places.output.weight)
    places.output.bias.data.view(3, 9)[:, 0] = torch.tensor([2.0, 1.0, 0.0])  # alone: at the left
    anchors = torch.tensor([[[0.0, 0, 4, 4], [8, 0, 4, 4]]]).double()
    pairs = Pairs.of(torch.ones(1, 1, 2, dtype=torch.bool))
    given = torch.zeros(2, 4).double(), torch.zeros(1, 1, 4).double(), anchors, torch.full((1, 1, 2), 4.0)

    def centre(related):
        return places(*given, pairs, torch.tensor(related).double())[1].centre().flatten().tolist()

    assert centre([0.0, 0.0]) == [-4, 0]
    assert centre([1.0, 0.0]) == [-4, 0]
    assert centre([0.0, 1.0]) == [4, 0]
    assert centre([1.0, 1.0]) == [4, 0]
    alone, whole = places(*given, pairs, torch.ones(2).double())
    expected = places(*given, pairs)[1].log_weights + alone.log_prob(whole.means.view(6, 1, 2)).sum(1)
    torch.testing.assert_close(whole.log_weights.flatten(), expected.flatten().log_softmax(0))


def test_what_a_text_states_is_learnt_of_its_pairs_and_places_of_related_pairs_only():
    net, texts, objects = make_net(), make_texts(), make_objects()
    first = objects.classes[:, :2].tolist()
    stated = torch.tensor([(row, one, 5, other) for row, (one, other) in enumerate(first)])
    pairs = net(texts, objects).pairs
    where = pairs.pairs.rows, pairs.pairs.steps, pairs.pairs.anchors
    labels = of_pairs(stated, objects)[where]
    assert labels.shape == (*where[0].shape, 2, len(STATEMENTS))
    assert 0 < labels.sum() < 12
    sure = replace(pairs, stated=(labels * 2 - 1) * 50)
    found = pair_losses(sure, stated, objects)
    assert found["statements"] < 1e-6
    wrong = pair_losses(replace(pairs, stated=-sure.stated), stated, objects)
    torch.testing.assert_close(wrong["statements"].item(), 50.0 * labels.numel())
    related = labels.flatten(1).any(1).nonzero().flatten()
    expected = -pairs.places[related].log_prob(objects.places[where[:2]][related]).sum()
    torch.testing.assert_close(found["related_place"], expected)
    none, unknown = pair_losses(pairs, stated[:0], objects), pair_losses(pairs, None, objects)
    assert none["related_place"] == 0
    torch.testing.assert_close(none["unrelated_place"], found["related_place"] + found["unrelated_place"])
    assert unknown["statements"] == 0
    torch.testing.assert_close(unknown["unrelated_place"], none["unrelated_place"])


def test_gradients_reach_every_parameter():
    net, objects = make_net().train(), make_objects()
    taught = net(make_texts(), objects)
    found = fields(taught, objects, SCHEMA)
    assert {name: int(field.count) for name, field in found.items()}["place"] == 9
    stated = torch.tensor([[0, int(objects.classes[0, 1]), 5, int(objects.classes[0, 0])]])
    others = pair_losses(taught.pairs, stated, objects)
    sum([*(field.nll for field in found.values()), *others.values()]).backward()
    still = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert still == []


def test_a_text_without_words_gives_an_empty_scene():
    _, objects, _ = write(make_net(), make_texts(((0, 0, 0), (2, 1, 0))), Greedy(min_length=1, **SEARCH))
    assert not objects.present[0].any() and objects.present[1].any()
    nothing = Sentences.of(torch.zeros(3, 1, dtype=torch.int64), torch.zeros(3, dtype=torch.int64))
    _, objects, _ = write(make_net(), nothing, Greedy(**SEARCH))
    assert not objects.present.any()


@pytest.mark.parametrize("search", SEARCHES, ids=["greedy", "beam"])
def test_a_scene_goes_on_from_what_is_given(search):
    """The given objects stand as they are, of some scenes more than of others, and of some none; the rest is
    what teacher forcing finds likely behind them.
    """
    net, texts = make_net(), make_texts()
    given = make_objects((2, 0, 1)).cut(2)
    present = given.present
    memory = replace(net.encode(texts), given=given)
    prefix = given.classes.where(present, PAD)
    found = search(net.decoder, memory, bos=SOS, eos=EOS, pad=PAD, unk=PAD, prefix=prefix)
    objects, _ = net.decoder.read_trace(found.tokens, found.trace)
    objects = objects[:: found.tokens.shape[1]]
    assert torch.equal(objects.classes[:, :2][present], given.classes[present])
    assert torch.equal(objects.places[:, :2][present], given.places[present])
    for name, values in given.attributes.items():
        assert torch.equal(objects.attributes[name][:, :2][present], values[present])
    assert (objects.present.sum(1) > present.sum(1)).any()
    with torch.no_grad():
        taught, real = net(texts, objects), objects.classes != PAD
    said = taught.objects.log_softmax(1).gather(1, objects.classes[real].unsqueeze(1)).sum()
    assert float(found.log_probs[:, 0].sum()) == pytest.approx(float(said), abs=1e-4)
    losses = sum(float(field.nll) for field in fields(taught, objects, SCHEMA).values())
    whole = float(said) + float(found.trace.log_probs[:, 0].sum())
    assert whole == pytest.approx(-losses, abs=1e-3)
    first = objects.present & ~torch.nn.functional.pad(present, (0, objects.present.shape[1] - 2))
    places = taught.places.centre()[first[objects.present]]
    edges = torch.tensor(SCHEMA.canvas).double()
    torch.testing.assert_close(
        objects.places[first].double(), places.clamp(min=torch.zeros(2), max=edges), atol=0.5, rtol=0
    )


def test_features_that_do_not_divide_among_the_heads_are_refused():
    with pytest.raises(UserError, match=r"hidden_size=9 must be a multiple of model\.decoder\.heads=2"):
        make_net(hidden_size=9)
