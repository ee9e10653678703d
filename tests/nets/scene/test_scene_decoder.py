"""The decoder of scenes: step by step equals all at once, padding and company never matter."""

from dataclasses import replace

import pytest
import torch

from seq2scene.attention import GlobalAttention
from seq2scene.errors import UserError
from seq2scene.models.scene_writer import SceneWriter
from seq2scene.nets.losses.scene_losses import doubly_stochastic, fields
from seq2scene.nets.scene.object_decoder import ObjectDecoder
from seq2scene.nets.scene.scene_decoder import SceneDecoder, map_size
from seq2scene.nets.scene.semantic_canvas import SemanticCanvas
from seq2scene.nets.scene.text_encoder import SceneTextEncoder
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.objects import EOS, PAD, SOS, Objects
from seq2scene.scenes.scene_texts import SceneTexts
from seq2scene.scenes.schema import Head, Schema
from seq2scene.search.beam import Beam, coverage_penalty
from seq2scene.search.stepwise import Greedy, Sample
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import Whitespace
from seq2scene.sequences.vocabulary import Vocabulary

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
    sizes=torch.full((len(NAMES), 7, 5, 2), 80.0),
    scales=(1.0, 0.7, 0.49),
)
VOCABULARY = 20
TEXTS = SceneTexts(Language(Whitespace(), Vocabulary.count([map(str, range(VOCABULARY - 4))])), 3)


def make_net(score="general", attribute_score="general", stride=1, seed=0, **options) -> SceneWriter:
    torch.manual_seed(seed)
    encoder = SceneTextEncoder(VOCABULARY, 0, 3, embedding_size=5, hidden_size=4)
    canvas = SemanticCanvas(SCHEMA, map_size(SCHEMA, stride), ink=5, widths=(6, 7))
    hidden, memory = 9, encoder.output_size
    asked = ObjectDecoder.query_size(SCHEMA.classes, hidden, options.get("inventory", False))
    attention = score and GlobalAttention(asked, memory, score)
    read = memory if score else 0
    own = attribute_score and GlobalAttention(SCHEMA.classes + read, memory, attribute_score)
    decoder = SceneDecoder(
        SCHEMA,
        canvas,
        encoder.state_size,
        memory,
        attention,
        own,
        hidden_size=hidden,
        stride=stride,
        attention_size=4,
        classifier_size=8,
        widths=(6, 5),
        **options,
    )
    net = SceneWriter(encoder, decoder, TEXTS).double()
    for parameter in net.parameters():  # far enough from zero for choices to differ
        torch.nn.init.uniform_(parameter, -0.7, 0.7)
    return net.eval()


def make_texts(lengths=((3, 2, 4), (1, 0, 2), (5, 3, 1)), seed=1) -> Sentences:
    generator = torch.Generator().manual_seed(seed)
    flat = torch.tensor(lengths).flatten()
    ids = torch.randint(3, VOCABULARY, (len(flat), int(flat.max())), generator=generator)
    ids = ids * (torch.arange(ids.shape[1]) < flat.unsqueeze(1))
    return Sentences.of(ids, flat)


def make_objects(counts=(4, 2, 3), seed=2) -> Objects:
    generator = torch.Generator().manual_seed(seed)
    steps = max(counts)
    present = torch.arange(steps) < torch.tensor(counts).unsqueeze(1)

    def draw(low, high, *shape):
        return torch.randint(low, high, (len(counts), steps, *shape), generator=generator)

    classes = draw(3, SCHEMA.classes) * present
    places = draw(-20, 520, 2).float() * present.unsqueeze(2)
    attributes = {
        name: draw(0, head.classes) * present * SCHEMA.has(name)[classes]
        for name, head in SCHEMA.heads.items()
    }
    return SCHEMA.with_end(Objects(classes, places, attributes))


