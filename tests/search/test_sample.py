"""Sample frequencies match the model's probabilities."""

from dataclasses import replace

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from toy_decoders import BOS, EOS, IDS, PAD, HistoryDecoder, force, markov, one, toy_memory

from seq2scene.errors import UserError
from seq2scene.search.beam import Beam
from seq2scene.search.drawing import PlaceDraw, draw, exact
from seq2scene.search.stepwise import Greedy, Sample

MANY = 20_000


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def first_words(decoder, **options) -> torch.Tensor:
    """(V,) how often each token came first among MANY samples."""
    search = Sample(num_samples=MANY, max_ratio=0, max_extra=1, **options)
    found = search(decoder, toy_memory([2]), **IDS, generator=seeded(0))
    return found.tokens[0, :, 0].bincount(minlength=decoder.table.shape[2])


def allowed_probs(decoder, temperature: float = 1.0) -> torch.Tensor:
    """(V,) the probabilities after BOS, without pad and bos."""
    logits = decoder.table[0, BOS] / temperature
    logits[[PAD, BOS]] = -torch.inf
    return logits.softmax(0)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_frequencies_are_the_softmax(temperature):
    decoder = markov(12, seed=1)
    counts, probs = first_words(decoder, temperature=temperature), allowed_probs(decoder, temperature)
    assert counts[[PAD, BOS]].sum() == 0
    real = probs > 0
    expected = probs[real] * MANY
    chi_square = ((counts[real] - expected) ** 2 / expected).sum()
    assert chi_square < 27.9  # 9 degrees of freedom: exceeded once in 1,000 seeds


@pytest.mark.parametrize("k", [1, 3])
def test_top_k_draws_from_exactly_the_k_likeliest(k):
    decoder = markov(12, seed=2)
    drawn = first_words(decoder, top_k=k, temperature=5.0).nonzero().flatten()
    assert drawn.tolist() == allowed_probs(decoder).topk(k).indices.sort().values.tolist()


@pytest.mark.parametrize("p", [0.3, 0.6, 0.9])
def test_top_p_draws_from_exactly_the_fewest_words_that_reach_p(p):
    decoder = markov(12, seed=3)
    probs, words = allowed_probs(decoder).sort(descending=True)
    fewest = int((probs.cumsum(0) < p).sum()) + 1
    counts = first_words(decoder, top_p=p)
    assert counts.nonzero().flatten().tolist() == words[:fewest].sort().values.tolist()
    expected = probs[:fewest] / probs[:fewest].sum() * MANY
    assert ((counts[words[:fewest]] - expected) ** 2 / expected).sum() < 30


def test_the_same_generator_gives_the_same_output():
    decoder, memory = HistoryDecoder(20), toy_memory([3, 6, 2])
    search = Sample(num_samples=4)
    runs = [search(decoder, memory, **IDS, generator=seeded(seed)).tokens for seed in (5, 5, 6)]
    assert torch.equal(runs[0], runs[1])
    assert runs[0].shape != runs[2].shape or not torch.equal(runs[0], runs[2])


def test_without_a_generator_the_global_seed_decides():
    decoder, memory = HistoryDecoder(20), toy_memory([3, 6, 2])
    runs = []
    for _ in range(2):
        torch.manual_seed(3)
        runs.append(Sample()(decoder, memory, **IDS).tokens)
    assert torch.equal(*runs)


def test_sentences_that_leave_the_batch_do_not_change_what_others_draw():
    decoder = markov(9, 12, seed=4)
    memory = toy_memory([4] * 12)
    found = Sample()(decoder, memory, **IDS, generator=seeded(1))
    decoder.table[:6, :, EOS] = 30.0
    shorter = Sample()(decoder, memory, **IDS, generator=seeded(1))
    assert (shorter.lengths[:6] == 1).all()
    width = int(found.lengths[6:].max())
    assert width > 2 and torch.equal(found.tokens[6:, :, :width], shorter.tokens[6:, :, :width])


@pytest.mark.parametrize("temperature", [0, 1e-6])
def test_low_temperature_is_greedy(temperature):
    decoder, memory = HistoryDecoder(20, seed=2), toy_memory([3, 6, 2])
    cold = Sample(temperature=temperature, num_samples=2)(decoder, memory, **IDS, generator=seeded(0))
    greedy = Greedy()(decoder, memory, **IDS)
    assert torch.equal(cold.tokens, greedy.tokens.expand_as(cold.tokens))


