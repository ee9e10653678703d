"""Attention against golden vectors, computed from the formulas by a loop over positions in float64."""

import itertools
import json
import math
from pathlib import Path

import pytest
import torch
from torch.autograd import gradcheck

from pairs import pairwise
from seq2scene.attention import (
    ConcatScore,
    DotScore,
    GeneralScore,
    GlobalAttention,
    LocalAttention,
    LocationAttention,
    LuongConcatScore,
    MonotonicAttention,
    PredictiveAttention,
)
from seq2scene.errors import UserError
from seq2scene.sequences.memory import Memory
from seq2scene.sequences.padding import lengths_to_mask

GOLDEN = json.loads((Path(__file__).parent / "fixtures" / "attention_golden.json").read_text())
CONTENT = ("dot", "general", "concat", "concat_luong")
SCORES = (*CONTENT, "location")
# Every local attention, by its mode in the golden file if it is there.
LOCAL = {
    "local-m": (MonotonicAttention, {}),
    "local-p": (PredictiveAttention, {}),
    "local-p-code": (PredictiveAttention, {"centre": "floor", "first_position": 0}),
    "local-p renormalised": (PredictiveAttention, {"renormalise": True}),
    "local-p wide sigma": (PredictiveAttention, {"sigma": 4.0}),
}
GOLDEN_LOCAL = [(c["mode"], c["score"], c["t"]) for c in GOLDEN["cases"] if c["mode"] != "global"]
IMPLEMENTATIONS = ("mask", "gather")


def golden(name: str) -> torch.Tensor:
    return torch.tensor(GOLDEN[name], dtype=torch.float64)


def with_golden_parameters(module: torch.nn.Module) -> torch.nn.Module:
    """An attention of the golden sizes in float64, with the golden parameters."""
    module.double()
    with torch.no_grad():
        match getattr(module, "score", None):
            case GeneralScore() as score:
                score.memory.weight.copy_(golden("Wa"))
            case ConcatScore() as score:
                score.query.weight.copy_(golden("Wc")[:, :4])
                score.memory.weight.copy_(golden("Wc")[:, 4:])
                score.v.weight.copy_(golden("va").unsqueeze(0))
            case LuongConcatScore() as score:
                score.query.weight.copy_(golden("Wc")[:, :4])
                score.v.weight.copy_(golden("va").unsqueeze(0))
        match module:
            case LocationAttention():
                module.positions.weight.copy_(golden("Wl"))
            case PredictiveAttention():
                module.w_p.weight.copy_(golden("Wp"))
                module.v_p.weight.copy_(golden("vp").unsqueeze(0))
    return module


def attention(score: str, query_size: int = 4, memory_size: int = 4) -> torch.nn.Module:
    """The global attention ``score`` in float64, with the golden parameters if it has the golden sizes."""
    torch.manual_seed(0)
    if score == "location":
        module = LocationAttention(query_size, memory_size, max_length=12)
    else:
        module = GlobalAttention(query_size, memory_size, score)
    return with_golden_parameters(module) if (query_size, memory_size) == (4, 4) else module.double()


def local(mode: str, score: str, implementation: str = "mask", sizes=(4, 4), half_width=2) -> LocalAttention:
    """The local attention called ``mode``, likewise."""
    torch.manual_seed(0)
    kind, options = LOCAL[mode]
    module = kind(*sizes, score, half_width, implementation, **options)
    return with_golden_parameters(module) if sizes == (4, 4) else module.double()


def remember(module: torch.nn.Module, states: torch.Tensor, lengths: torch.Tensor) -> Memory:
    mask = lengths_to_mask(lengths, states.shape[1])
    return Memory(states, module.keys(states), mask, lengths, ())


def assert_golden(mode: str, score: str, t: int, context: torch.Tensor, weights: torch.Tensor) -> None:
    """Weights, contexts and attentional vectors of step t, row by row."""
    (case,) = [c for c in GOLDEN["cases"] if (c["mode"], c["score"], c["t"]) == (mode, score, t)]
    attended = torch.tanh(torch.cat([context, golden("ht").unsqueeze(1)], dim=2) @ golden("Wo").t())
    for name, values in (("a", weights), ("c", context), ("htilde", attended)):
        expected = torch.tensor([out[name] for out in case["out"]], dtype=torch.float64)
        torch.testing.assert_close(values[:, 0], expected, atol=1e-12, rtol=0)


