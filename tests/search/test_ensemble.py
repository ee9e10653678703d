"""Ensembles: the average is the requested one, and searches treat an ensemble like a model."""

from functools import partial

import pytest
import torch
from toy_decoders import BOS, IDS, HistoryDecoder, force, markov, one, toy_memory

from seq2scene.errors import UserError
from seq2scene.models.ensemble import Ensemble
from seq2scene.nets.text.decoders import LuongDecoder
from seq2scene.search.beam import Beam
from seq2scene.search.ensemble import AVERAGES, EnsembleDecoder, Memories, combine
from seq2scene.search.stepwise import Greedy, Sample
from small_translators import sentences, translator

SEARCHES = {
    "greedy": Greedy(max_extra=4),
    "beam": Beam(size=4, n_best=3, max_extra=4, normalisation="average", coverage=0.2),
    "sample": Sample(num_samples=3, max_extra=4),
}
LENGTHS = [3, 1, 5, 0, 2]


def search(name: str, decoder: object, memory: object):
    chance = {"generator": torch.Generator().manual_seed(1)} if name == "sample" else {}
    return SEARCHES[name](decoder, memory, **IDS, keep_weights=True, **chance)


def toys(*decoders: object) -> list:
    """Decoders of 9 features, declared by ``output`` as in a linear projection."""
    for decoder in decoders:
        decoder.output = partial(decoder.output)
        decoder.output.in_features = 9
    return list(decoders)


def two(memories: list, average: str = "logits") -> tuple[EnsembleDecoder, Memories]:
    members = toys(HistoryDecoder(9, seed=1), HistoryDecoder(9, seed=2))
    return EnsembleDecoder(members, average), Memories(tuple(memories))


def test_the_averages_are_those_of_hand() -> None:
    p, q = torch.tensor([0.9, 0.06, 0.04]), torch.tensor([0.01, 0.54, 0.45])
    logits = [p.log() + 7, q.log() - 3]  # softmax is invariant to a constant added to all logits
    geometric = torch.tensor([0.094868, 0.18, 0.134164])  # square roots of 0.009, 0.0324 and 0.018
    for average, expected in (
        ("probs", torch.tensor([0.455, 0.30, 0.245])),
        ("log_probs", geometric / geometric.sum()),
        ("logits", geometric / geometric.sum()),
    ):
        torch.testing.assert_close(combine(logits, average).softmax(0), expected, rtol=1e-5, atol=1e-6)


def test_one_sure_model_decides_an_arithmetic_mean_and_one_doubtful_model_a_geometric() -> None:
    logits = [torch.tensor([0.9, 0.06, 0.04]).log(), torch.tensor([0.01, 0.54, 0.45]).log()]
    assert combine(logits, "probs").argmax() == 0 and combine(logits, "logits").argmax() == 1


def test_probabilities_are_averaged_where_they_underflow() -> None:
    logits = [torch.tensor([0.0, -200.0, -300.0]), torch.tensor([0.0, -250.0, -200.0])]
    expected = torch.tensor([0.0, -200.6931, -200.6931])  # log(1/2): the other model contributes nothing
    torch.testing.assert_close(combine(logits, "probs"), expected)


@pytest.mark.parametrize("average", AVERAGES)
def test_half_precision_is_averaged_in_single(average: str) -> None:
    logits = torch.randn(2, 4, 9, generator=torch.Generator().manual_seed(0)).bfloat16()
    combined = combine(list(logits), average)
    assert combined.dtype == torch.float32
    assert torch.equal(combined, combine(list(logits.float()), average))


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("average", AVERAGES)
def test_a_model_with_itself_is_the_model(average: str, name: str) -> None:
    memory = toy_memory(LENGTHS)
    alone = search(name, HistoryDecoder(9), memory)
    doubled = EnsembleDecoder(toys(HistoryDecoder(9)) * 3, average)
    together = search(name, doubled, Memories((memory,) * 3))
    assert torch.equal(together.tokens, alone.tokens)
    torch.testing.assert_close(together.log_probs, alone.log_probs)
    torch.testing.assert_close(together.weights, alone.weights)