class NoDoubles(TorchDispatchMode):
    """As Apple's GPUs."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        made = [leaf for leaf in tree_leaves(found) if isinstance(leaf, torch.Tensor)]
        assert not any(one.dtype == torch.float64 for one in made if one.device.type == "mps")
        return found


@pytest.mark.parametrize("options", [{}, {"top_k": 2}, {"top_p": 0.9}])
def test_apple_gpus_draw_on_the_cpu(options):
    with FakeTensorMode(), NoDoubles():
        log_probs, chance = torch.empty(3, 5, device="mps"), torch.empty(3, 1, dtype=torch.float64)
        drawn = draw(log_probs, chance, 0.5, **options)
        places = PlaceDraw(lambda: chance, 0.5, 0.9)
        drawn += places.choose(log_probs), places.laplace(log_probs, log_probs)
    assert [(one.device.type, one.dtype) for one in drawn] == [
        *(("mps", torch.float32), ("mps", torch.int64), ("mps", torch.int64), ("mps", torch.float32)),
    ]
    assert [exact(torch.device(name)).type for name in ("mps", "cpu", "cuda")] == ["cpu", "cpu", "cuda"]


def test_log_probs_and_weights_are_the_models_own():
    decoder, memory = HistoryDecoder(20, seed=2), toy_memory([3, 6, 2])
    search = Sample(temperature=2.0, top_k=9, top_p=0.9, num_samples=3)
    found = search(decoder, memory, **IDS, keep_weights=True, generator=seeded(0))
    for sentence in range(3):
        for sample in range(3):
            tokens = found.tokens[sentence, sample, : found.lengths[sentence, sample]]
            log_probs, weights = force(decoder, one(memory, sentence), tokens)
            torch.testing.assert_close(found.log_probs[sentence, sample], log_probs.sum())
            torch.testing.assert_close(found.weights[sentence, sample, : len(tokens)], weights)


def test_the_best_samples_come_first_and_samples_of_unequal_length_are_compared_by_their_means():
    decoder, memory = HistoryDecoder(20, seed=2), toy_memory([3, 0, 2])
    every = Sample(num_samples=9, normalisation="average")
    found = every(decoder, memory, **IDS, keep_weights=True, generator=seeded(0))
    torch.testing.assert_close(found.scores, found.log_probs / found.lengths)
    best = replace(every, n_best=4)(decoder, memory, **IDS, keep_weights=True, generator=seeded(0))
    assert torch.equal(best.scores, found.scores.sort(dim=1, descending=True).values[:, :4])
    first = found.scores.argmax(1)
    for name in ("tokens", "lengths", "token_log_probs", "weights"):
        ours, theirs = getattr(best, name)[:, 0], getattr(found, name)
        assert torch.equal(ours, theirs[torch.arange(3), first])


@pytest.mark.parametrize("search", [Greedy, Beam, Sample])
def test_how_objects_stand_has_no_meaning_to_a_model_of_words(search):
    with pytest.raises(UserError, match=r"search\.whole_objects=true: this model writes words"):
        search(whole_objects=True)(HistoryDecoder(9), toy_memory([2]), **IDS)


def test_a_source_without_words_gives_eos_in_every_sample():
    found = Sample(num_samples=3)(HistoryDecoder(9), toy_memory([0, 4]), **IDS)
    assert found.tokens[0, :, 0].tolist() == [EOS] * 3 and found.lengths[0].tolist() == [1] * 3


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"temperature": -1.0}, "at least 0"),
        ({"place_temperature": -1.0}, "at least 0"),
        ({"num_samples": 3, "n_best": 4}, "at most search.num_samples=3"),
        ({"top_p": 1.5}, "at most 1"),
        ({"top_p": 0}, "above 0"),
        ({"top_k": -1}, "at least 0"),
        ({"num_samples": 0}, "at least 1"),
    ],
)
def test_bad_values_are_refused_with_the_good_range(options, wanted):
    with pytest.raises(UserError, match=wanted):
        Sample(**options)
