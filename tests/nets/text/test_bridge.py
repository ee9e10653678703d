"""From the encoder's final state to the decoder's initial one."""

import pytest
import torch

from seq2scene.errors import UserError
from seq2scene.nets.text.bridge import Bridge
from seq2scene.nets.text.encoders import RecurrentEncoder
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.memory import Memory


def memory(layers: int = 2, size: int = 3, states: int = 2) -> Memory:
    torch.manual_seed(0)
    final = tuple(torch.randn(4, layers, size) for _ in range(states))
    return Memory(torch.randn(4, 5, size), None, None, torch.full((4,), 5), final)


def test_a_copy_is_the_encoders_state_itself() -> None:
    start = memory()
    assert Bridge("copy", "lstm", 2, 3, 2, 3)(start) is start.final


@pytest.mark.parametrize(("cell", "states"), [("lstm", 2), ("gru", 1)])
def test_a_linear_bridge_has_one_layer_for_all_h_and_one_for_all_c(cell: str, states: int) -> None:
    bridge, start = Bridge("linear", cell, 2, 3, 2, 6), memory(states=states)
    first = bridge(start)
    assert len(bridge) == len(first) == states
    for layer, ours, theirs in zip(bridge, first, start.final, strict=True):
        expected = torch.tanh(theirs @ layer.weight.t() + layer.bias)
        assert ours.shape == (4, 2, 6)
        torch.testing.assert_close(ours, expected)


def test_a_zero_bridge_needs_nothing_in_common() -> None:
    first = Bridge("zero", "lstm", 2, 3, 4, 6)(memory())
    assert [tuple(state.shape) for state in first] == [(4, 4, 6)] * 2
    assert all((state == 0).all() for state in first)
    for cell, other in (("lstm", 1), ("gru", 2)):
        assert len(Bridge("zero", cell, 2, 3, 4, 6)(memory(states=other))) == 3 - other


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize(
    ("kind", "shape"), [("copy", (2, 3, 2, 3)), ("linear", (2, 3, 2, 6)), ("directions", (2, 4, 4, 2))]
)
def test_a_state_of_another_cell_is_refused(kind: str, cell: str, shape: tuple[int, ...]) -> None:
    bridge, other = Bridge(kind, cell, *shape), "gru" if cell == "lstm" else "lstm"
    message = f"bridge={kind} needs .* the encoder's is {other}, the decoder's {cell}; .* use bridge=zero"
    with pytest.raises(UserError, match=message):
        bridge.require_cell(other)
    with pytest.raises(UserError, match=message):
        bridge(memory(states=1 if cell == "lstm" else 2))
    bridge.require_cell(cell)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("layers", [1, 2])
def test_each_direction_of_the_encoder_starts_a_layer_of_its_own(cell: str, layers: int) -> None:
    """The forward direction ends at the last word, the backward one at the first."""
    torch.manual_seed(0)
    encoder = RecurrentEncoder(10, 0, embedding_size=4, hidden_size=3, layers=layers, cell=cell)
    ids, lengths = torch.tensor([[4, 5, 6, 7], [8, 9, 0, 0]]), torch.tensor([4, 2])
    states, final = encoder(Sentences.of(ids, lengths))
    first = Bridge("directions", cell, layers, 6, 2 * layers, 3)(Memory(states, None, None, lengths, final))
    assert [tuple(state.shape) for state in first] == [(2, 2 * layers, 3)] * len(final)
    torch.testing.assert_close(first[0][:, -2], states[torch.arange(2), lengths - 1, :3])
    torch.testing.assert_close(first[0][:, -1], states[:, 0, 3:])
    for ours, theirs in zip(first, final, strict=True):
        assert torch.equal(ours[:, 0], theirs[:, 0, :3]) and torch.equal(ours[:, 1], theirs[:, 0, 3:])


@pytest.mark.parametrize(
    ("kind", "shape", "message"),
    [
        ("copy", (2, 3, 2, 6), "bridge=copy needs .* 2 layers of 3, the decoder 2 of 6; use linear"),
        ("copy", (1, 3, 2, 3), "bridge=copy needs .* 1 layers of 3, the decoder 2 of 3"),
        ("directions", (1, 6, 2, 6), "both directions together.*, the decoder 2 of 6"),
        ("directions", (2, 6, 2, 3), "the encoder has 2 layers of 6 .*, the decoder 2 of 3"),
        ("linear", (1, 3, 2, 6), "the encoder has 1 layers, the decoder 2; .* bridge=zero"),
    ],
)
def test_states_that_do_not_fit_are_refused(kind: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        Bridge(kind, "lstm", *shape)