@pytest.mark.parametrize("average", AVERAGES)
def test_a_beam_scores_what_the_members_give_its_output(average: str) -> None:
    memories = [toy_memory(LENGTHS, seed=1), toy_memory(LENGTHS, seed=2)]
    decoder, memory = two(memories, average)
    found = Beam(size=4, max_extra=4)(decoder, memory, **IDS)
    for sentence in (0, 1, 2, 4):
        tokens = found.tokens[sentence, 0, : found.lengths[sentence, 0]]
        full = torch.stack(
            [
                distributions(member, one(part, sentence), tokens)
                for member, part in zip(decoder.members, memories, strict=True)
            ]
        )
        mean = full.exp().mean(0).log() if average == "probs" else full.mean(0).log_softmax(1)
        expected = mean.gather(1, tokens.unsqueeze(1)).sum()
        torch.testing.assert_close(found.log_probs[sentence, 0], expected)


def distributions(decoder: object, memory: object, tokens: torch.Tensor) -> torch.Tensor:
    """log p (T, V) of every word before each of ``tokens``, of a batch of one."""
    state, previous, rows = decoder.start(memory), torch.tensor([BOS]), []
    for token in tokens:
        features, state, *_ = decoder.step(previous, state, memory)
        rows.append(decoder.output(features).log_softmax(1))
        previous = token.unsqueeze(0)
    return torch.cat(rows)


@pytest.mark.parametrize("name", ["greedy", "beam"])
def test_a_sentence_is_translated_alike_alone_and_among_others(name: str) -> None:
    decoder, memory = two([toy_memory(LENGTHS, seed=1), toy_memory(LENGTHS, seed=2)], "probs")
    batch = search(name, decoder, memory)
    for sentence in range(len(LENGTHS)):
        alone = search(name, decoder, memory[torch.tensor([sentence])])
        width = alone.tokens.shape[2]
        assert torch.equal(alone.tokens[0], batch.tokens[sentence, :, :width])
        torch.testing.assert_close(alone.log_probs[0], batch.log_probs[sentence])


def test_the_order_of_members_does_not_matter() -> None:
    memories = [toy_memory(LENGTHS, seed=1), toy_memory(LENGTHS, seed=2)]
    decoder, memory = two(memories, "probs")
    turned = EnsembleDecoder(decoder.members[::-1], "probs")
    ours, theirs = search("beam", decoder, memory), search("beam", turned, Memories(tuple(memories[::-1])))
    assert torch.equal(ours.tokens, theirs.tokens)
    torch.testing.assert_close(ours.log_probs, theirs.log_probs)


def test_attention_is_the_mean_over_the_members_that_attend() -> None:
    memory = toy_memory([3, 4])
    members = toys(HistoryDecoder(9, seed=1), markov(9, sentences=2), HistoryDecoder(9, seed=2))
    tokens = torch.tensor([5, 6, 3])
    _, together = force(EnsembleDecoder(members), Memories((one(memory, 0),) * 3), tokens)
    alone = [force(members[number], one(memory, 0), tokens)[1] for number in (0, 2)]
    torch.testing.assert_close(together, (alone[0] + alone[1]) / 2)
    _, nowhere = force(EnsembleDecoder([members[1]] * 2), Memories((one(memory, 0),) * 2), tokens)
    assert nowhere is None


@pytest.mark.parametrize("average", AVERAGES)
def test_teacher_forcing_equals_stepping_whatever_the_members_are(average: str) -> None:
    """One attends and is fed its input, the other neither; their sizes differ."""
    fed = translator(LuongDecoder, "general", seed=1, hidden_size=6)
    plain = translator(LuongDecoder, "none", seed=2, hidden_size=7, input_feeding=False)
    net = Ensemble([fed, plain], average)
    source = sentences([[4, 5, 6], [7]])
    previous = torch.tensor([[2, 5, 6, 7], [2, 8, 0, 0]])
    features, weights = net(source, previous)
    memory = net.encode(source)
    state = net.decoder.start(memory)
    for t in range(previous.shape[1]):
        stepped, state, looked, _ = net.decoder.step(previous[:, t], state, memory)
        torch.testing.assert_close(stepped, features[:, t])
        torch.testing.assert_close(looked, weights[:, t])
    assert len(net.decoder.attention) == 1


def test_an_average_that_there_is_not_is_refused_with_those_that_are() -> None:
    with pytest.raises(UserError, match=r"ensemble=median is not a choice; .* logits, log_probs, probs"):
        EnsembleDecoder([markov(9)], "median")