@pytest.mark.parametrize("score", ["dot", "general", "concat", "location"])
def test_global_attention_gives_the_golden_vectors(score: str) -> None:
    module = attention(score)
    memory = remember(module, golden("Hs"), torch.tensor(GOLDEN["lens"]))
    assert_golden("global", score, 1, *module(golden("ht").unsqueeze(1), memory))


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize(("mode", "score", "t"), GOLDEN_LOCAL)
def test_local_attention_gives_the_golden_vectors(mode: str, score: str, t: int, implementation: str) -> None:
    module = local(mode, score, implementation, half_width=GOLDEN["D"])
    memory = remember(module, golden("Hs"), torch.tensor(GOLDEN["lens"]))
    steps = torch.full((3, 1), t - 1)
    assert_golden(mode, score, t, *module(golden("ht").unsqueeze(1), memory, steps))


def test_concat_of_luong_is_concat_with_the_identity_for_the_memory() -> None:
    """Its golden values are those of concat with the memory half set to the identity."""
    ours, full = attention("concat_luong"), attention("concat")
    with torch.no_grad():
        full.score.memory.weight.copy_(torch.eye(4))
    query, lengths = torch.randn(3, 2, 4, dtype=torch.float64), torch.tensor(GOLDEN["lens"])
    expected = full(query, remember(full, golden("Hs"), lengths))
    torch.testing.assert_close(ours(query, remember(ours, golden("Hs"), lengths)), expected)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("sizes", [(4, 4), (3, 5)])
def test_every_score_has_the_gradient_of_its_formula(score: str, sizes: tuple[int, int]) -> None:
    module = attention(score, *sizes)
    query = torch.randn(2, 3, sizes[0], dtype=torch.float64, requires_grad=True)
    states = torch.randn(2, 5, sizes[1], dtype=torch.float64, requires_grad=True)
    parameters = tuple(module.parameters())

    def run(query, states, *parameters):
        return module(query, remember(module, states, torch.tensor([5, 2])))

    assert gradcheck(run, (query, states, *parameters))


@pytest.mark.parametrize("score", SCORES)
def test_what_stands_on_padding_never_matters(score: str) -> None:
    module, lengths = attention(score), torch.tensor(GOLDEN["lens"])
    query, states = torch.randn(3, 2, 4, dtype=torch.float64), golden("Hs")
    noise = 1e6 * ~lengths_to_mask(lengths, states.shape[1]).unsqueeze(2)
    clean = module(query, remember(module, states, lengths))
    dirty = module(query, remember(module, states + noise, lengths))
    wider = module(query, remember(module, torch.nn.functional.pad(states, (0, 0, 0, 3)), lengths))
    assert torch.equal(clean[0], dirty[0]) and torch.equal(clean[1], dirty[1])
    torch.testing.assert_close(clean[0], wider[0])
    assert (wider[1][~lengths_to_mask(lengths, 12).unsqueeze(1).expand_as(wider[1])] == 0).all()


@pytest.mark.parametrize("score", SCORES)
def test_an_empty_sentence_gets_no_weight_and_no_context(score: str) -> None:
    module = attention(score)
    context, weights = module(
        torch.randn(2, 1, 4).double(), remember(module, golden("Hs")[:2], torch.tensor([3, 0]))
    )
    assert (weights[1] == 0).all() and (context[1] == 0).all()
    torch.testing.assert_close(weights[0].sum(), torch.tensor(1.0, dtype=torch.float64))


def test_location_gives_no_weight_to_words_beyond_its_length() -> None:
    module = LocationAttention(4, 4, max_length=3)
    _, weights = module(torch.randn(1, 2, 4), remember(module, torch.randn(1, 6, 4), torch.tensor([6])))
    assert (weights[..., 3:] == 0).all()
    torch.testing.assert_close(weights.sum(dim=2), torch.ones(1, 2))


def test_half_precision_queries_get_a_float32_softmax() -> None:
    module = GlobalAttention(4, 4, "dot").bfloat16()
    memory = remember(module, torch.randn(1, 6, 4, dtype=torch.bfloat16), torch.tensor([6]))
    context, weights = module(torch.randn(1, 2, 4, dtype=torch.bfloat16), memory)
    assert weights.dtype == torch.float32 and context.dtype == torch.bfloat16


def test_dot_projects_the_query_without_bias_only_where_sizes_differ() -> None:
    assert list(DotScore(4, 4).parameters()) == []
    assert [tuple(p.shape) for p in DotScore(3, 5).parameters()] == [(5, 3)]


