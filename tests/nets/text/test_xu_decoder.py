"""The decoder of Show, Attend and Tell: its formula, stepping = teacher forcing, the gradient of hard
attention.
"""

import pytest
import torch
from torch import nn

from pairs import pairwise
from seq2scene.errors import UserError
from seq2scene.nets.losses.hard_attention import Reinforce
from seq2scene.nets.text.initialisation import initialise_uniform
from seq2scene.nets.text.xu_decoder import Sampled, XuDecoder
from seq2scene.search.beam import Beam
from seq2scene.search.stepwise import Greedy
from seq2scene.sequences.memory import Memory
from seq2scene.sequences.padding import shift_right
from small_translators import ATTENTIONS, TARGETS, sentences

SCORES = ("dot", "general", "concat")
PLACES, SIZE, CELLS = 6, 5, 7


def decoder(attention: str = "concat", cell: str = "lstm", places: int = PLACES, **options) -> XuDecoder:
    torch.manual_seed(0)
    attend = ATTENTIONS[attention](CELLS, SIZE)
    options = {"embedding_size": 4, "hidden_size": CELLS, "dropout": 0.0, **options}
    net = XuDecoder(10, 0, SIZE, 1, attend, cell=cell, **options).double()
    initialise_uniform(net, 0.7)
    return net.eval()