def write(net, texts, search, keep=0):
    memory = net.encode(texts)
    found = search(net.decoder, memory, bos=SOS, eos=EOS, pad=PAD, unk=PAD, keep_weights=True)
    objects, where = net.decoder.read_trace(found.tokens, found.trace)
    mine = slice(keep, None, found.tokens.shape[1])  # of the n of each text
    what = None if found.weights is None else found.weights[:, keep].float()
    return found, objects[mine], what, None if where is None else where[mine]


SEARCH = {"max_ratio": 0.0, "max_extra": 4}


@pytest.mark.parametrize(
    "scores", [("general", "general"), ("dot", "concat"), ("general", None), (None, None)]
)
@pytest.mark.parametrize(("stride", "inventory"), [(1, False), (2, True)])
def test_stepping_equals_all_steps_at_once(scores, stride, inventory):
    """What greedy search wrote, taught as the truth: the same probabilities, places and attention."""
    net = make_net(*scores, stride=stride, inventory=inventory)
    texts = make_texts()
    found, objects, what, where = write(net, texts, Greedy(min_length=2, **SEARCH))
    assert objects.present.any()
    steps = found.tokens.shape[2]
    taught = net(texts, objects)
    real, present = objects.classes != PAD, objects.present
    log_probs = taught.objects.log_softmax(1).gather(1, objects.classes[real].unsqueeze(1)).squeeze(1)
    torch.testing.assert_close(found.token_log_probs[:, 0][real].double(), log_probs, atol=1e-5, rtol=0)
    assert torch.equal(taught.places.argmax(1), SCHEMA.cells(objects)[present])
    for name, logits in taught.attributes.items():
        has = SCHEMA.has(name)[objects.classes[present]]
        assert torch.equal(logits.argmax(1)[has], objects.attributes[name][present][has])
    if taught.object_attention is not None:
        expected = taught.object_attention.float() * real.unsqueeze(2)
        torch.testing.assert_close(what, expected, atol=1e-6, rtol=0)
    if taught.attribute_attention is not None:
        expected = (taught.attribute_attention.float() * present.unsqueeze(2))[:, : steps - 1]
        torch.testing.assert_close(
            where[:, : steps - 1] * present[:, : steps - 1, None], expected, atol=1e-6, rtol=0
        )


def test_a_scene_does_not_notice_its_company():
    net, texts, objects = make_net(), make_texts(), make_objects()
    together = net(texts, objects)
    at = 0
    for row in range(3):
        rows = slice(3 * row, 3 * row + 3)
        alone = Sentences.of(texts.ids[rows], texts.lengths[rows])
        taught = net(alone, objects[row : row + 1])
        count = len(taught.objects)
        torch.testing.assert_close(together.objects[at : at + count], taught.objects)
        at += count


def test_words_on_padding_never_matter():
    net, texts, objects = make_net(), make_texts(), make_objects()
    other = replace(texts, ids=texts.ids.masked_fill(~texts.mask, 7))
    wider = Sentences.of(torch.nn.functional.pad(texts.ids, (0, 3)), texts.lengths)
    expected = net(texts, objects)
    for changed in (other, wider):
        got = net(changed, objects)
        torch.testing.assert_close(got.objects, expected.objects)
        torch.testing.assert_close(got.places, expected.places)


def test_the_future_is_not_seen():
    """Another last object changes nothing that was said before it stood there."""
    net, texts, objects = make_net(), make_texts(), make_objects((3, 3, 3))
    classes = objects.classes.clone()
    classes[:, 2] = (classes[:, 2] - 3 + 1) % len(NAMES) + 3
    changed = replace(objects, classes=classes)
    before, after = net(texts, objects), net(texts, changed)
    said, unlike = (taught.objects.unflatten(0, (3, 4)) for taught in (before, after))  # 3 objects and END
    torch.testing.assert_close(said[:, :3], unlike[:, :3])
    assert not torch.allclose(said[:, 3], unlike[:, 3])


