"""What texts state becomes targets for pairs of objects, in both directions."""

import pytest
import torch

from seq2scene.errors import UserError
from seq2scene.scenes.facts import Fact
from seq2scene.scenes.objects import EOS, SOS, Objects
from seq2scene.scenes.statements import NUMBERS, STATEMENTS, SentenceStatements, of_pairs, statements
from small_clip_art import schema_of

SCHEMA = schema_of(("p_0", "hb0", "hb1", "t_0"))
TREE, MIKE, JENNY, BALL = (SCHEMA.number(name) for name in SCHEMA.names)
HOLD = Fact("hold", "hb0", "t_0")
SAD = Fact("mood", "hb1", value="sad")


def number(kind: str, value: str | None = None) -> int:
    return NUMBERS[kind, value]


def test_relations_and_attributes_are_statements_and_things_and_denials_are_not() -> None:
    left = Fact("left_of", "hb1", "p_0", denied=True)
    kick = Fact("kick", "hb0", "t_0", recipient="hb1")
    found = statements((Fact("thing", "p_0"), left, HOLD, kick, SAD), SCHEMA)
    assert found.tolist() == [
        [MIKE, number("hold"), BALL],
        [MIKE, number("kick"), BALL],
        [MIKE, number("recipient"), JENNY],
        [JENNY, number("mood", "sad"), SOS],
    ]
    assert statements((), SCHEMA).shape == (0, 3)


@pytest.mark.parametrize(
    ("fact", "name"),
    [
        (Fact("mood", "hb9", value="sad"), "hb9"),
        (Fact("near", "hb0", "p_9"), "p_9"),
        (Fact("kick", "hb0", "t_0", recipient="a_9"), "a_9"),
    ],
)
def test_a_fact_about_a_class_that_the_scenes_do_not_have_is_refused_by_name(fact, name) -> None:
    with pytest.raises(UserError, match=f"{fact.kind}.*: these scenes have no object class {name}"):
        statements((HOLD, fact), SCHEMA)


def test_a_text_has_the_statements_of_the_sentences_it_is_drawn_from() -> None:
    """Two samples; the first has two sentences, the second three, of which the second states nothing."""
    near, on = Fact("near", "hb0", "p_0"), Fact("on", "t_0", "p_0")
    known = SentenceStatements([[(HOLD,), (SAD,)], [(near, on), (), (HOLD, SAD)]], SCHEMA)
    drawn = known.of(torch.tensor([[0, 0, 0], [1, 1, 1], [1, 0, 1]]))
    kinds = [(row, STATEMENTS[kind][0]) for row, _, kind, _ in drawn.tolist()]
    assert kinds == [
        *((0, kind) for kind in ("hold", "mood")),
        *((1, kind) for kind in ("near", "on", "hold", "mood")),
        *((2, kind) for kind in ("near", "on", "mood", "hold", "mood")),
    ]


def test_a_pair_is_labelled_once_the_second_of_the_two_is_placed() -> None:
    objects = Objects.of(torch.tensor([[TREE, JENNY, EOS], [BALL, MIKE, EOS]]), torch.zeros(2, 3, 2), {})
    stated = [
        (0, JENNY, number("near"), TREE),
        (0, JENNY, number("mood", "sad"), SOS),
        (1, MIKE, number("hold"), BALL),
    ]
    found = of_pairs(torch.tensor(stated), objects)
    assert found.shape == (2, 3, 3, 2, len(STATEMENTS))
    assert found.nonzero().tolist() == [  # scene, object, anchor (0: the canvas), way, statement
        [0, 1, 0, 0, number("mood", "sad")],
        [0, 1, 1, 0, number("near")],
        [1, 1, 1, 0, number("hold")],
    ]
    other = Objects.of(torch.tensor([[MIKE, BALL, EOS]]), torch.zeros(1, 3, 2), {})
    twice = torch.tensor([(0, MIKE, number("hold"), BALL)] * 2)
    assert of_pairs(twice, other).nonzero().tolist() == [[0, 1, 1, 1, number("hold")]]
    assert of_pairs(twice, other).max() == 1


def test_texts_that_state_nothing_have_no_labels() -> None:
    objects = Objects.of(torch.tensor([[TREE, EOS]]), torch.zeros(1, 2, 2), {})
    nothing = SentenceStatements([[()]], SCHEMA).of(torch.tensor([[0]]))
    assert nothing.shape == (0, 4)
    assert not of_pairs(nothing, objects).any()
