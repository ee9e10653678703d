"""How objects stand, searched and scored: by both decoders of scenes, on a grid and in relation."""

import math
from dataclasses import replace

import pytest
import test_relational_decoder as relational
import test_scene_decoder as on_grid
import torch

from seq2scene.nets.losses.scene_losses import fields
from seq2scene.nets.scene.relational.decoder import PIXELS
from seq2scene.nets.scene.relational.relative_places import STEEP
from seq2scene.scenes.objects import EOS, PAD, SOS
from seq2scene.search.beam import Beam
from seq2scene.search.decoder import PlacingDecoder
from seq2scene.search.stepwise import Greedy, Sample
from seq2scene.sequences.batch import Sentences

LIMITS = {"max_ratio": 0.0, "max_extra": 4}
NETS = {
    "grid": on_grid.make_net,
    "stride": lambda: on_grid.make_net(stride=2, inventory=True),
    "relational": lambda: relational.make_net(seed=1),
    "boxes": lambda: relational.make_net(schema=relational.BOXES),
}
SEARCHES = {
    "greedy": Greedy(min_length=2, whole_objects=True, **LIMITS),
    "beam": Beam(size=4, n_best=3, min_length=2, normalisation="average", whole_objects=True, **LIMITS),
    "sample": Sample(num_samples=3, min_length=2, whole_objects=True, **LIMITS),
}
every_net = pytest.mark.parametrize("net", NETS)


def write(net, texts, search, seed=0):
    options = {"generator": torch.Generator().manual_seed(seed)} if isinstance(search, Sample) else {}
    found = search(net.decoder, net.encode(texts), bos=SOS, eos=EOS, pad=PAD, unk=PAD, **options)
    return found, net.decoder.read_trace(found.tokens, found.trace)[0]


def same_objects(one, other) -> bool:
    one, other = ({"classes": o.classes, "places": o.places, **o.attributes} for o in (one, other))
    return all(torch.equal(values, other[name]) for name, values in one.items())


@every_net
@pytest.mark.parametrize("search", SEARCHES)
def test_a_scene_is_as_likely_as_the_loss_of_teaching_it(net, search):
    """Exactly the sum of all fields of the loss; places are per pixel, which is the unit of clip art."""
    net, texts = NETS[net](), on_grid.make_texts()
    found, written = write(net, texts, SEARCHES[search])
    pixel = 2 * math.log(min(net.decoder.schema.canvas) / PIXELS)
    copies = found.tokens.shape[1]
    for row, n in (found.lengths > 0).nonzero().tolist():
        objects = written[torch.tensor([row * copies + n])]
        with torch.no_grad():
            taught = net(relational.rows_of(texts, torch.tensor([row])), objects)
            losses = fields(taught, objects, net.decoder.schema)
        expected = -sum(float(field.nll) for field in losses.values())
        if isinstance(net, relational.Net):
            expected += pixel * int(objects.present.sum())
        assert float(found.log_probs[row, n]) == pytest.approx(expected, abs=2e-4)
        assert float(found.trace.log_probs[row, n].sum()) < -0.1
        placed = found.trace.log_probs[row, n]
        assert not placed[0] and not placed[int(found.lengths[row, n]) :].any()


@every_net
def test_classes_alone_are_scored_unless_whole_objects_are_asked_for(net):
    net, texts = NETS[net](), on_grid.make_texts()
    found, _ = write(net, texts, replace(SEARCHES["greedy"], whole_objects=False))
    torch.testing.assert_close(found.log_probs, found.token_log_probs.sum(2))
    torch.testing.assert_close(found.scores, found.log_probs)