def ragged(sizes: tuple[int, int] = (4, 4)) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Queries (4, 7, Q), states (4, 9, D) and lengths, of sentences longer and shorter than a window of 5."""
    torch.manual_seed(1)
    states = torch.randn(4, 9, sizes[1], dtype=torch.float64)
    return torch.randn(4, 7, sizes[0], dtype=torch.float64), states, torch.tensor([9, 2, 0, 6])


def weights_by_loop(mode: str, score: str, half_width: int) -> torch.Tensor:
    """Weights of the ``ragged`` case from the paper's formulas, query by query and position by position."""
    query, states, lengths = ragged()
    scores = attention(score).score
    scores = scores(query, scores.keys(states))
    weights = torch.zeros_like(scores)
    sigma = LOCAL[mode][1].get("sigma", half_width / 2)
    first = 0 if mode == "local-p-code" else 1
    for b, t in itertools.product(range(4), range(7)):
        length = lengths[b].item()
        p = length * torch.sigmoid(golden("vp") @ torch.tanh(golden("Wp") @ query[b, t])).item()
        p = min(t + 1, length) if mode == "local-m" else p
        centre = int(p) if mode == "local-p-code" else p
        window = [s for s in range(length) if abs(s + first - centre) <= half_width]
        if not window:
            continue
        weights[b, t, window] = scores[b, t, window].softmax(dim=0)
        if mode != "local-m":
            weights[b, t, window] *= torch.tensor(
                [math.exp(-((s + first - p) ** 2) / (2 * sigma**2)) for s in window], dtype=torch.float64
            )
        if mode == "local-p renormalised":
            weights[b, t] /= weights[b, t].sum()
    return weights


every_local = pytest.mark.parametrize(
    ("mode", "score", "implementation"), pairwise(list(LOCAL), CONTENT, IMPLEMENTATIONS)
)


@pytest.mark.parametrize(
    ("mode", "score", "implementation", "half_width"),
    pairwise(list(LOCAL), CONTENT, IMPLEMENTATIONS, [1, 2, 20]),
)
def test_a_window_of_any_width_slides_as_the_formulas_say(mode, score, implementation, half_width) -> None:
    """Weights are those of a loop over positions, for windows narrower and wider than the sentences."""
    query, states, lengths = ragged()
    module = local(mode, score, implementation, half_width=half_width)
    context, weights = module(query, remember(module, states, lengths))
    expected = weights_by_loop(mode, score, half_width)
    assert weights.shape == expected.shape and torch.equal(weights != 0, expected != 0)
    torch.testing.assert_close(weights, expected, atol=1e-12, rtol=0)
    torch.testing.assert_close(context, weights @ states)


@pytest.mark.parametrize(("mode", "score"), list(itertools.product(LOCAL, CONTENT)))
def test_gathering_the_window_equals_masking_the_rest_in_value_and_gradient(mode: str, score: str) -> None:
    query, states, lengths = ragged((3, 5))
    query.requires_grad_(), states.requires_grad_()
    outcomes = []
    for implementation in IMPLEMENTATIONS:
        module = local(mode, score, implementation, (3, 5))
        context, weights = module(query, remember(module, states, lengths))
        direction = torch.linspace(-1, 1, weights.numel(), dtype=torch.float64).view_as(weights)
        value = context.square().sum() + (weights * direction).sum()
        gradients = torch.autograd.grad(value, (query, states, *module.parameters()))
        outcomes.append((context, weights, *gradients))
    torch.testing.assert_close(outcomes[0], outcomes[1], atol=1e-12, rtol=1e-12)


@every_local
def test_every_local_attention_has_the_gradient_of_its_formula(mode, score, implementation) -> None:
    """The gradient reaches the query, the memory, the score and, through the Gaussian, W_p and v_p."""
    module = local(mode, score, implementation, (3, 4), half_width=1)
    query = torch.randn(2, 3, 3, dtype=torch.float64, requires_grad=True)
    states = torch.randn(2, 5, 4, dtype=torch.float64, requires_grad=True)
    inputs = (query, states, *module.parameters())

    def run(query, states, *parameters):
        return module(query, remember(module, states, torch.tensor([5, 2])))

    assert gradcheck(run, inputs)
    gradients = torch.autograd.grad(run(*inputs)[0].square().sum(), inputs)
    assert all((gradient != 0).any() for gradient in gradients)