def test_beam_of_one_is_greedy_and_of_many_no_worse():
    net, texts = make_net(), make_texts()
    greedy, objects, *_ = write(net, texts, Greedy(**SEARCH))
    one, same, *_ = write(net, texts, Beam(size=1, **SEARCH))
    many, *_ = write(net, texts, Beam(size=8, stop="exact", **SEARCH))
    assert torch.equal(greedy.tokens, one.tokens)
    assert torch.equal(objects.places, same.places)
    assert (many.log_probs[:, 0] >= greedy.log_probs[:, 0] - 1e-5).all()


def test_a_beam_keeps_the_places_of_its_own_objects():
    """Each hypothesis, taught as the truth, has the places and attributes that the beam noted for it."""
    net, texts = make_net(), make_texts()
    for n in range(3):
        found, objects, *_ = write(net, texts, Beam(size=4, n_best=3, stop="exact", **SEARCH), keep=n)
        there = found.lengths[:, n] > 0
        rows = there.nonzero().squeeze(1)
        which = (rows.unsqueeze(1) * 3 + torch.arange(3)).flatten()
        taught = net(Sentences.of(texts.ids[which], texts.lengths[which]), objects[rows])
        assert torch.equal(taught.places.argmax(1), SCHEMA.cells(objects[rows])[objects[rows].present])


def test_coverage_is_of_the_words_that_the_object_decoder_looked_at():
    net, texts = make_net(), make_texts()
    found, _, what, _ = write(net, texts, Beam(size=4, coverage=0.3, normalisation="none", **SEARCH))
    memory = net.encode(texts)
    real = (found.tokens[:, 0] != PAD).unsqueeze(2)
    penalty = coverage_penalty((what * real).sum(1), memory.mask, 0.3)
    assert (penalty < -0.1).all()
    torch.testing.assert_close(found.scores[:, 0], found.log_probs[:, 0] + penalty, atol=1e-5, rtol=0)


def test_coverage_without_an_attention_of_the_object_decoder_is_refused():
    with pytest.raises(UserError, match=r"search\.coverage=0\.3: the model has no attention"):
        write(make_net(None, "general"), make_texts(), Beam(coverage=0.3, **SEARCH))


def test_no_repeats_and_no_empty_scenes_on_request():
    net, texts = make_net(), make_texts()
    torch.manual_seed(0)
    search = Sample(num_samples=1, temperature=3.0, no_repeat_ngram=1, min_length=2, **SEARCH)
    _, objects, *_ = write(net, texts, search)
    for row in objects.classes:
        chosen = row[row >= 3].tolist()
        assert len(chosen) == len(set(chosen)) >= 2


@pytest.mark.parametrize(
    "search", [Greedy(**SEARCH), Beam(size=4, n_best=3, **SEARCH)], ids=["greedy", "beam"]
)
def test_a_scene_goes_on_from_what_is_given(search):
    """The given objects stand as they are, on the grid or not; they are painted where they stand, so that
    the rest is what teacher forcing finds likely behind them.
    """
    net, texts, given = make_net(inventory=True), make_texts(), make_objects((2, 0, 1)).cut(2)
    present = given.present
    written = net.decode(texts, search, given)
    objects = written.objects[:: written.log_probs.shape[1]]
    assert torch.equal(objects.classes[:, :2][present], given.classes[present])
    assert torch.equal(objects.places[:, :2][present], given.places[present])
    for name, values in given.attributes.items():
        assert torch.equal(objects.attributes[name][:, :2][present], values[present])
    assert (objects.present.sum(1) > present.sum(1)).any()
    with torch.no_grad():
        taught, real = net(texts, objects), objects.classes != PAD
    said = taught.objects.log_softmax(1).gather(1, objects.classes[real].unsqueeze(1)).sum()
    assert float(written.log_probs[:, 0].sum()) == pytest.approx(float(said), abs=1e-4)
    added = objects.present & ~torch.nn.functional.pad(present, (0, objects.present.shape[1] - 2))
    assert torch.equal(taught.places.argmax(1)[added[objects.present]], SCHEMA.cells(objects)[added])


