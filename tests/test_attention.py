"""Attention against golden vectors made from the formulas by a loop over positions, in float64."""

import json
from pathlib import Path

import pytest
import torch
from torch.autograd import gradcheck

from seq2scene.attention import ConcatScore, DotScore, GeneralScore, GlobalAttention, LocationAttention
from seq2scene.errors import UserError
from seq2scene.sequences.memory import Memory
from seq2scene.sequences.padding import lengths_to_mask

GOLDEN = json.loads((Path(__file__).parent / "fixtures" / "attention_golden.json").read_text())
SCORES = ("dot", "general", "concat", "location")


def golden(name: str) -> torch.Tensor:
    return torch.tensor(GOLDEN[name], dtype=torch.float64)


def attention(score: str, query_size: int = 4, memory_size: int = 4) -> torch.nn.Module:
    """The attention called ``score`` in float64, with the golden parameters where the sizes are the golden
    ones.
    """
    torch.manual_seed(0)
    if score == "location":
        module = LocationAttention(query_size, memory_size, max_length=12)
    else:
        module = GlobalAttention(query_size, memory_size, score)
    module.double()
    if (query_size, memory_size) == (4, 4):
        with torch.no_grad():
            match module:
                case LocationAttention():
                    module.positions.weight.copy_(golden("Wl"))
                case GlobalAttention(score=GeneralScore()):
                    module.score.memory.weight.copy_(golden("Wa"))
                case GlobalAttention(score=ConcatScore()):
                    module.score.query.weight.copy_(golden("Wc")[:, :4])
                    module.score.memory.weight.copy_(golden("Wc")[:, 4:])
                    module.score.v.weight.copy_(golden("va").unsqueeze(0))
    return module


def remember(module: torch.nn.Module, states: torch.Tensor, lengths: torch.Tensor) -> Memory:
    mask = lengths_to_mask(lengths, states.shape[1])
    return Memory(states, module.keys(states), mask, lengths, ())


@pytest.mark.parametrize("score", SCORES)
def test_global_attention_gives_the_golden_vectors(score: str) -> None:
    (case,) = [c for c in GOLDEN["cases"] if c["mode"] == "global" and c["score"] == score]
    module = attention(score)
    memory = remember(module, golden("Hs"), torch.tensor(GOLDEN["lens"]))
    context, weights = module(golden("ht").unsqueeze(1), memory)
    attended = torch.tanh(torch.cat([context, golden("ht").unsqueeze(1)], dim=2) @ golden("Wo").t())
    for row, out in enumerate(case["out"]):
        torch.testing.assert_close(
            weights[row, 0], torch.tensor(out["a"], dtype=torch.float64), atol=1e-12, rtol=0
        )
        torch.testing.assert_close(
            context[row, 0], torch.tensor(out["c"], dtype=torch.float64), atol=1e-12, rtol=0
        )
        expected = torch.tensor(out["htilde"], dtype=torch.float64)
        torch.testing.assert_close(attended[row, 0], expected, atol=1e-12, rtol=0)


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


def test_an_unknown_score_is_refused_with_the_list_of_good_ones() -> None:
    with pytest.raises(UserError, match=r"cosine.*dot, general, concat"):
        GlobalAttention(4, 4, "cosine")