@every_local
def test_what_stands_on_padding_or_beyond_the_window_never_matters(mode, score, implementation) -> None:
    module, (query, states, lengths) = local(mode, score, implementation), ragged()
    context, weights = module(query, remember(module, states, lengths))
    padding = ~lengths_to_mask(lengths, states.shape[1]).unsqueeze(2)
    dirty = module(query, remember(module, states + 1e6 * padding, lengths))
    assert torch.equal(context, dirty[0]) and torch.equal(weights, dirty[1])
    wider = module(query, remember(module, torch.nn.functional.pad(states, (0, 0, 0, 3)), lengths))
    torch.testing.assert_close(context, wider[0])
    assert (wider[1][..., 9:] == 0).all()
    for t in range(query.shape[1]):
        unseen = (weights[:, t] == 0).unsqueeze(2)
        assert unseen[0].any()
        shouted = module(query, remember(module, states + 1e6 * unseen, lengths))
        assert torch.equal(context[:, t], shouted[0][:, t])


@every_local
def test_a_batch_of_windows_is_its_sentences_alone(mode, score, implementation) -> None:
    module, (query, states, lengths) = local(mode, score, implementation), ragged()
    context, weights = module(query, remember(module, states, lengths))
    for row, length in enumerate(lengths.tolist()):
        if length:
            memory = remember(module, states[row : row + 1, :length], lengths[row : row + 1])
            alone = module(query[row : row + 1], memory)
            torch.testing.assert_close(context[row], alone[0][0])
            torch.testing.assert_close(weights[row, :, :length], alone[1][0])


@every_local
def test_an_empty_sentence_gives_a_window_nothing_and_no_nan(mode, score, implementation) -> None:
    module, (query, states, lengths) = local(mode, score, implementation), ragged()
    context, weights = module(query.requires_grad_(), remember(module, states, lengths))
    assert lengths[2] == 0 and (context[2] == 0).all() and (weights[2] == 0).all()
    gradient = torch.autograd.grad(context.sum() + weights.square().sum(), query)[0]
    assert torch.isfinite(gradient).all() and (gradient[2] == 0).all() and (gradient[0] != 0).any()


@pytest.mark.parametrize("score", CONTENT)
def test_a_monotonic_window_wider_than_the_sentence_is_global_attention(score: str) -> None:
    query, states, lengths = ragged()
    everywhere, window = attention(score), local("local-m", score, half_width=9)
    expected = everywhere(query, remember(everywhere, states, lengths))
    torch.testing.assert_close(window(query, remember(window, states, lengths)), expected)


def test_predicted_weights_sum_to_one_only_when_renormalised() -> None:
    query, states, lengths = ragged()
    for mode, exact in (("local-p", False), ("local-p renormalised", True)):
        module = local(mode, "dot")
        total = module(query, remember(module, states, lengths))[1].sum(dim=2)[lengths > 0]
        assert (total <= 1 + 1e-12).all() and torch.allclose(total, torch.ones_like(total)) == exact


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_a_monotonic_window_follows_the_step_and_rests_on_the_last_word(implementation: str) -> None:
    """Beams of one step share its number; without steps, queries are numbered from the first."""
    module, (query, states, lengths) = local("local-m", "general", implementation), ragged()
    memory = remember(module, states, lengths)
    run = module(query, memory)
    for t in range(query.shape[1]):
        beams = module(query, memory, torch.full((4, 7), t))
        torch.testing.assert_close(beams[1][:, t], run[1][:, t])
    late, last = (module(query, memory, torch.full((4, 7), t)) for t in (100, 8))
    assert torch.equal(late[1], last[1])
    assert (late[1][0] != 0).any(dim=0).tolist() == [False] * 6 + [True] * 3


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_half_precision_places_a_window_to_a_fraction_of_a_word(implementation: str) -> None:
    """bfloat16 cannot represent odd numbers above 256."""
    module = PredictiveAttention(4, 4, "dot", implementation=implementation).bfloat16()
    memory = remember(module, torch.randn(1, 900, 4, dtype=torch.bfloat16), torch.tensor([900]))
    query = torch.randn(1, 20, 4, dtype=torch.bfloat16)
    place = module.place(query, memory, None)
    logit = module.v_p(module.w_p(query).tanh()).squeeze(2).float()
    torch.testing.assert_close(place, 900 * torch.sigmoid(logit) - 1)
    context, weights = module(query, memory)
    assert weights.dtype == torch.float32 and context.dtype == torch.bfloat16
    assert ((weights != 0).sum(dim=2) == 20).all()  # a centre between two words has D words on either side


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"half_width": 0}, "attention.half_width=0 leaves no window"),
        ({"sigma": 0.0}, "attention.sigma=0.0 is no width"),
    ],
)
def test_a_window_that_cannot_be_is_refused(option: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        PredictiveAttention(4, 4, **option)