def images(net: XuDecoder, count: int = len(TARGETS), places: int = PLACES) -> Memory:
    states = torch.randn(count, places, SIZE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    mask = torch.ones(count, places, dtype=torch.bool)
    final = (states.mean(1, keepdim=True),) * (2 if isinstance(net.rnn, nn.LSTM) else 1)
    return Memory(states, net.keys(states), mask, mask.sum(1), final)


def by_hand(net: XuDecoder, memory: Memory, previous: torch.Tensor, places=None) -> tuple:
    """The module's formula with PyTorch cells; given places (B, T), one location is attended to per step."""
    lstm = isinstance(net.rnn, nn.LSTM)
    cell = (nn.LSTMCell if lstm else nn.GRUCell)(net.rnn.input_size, net.rnn.hidden_size).double()
    cell.load_state_dict({key.removesuffix("_l0"): value for key, value in net.rnn.state_dict().items()})
    mean = memory.states.mean(1)
    state = tuple(torch.tanh(layer(mean)) for layer in net.bridge)
    features, weights = [], []
    for t in range(previous.shape[1]):
        scores = net.attention.score(state[0].unsqueeze(1), memory.keys)[:, 0]
        alpha = scores.softmax(1)
        seen = (alpha.unsqueeze(2) * memory.states).sum(1)
        if places is not None:
            seen = memory.states[torch.arange(len(memory)), places[:, t]]
        z = seen * torch.sigmoid(net.gate(state[0]))
        word = net.embedding(previous[:, t])
        inputs = torch.cat([word, z], dim=1)
        state = cell(inputs, state if lstm else state[0])
        state = state if lstm else (state,)
        features.append(word + net.from_hidden(state[0]) + net.from_context(z))
        weights.append(alpha)
    return torch.stack(features, 1), torch.stack(weights, 1)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_it_is_the_formula_of_its_first_page(score: str, cell: str) -> None:
    net = decoder(score, cell)
    memory, previous = images(net), shift_right(sentences(TARGETS).ids, 2)
    torch.testing.assert_close(net(memory, previous), by_hand(net, memory, previous))


def test_the_first_state_may_come_through_a_hidden_layer_and_the_output_through_tanh() -> None:
    plain, deep = decoder(), decoder(mean_layer=True, tanh=True)
    deep.load_state_dict(plain.state_dict(), strict=False)
    mean = images(deep).final[0]
    expected = torch.tanh(plain.bridge[0](deep.mean_layer(mean).relu()))
    torch.testing.assert_close(deep.start(images(deep))[0][0], expected)
    assert deep(images(deep), shift_right(sentences(TARGETS).ids, 2))[0].abs().max() < 1


@pytest.mark.parametrize(("score", "cell", "gate"), pairwise(SCORES, ["lstm", "gru"], [True, False]))
def test_all_steps_at_once_equal_one_by_one(score: str, cell: str, gate: bool) -> None:
    net = decoder(score, cell, gate=gate)
    memory, previous = images(net), shift_right(sentences(TARGETS).ids, 2)
    features, weights = net(memory, previous)
    state = net.start(memory)
    for t in range(previous.shape[1]):
        stepped, state, looked, _ = net.step(previous[:, t], state, memory)
        torch.testing.assert_close(stepped, features[:, t])
        torch.testing.assert_close(looked, weights[:, t])


class Whole(nn.Module):
    """From annotations to logits and weights, including the decoder's keys and initial state."""

    def __init__(self, net: XuDecoder) -> None:
        super().__init__()
        self.net = net

    def forward(self, states: torch.Tensor, previous: torch.Tensor) -> torch.Tensor:
        mask, mean = torch.ones(states.shape[:2], dtype=torch.bool), states.mean(1, keepdim=True)
        memory = Memory(states, self.net.keys(states), mask, mask.sum(1), (mean, mean))
        features, weights = self.net(memory, previous)
        return torch.cat([self.net.output(features).flatten(), weights.flatten()])


def test_its_gradients_are_those_of_its_values() -> None:
    whole = Whole(decoder(mean_layer=True, tanh=True))
    names = [name for name, _ in whole.named_parameters()]

    def run(states: torch.Tensor, *parameters: torch.Tensor) -> torch.Tensor:
        given = dict(zip(names, parameters, strict=True))
        return torch.func.functional_call(whole, given, (states, torch.tensor([[2, 5, 6], [2, 9, 9]])))

    parameters = (p.detach().clone().requires_grad_() for p in whole.parameters())
    states = images(whole.net, 2).states.clone().requires_grad_()
    torch.autograd.gradcheck(run, (states, *parameters), fast_mode=True)


def test_beams_of_an_image_share_its_memory() -> None:
    net = decoder()
    memory, count = images(net), len(TARGETS)
    twice = memory[torch.arange(count).repeat_interleave(2)]
    shared = copied = net.start(twice)
    for previous in (torch.arange(2, 2 + 2 * count), torch.arange(2, 2 + 2 * count).flip(0)):
        *ours, looked, _ = net.step(previous % 10, shared, memory)
        *theirs, seen, _ = net.step(previous % 10, copied, twice)
        torch.testing.assert_close((ours, looked), (theirs, seen))
        shared, copied = ours[1], theirs[1]


def test_a_beam_of_one_is_greedy_search() -> None:
    net, symbols = decoder(), {"bos": 2, "eos": 3, "pad": 0, "unk": 1}
    limits = {"max_ratio": 0.0, "max_extra": 8}
    greedy = Greedy(**limits)(net, images(net), **symbols, keep_weights=True)
    beam = Beam(size=1, **limits)(net, images(net), **symbols, keep_weights=True)
    assert torch.equal(greedy.tokens, beam.tokens)
    torch.testing.assert_close(greedy.log_probs, beam.log_probs)
    torch.testing.assert_close(greedy.weights, beam.weights)


def test_tied_embeddings_need_no_equal_sizes_of_cells() -> None:
    net = decoder(tied=True)
    assert net.output.weight is net.embedding.weight and net.rnn.hidden_size != net.embedding.embedding_dim


def test_without_attention_it_would_be_blind() -> None:
    with pytest.raises(UserError, match=r"attention=none.*choose e.g. concat"):
        decoder("none")


# Hard attention


def test_a_sampled_pass_sees_the_places_it_drew_and_nothing_else() -> None:
    net = decoder()
    memory, previous = images(net), shift_right(sentences(TARGETS).ids, 2)
    sampled = net.sample(memory, previous, expectation=0.0)
    assert sampled.drawn.all()
    expected = by_hand(net, memory, previous, sampled.places)
    torch.testing.assert_close((sampled.features, sampled.weights), expected)


def test_a_sentence_by_expectation_is_one_of_soft_attention() -> None:
    net = decoder()
    memory, previous = images(net, 40), shift_right(sentences(TARGETS * 10).ids, 2)
    soft, sampled = net(memory, previous)[0], net.sample(memory, previous, expectation=0.5)
    same = torch.isclose(sampled.features, soft).all(dim=(1, 2))
    assert torch.equal(same, ~sampled.drawn)
    assert 10 <= int(sampled.drawn.sum()) <= 30
    assert torch.allclose(net.sample(memory, previous, expectation=1.0).features, soft)


def copies(count: int) -> tuple[XuDecoder, Memory, torch.Tensor, torch.Tensor]:
    """One image of three locations and one caption of two steps, ``count`` times: small enough to
    enumerate.
    """
    net = decoder()
    memory = images(net, 1, places=3)[torch.zeros(count, dtype=torch.int64)]
    return net, memory, torch.tensor([[2, 5]]).expand(count, 2), torch.tensor([[5, 3]]).expand(count, 2)


def test_places_are_drawn_as_often_as_attention_has_it() -> None:
    torch.manual_seed(0)
    net, memory, previous, _ = copies(20_000)
    with torch.no_grad():
        sampled = net.sample(memory, previous, expectation=0.0)
    shares = nn.functional.one_hot(sampled.places[:, 0], 3).double().mean(0)
    torch.testing.assert_close(shares, sampled.weights[0, 0], atol=0.015, rtol=0)
    assert (sampled.weights[0, 0] - 1 / 3).abs().max() > 0.02  # or uniform probabilities would pass


def each_outcome(net: XuDecoder, memory: Memory, previous: torch.Tensor) -> Sampled:
    """All nine sequences of two out of three locations, one per row."""
    sampled = net.sample(memory, previous, expectation=0.0)
    outcome = sampled.places[:, 0] * 3 + sampled.places[:, 1]
    first = torch.stack([(outcome == o).nonzero()[0, 0] for o in range(9)])
    return Sampled(*(part[first] for part in vars(sampled).values()))


@pytest.mark.parametrize("baseline", [0.0, -4.0])
def test_the_estimate_of_the_gradient_is_without_bias_whatever_the_baseline(baseline: float) -> None:
    """Its mean over all outcomes, weighted by their probability, is the gradient of the expected loss."""
    torch.manual_seed(0)
    net, memory, previous, gold = copies(2000)
    outcomes = each_outcome(net, memory, previous)
    log_p = net.output(outcomes.features).log_softmax(2).gather(2, gold[:9].unsqueeze(2)).sum((1, 2))  # (9,)
    chance = outcomes.weights.gather(2, outcomes.places.unsqueeze(2)).prod(1).squeeze(1)  # p(s | a)
    torch.testing.assert_close(chance.sum(), torch.ones((), dtype=chance.dtype))
    reinforce = Reinforce(reward=1.0, entropy=0.0).double().eval()
    reinforce.baseline.fill_(baseline)
    steps = torch.ones(1, 2, dtype=torch.bool)
    surrogate = log_p.new_zeros(())
    for o in range(9):
        one = Sampled(*(part[o : o + 1] for part in vars(outcomes).values()))
        surrogate = surrogate + chance[o].detach() * (reinforce(one, steps, log_p[o : o + 1]) - log_p[o])
    expected = -(chance * log_p).sum()
    parameters = [p for name, p in net.named_parameters()]
    exact = torch.autograd.grad(expected, parameters, retain_graph=True, allow_unused=True)
    estimate = torch.autograd.grad(surrogate, parameters, retain_graph=True, allow_unused=True)
    without = torch.autograd.grad(-(chance.detach() * log_p).sum(), parameters, allow_unused=True)
    for name, ours, theirs in zip(dict(net.named_parameters()), estimate, exact, strict=True):
        torch.testing.assert_close(ours, theirs, msg=name)
    of_attention = [n for n, _ in net.named_parameters()].index("attention.score.query.weight")
    assert not torch.allclose(without[of_attention], exact[of_attention])  # its only source of gradient


def fake(weights: torch.Tensor, places: list[list[int]], drawn: list[bool]) -> Sampled:
    return Sampled(
        torch.zeros(len(drawn), len(places[0]), 1), weights, torch.tensor(places), torch.tensor(drawn)
    )


def test_the_loss_of_looking_is_what_the_formula_says() -> None:
    weights = torch.tensor([[[0.5, 0.5], [0.9, 0.1]], [[0.25, 0.75], [0.5, 0.5]]])
    steps = torch.tensor([[True, False], [True, True]])
    reinforce = Reinforce(reward=0.1, entropy=0.002).eval()
    reinforce.baseline.fill_(-10.0)
    loss = reinforce(fake(weights, [[0, 0], [1, 0]], [True, False]), steps, torch.tensor([-8.0, -3.0]))
    entropy = torch.tensor([0.5, 0.5, 0.25, 0.75, 0.5, 0.5])
    expected = -0.1 * 2.0 * torch.tensor(0.5).log() + 0.002 * (entropy * entropy.log()).sum()
    torch.testing.assert_close(loss, expected)


def test_the_baseline_moves_a_tenth_towards_the_sentences_that_were_drawn_and_in_training_alone() -> None:
    reinforce = Reinforce()
    weights, steps = torch.full((3, 1, 2), 0.5), torch.ones(3, 1, dtype=torch.bool)
    rewards = torch.tensor([-10.0, -20.0, -90.0])
    places = [[0], [1], [0]]
    reinforce(fake(weights, places, [True, True, False]), steps, rewards)
    torch.testing.assert_close(reinforce.baseline, torch.tensor(-1.5))
    reinforce(fake(weights, places, [True, True, False]), steps, rewards)
    torch.testing.assert_close(reinforce.baseline, torch.tensor(-1.5 * 0.9 - 1.5))
    held = reinforce.baseline.clone()
    reinforce(fake(weights, places, [False] * 3), steps, rewards)
    reinforce.eval()(fake(weights, places, [True] * 3), steps, rewards)
    assert torch.equal(reinforce.baseline, held)


def test_a_place_of_no_weight_has_no_infinite_loss() -> None:
    weights = torch.tensor([[[1.0, 0.0]]], requires_grad=True)
    loss = Reinforce()(fake(weights, [[0]], [True]), torch.ones(1, 1, dtype=torch.bool), torch.tensor([-5.0]))
    loss.backward()
    assert torch.isfinite(loss) and torch.isfinite(weights.grad).all()