def test_a_text_without_words_gives_an_empty_scene():
    net = make_net()
    texts = make_texts(((0, 0, 0), (2, 1, 0)))
    _, objects, *_ = write(net, texts, Greedy(min_length=1, **SEARCH))
    assert not objects.present[0].any()
    assert objects.present[1].any()


def test_gradients_reach_every_parameter():
    net = make_net(batch_norm=True).train()
    taught = net(make_texts(), make_objects())
    found = fields(taught, make_objects(), SCHEMA)
    sum(field.nll for field in found.values()).backward()
    still = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # a softmax does not see what is added to all of its scores
    assert all(name.endswith(("score.3.bias", "look.2.bias")) for name in still), still


def test_fields_count_what_the_paper_counts():
    objects = make_objects()
    found = fields(make_net()(make_texts(), objects), objects, SCHEMA)
    children = sum(int((objects.classes == SCHEMA.number(name)).sum()) for name in ("hb0", "hb1"))
    counts = {name: int(field.count) for name, field in found.items()}
    assert counts == {
        "object": 12,
        "place": 9,
        "size": 9,
        "flip": 9,
        "pose": children,
        "expression": children,
    }


def test_looking_at_every_word_once_costs_nothing():
    words = torch.tensor([[True, True, False]])
    once = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.5, 0.0]]])
    steps = torch.tensor([[True, True, False]])
    assert doubly_stochastic(once, steps, words) == 0
    assert doubly_stochastic(once, torch.tensor([[True, True, True]]), words) == pytest.approx(0.5)


def test_a_stride_that_does_not_fit_is_refused():
    with pytest.raises(UserError, match=r"stride=4.*6x4"):
        map_size(SCHEMA, 4)


@pytest.mark.parametrize(
    ("names", "heads", "features", "batch_norm", "object_decoder", "attribute_decoder"),
    [
        (58, {"size": 3, "flip": 2, "pose": 7, "expression": 5}, 1024, True, 23_624_634, 11_958_559),
        (80, {"size": 17, "aspect": 17}, 256, False, 13_047_704, 12_114_424),
    ],
    ids=["abstract", "layout"],
)
def test_parameters_of_the_released_models(
    names, heads, features, batch_norm, object_decoder, attribute_decoder
):
    """To the last one: those of the authors' checkpoints. The recurrence is counted with the objects."""
    schema = replace(
        SCHEMA,
        names=tuple(f"class_{number}" for number in range(names)),
        heads={name: Head(classes) for name, classes in heads.items()},
        grid=Grid(28, 28, 0.001, 0.001, 0.999, 0.999),
    )
    canvas, words = torch.nn.Module(), 812
    canvas.output_size = features
    with torch.device("meta"):
        attention = GlobalAttention(512 + schema.classes, words)
        own = GlobalAttention(schema.classes + words, words)
        decoder = SceneDecoder(schema, canvas, 512, words, attention, own, batch_norm=batch_norm)

    def count(*parts):
        return sum(p.numel() for part in parts for p in part.parameters())

    assert count(decoder.object_decoder, decoder.recurrence) == object_decoder
    assert count(decoder.attribute_decoder) == attribute_decoder


def test_weights_of_older_versions_are_read() -> None:
    """Their decoders of objects and attributes were called what and where."""
    net, other = make_net(seed=0), make_net(seed=1)
    weights = net.decoder.state_dict()
    names = {"object_decoder": "what", "attribute_decoder": "where"}
    former = {
        ".".join([names.get(part, part) for part in key.split(".")]): value for key, value in weights.items()
    }
    assert former.keys() != weights.keys()
    other.decoder.load_state_dict(former)
    assert all(torch.equal(value, weights[key]) for key, value in other.decoder.state_dict().items())