@every_net
def test_a_wider_beam_finds_scenes_that_are_no_less_likely_as_a_whole(net):
    net, texts = NETS[net](), on_grid.make_texts()
    greedy, _ = write(net, texts, SEARCHES["greedy"])
    beam, _ = write(net, texts, replace(SEARCHES["beam"], size=24, normalisation="none", stop="exact"))
    assert (beam.log_probs[:, 0] >= greedy.log_probs[:, 0] - 1e-4).all()
    assert (beam.log_probs.diff(dim=1) <= 0).all()
    torch.testing.assert_close(beam.scores, beam.log_probs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("canvas", [(1.0, 1.0), (500.0, 400.0), (640.0, 480.0)])
def test_no_place_is_so_sure_that_another_object_makes_a_scene_likelier(canvas):
    """What exact stopping of a beam rests on: the narrowest component, at its mean."""
    scale = math.exp(STEEP) * min(canvas) / 4
    assert -2 * math.log(2 * scale) + 2 * math.log(min(canvas) / PIXELS) < 0


@every_net
def test_samples_differ_in_places_and_attributes_too(net):
    """Of one and the same first class, forced."""
    net, texts = NETS[net](), on_grid.make_texts()
    prefix = torch.full((3, 1), 3 + on_grid.NAMES.index("hb0"))
    search = Sample(num_samples=8, min_length=2, **LIMITS)
    ids = {"bos": SOS, "eos": EOS, "pad": PAD, "unk": PAD, "prefix": prefix}
    found = search(net.decoder, net.encode(texts), generator=torch.Generator().manual_seed(0), **ids)
    objects, _ = net.decoder.read_trace(found.tokens, found.trace)
    assert (objects.classes[:, 0] == prefix[0, 0]).all()
    for row in range(3):
        mine = objects[slice(8 * row, 8 * row + 8)]
        assert len(mine.places[:, 0].unique(dim=0)) > 3
        assert max(len(values[:, 0].unique()) for values in mine.attributes.values()) > 1
    edges = torch.tensor(net.decoder.schema.canvas)
    assert (objects.places >= 0).all() and (objects.places <= edges).all()


@every_net
def test_attributes_and_places_are_drawn_as_often_as_they_are_likely(net):
    net, texts = NETS[net](), on_grid.make_texts(((3, 2, 4),))
    prefix = torch.tensor([[3 + on_grid.NAMES.index("hb1"), EOS]])
    many = Sample(num_samples=1000, **LIMITS)
    memory, ids = net.encode(texts), {"bos": SOS, "eos": EOS, "pad": PAD, "unk": PAD, "prefix": prefix}
    found = many(net.decoder, memory, generator=torch.Generator().manual_seed(3), **ids)
    objects, _ = net.decoder.read_trace(found.tokens, found.trace)
    with torch.no_grad():
        taught = net(texts, objects[:1])
    name, logits = next(iter(taught.attributes.items()))
    if isinstance(net, relational.Net):  # drawn before the place, and so for any of them
        shares = objects.attributes[name][:, 0].bincount(minlength=logits.shape[1]) / 1000
        torch.testing.assert_close(shares.double(), logits.softmax(1)[0], atol=0.06, rtol=0)
    else:
        cells = net.decoder.schema.cells(objects)[:, 0].bincount(minlength=taught.places.shape[1]) / 1000
        torch.testing.assert_close(cells.double(), taught.places.softmax(1)[0], atol=0.06, rtol=0)


@every_net
def test_sampling_at_temperature_0_is_greedy_search(net):
    net, texts = NETS[net](), on_grid.make_texts()
    greedy, objects = write(net, texts, SEARCHES["greedy"])
    cold = replace(SEARCHES["sample"], temperature=0, place_temperature=0, num_samples=1)
    found, same = write(net, texts, cold)
    assert torch.equal(found.tokens, greedy.tokens) and same_objects(objects, same)
    torch.testing.assert_close(found.log_probs, greedy.log_probs)
    nearly, same = write(net, texts, replace(cold, temperature=1e-6, place_temperature=1e-6))
    assert torch.equal(nearly.tokens, greedy.tokens)
    torch.testing.assert_close(same.places, objects.places, atol=0.01, rtol=0)


@every_net
def test_a_given_scene_is_as_likely_as_when_it_was_drawn(net):
    """Objects that nobody would place greedily, and END, forced."""
    net, texts = NETS[net](), on_grid.make_texts()
    found, objects = write(net, texts, replace(SEARCHES["sample"], num_samples=1))
    memory = replace(net.encode(texts), given=objects)
    ids = {"bos": SOS, "eos": EOS, "pad": PAD, "unk": PAD, "prefix": objects.classes}
    again = SEARCHES["greedy"](net.decoder, memory, **ids)
    assert same_objects(net.decoder.read_trace(again.tokens, again.trace)[0], objects)
    torch.testing.assert_close(again.log_probs, found.log_probs)


@every_net
def test_a_seed_reproduces_scenes_and_another_does_not(net):
    net, texts = NETS[net](), on_grid.make_texts()
    scenes = [write(net, texts, SEARCHES["sample"], seed)[1] for seed in (5, 5, 6)]
    assert same_objects(scenes[0], scenes[1])
    assert scenes[0].places.shape != scenes[2].places.shape or not same_objects(scenes[0], scenes[2])


@every_net
@pytest.mark.parametrize("search", SEARCHES)
def test_padding_of_texts_changes_neither_scenes_nor_their_scores(net, search):
    net, texts = NETS[net](), on_grid.make_texts()
    wider = Sentences.of(torch.nn.functional.pad(texts.ids, (0, 3)), texts.lengths)
    other = replace(wider, ids=wider.ids.masked_fill(~wider.mask, 7))
    found, objects = write(net, texts, SEARCHES[search])
    for changed in (wider, other):
        again, same = write(net, changed, SEARCHES[search])
        assert torch.equal(again.tokens, found.tokens)
        torch.testing.assert_close(again.log_probs, found.log_probs)
        torch.testing.assert_close(same.places, objects.places)


@every_net
def test_the_best_of_the_samples_are_kept_with_all_that_is_theirs(net):
    net, texts = NETS[net](), on_grid.make_texts(((3, 2, 4), (0, 0, 0), (5, 3, 1)))
    every = Sample(num_samples=6, normalisation="average", whole_objects=True, min_length=1, **LIMITS)
    found, _ = write(net, texts, every)
    best, _ = write(net, texts, replace(every, n_best=2))
    assert (best.scores[:, :1] == found.scores.amax(1, keepdim=True)).all()
    assert (best.scores.diff(dim=1) <= 0).all() and best.tokens.shape[1] == 2
    torch.testing.assert_close(best.scores, best.log_probs / best.lengths)
    for row in (0, 2):
        n = int(found.scores[row].argmax())
        assert torch.equal(best.tokens[row, 0], found.tokens[row, n])
        assert torch.equal(best.trace.log_probs[row, 0], found.trace.log_probs[row, n])


def test_both_decoders_say_that_they_place_objects():
    assert all(isinstance(make().decoder, PlacingDecoder) for make in NETS.values())
