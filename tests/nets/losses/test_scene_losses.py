"""The losses are -log p of every real field, at the true cell, and of nothing else."""

from dataclasses import replace
from math import log

import pytest
import torch

from seq2scene.nets.losses.scene_losses import doubly_stochastic, fields
from seq2scene.nets.scene.scene_decoder import Taught
from seq2scene.scenes.objects import EOS, PAD, Objects
from small_clip_art import random_objects, schema_of

SCHEMA = schema_of()
CHILD = SCHEMA.number("hb0")


def objects_of(scenes: int = 4) -> Objects:
    """Scenes of up to six objects, ending in EOS."""
    drawn = random_objects(scenes, 6, seed=4)
    classes = drawn.classes.masked_fill(drawn.classes == EOS, CHILD)
    counts = torch.arange(scenes).unsqueeze(1) % 7
    return SCHEMA.with_end(
        Objects(classes.where(torch.arange(6) < counts, PAD), drawn.places, drawn.attributes)
    )


def taught(objects: Objects, certain: float = 0.0) -> Taught:
    """Outputs with logit ``certain`` for the truth and 0 for all else, in every field."""
    real, present = objects.classes != PAD, objects.present

    def logits(true: torch.Tensor, choices: int) -> torch.Tensor:
        return certain * torch.nn.functional.one_hot(true, choices).double()

    return Taught(
        objects=logits(objects.classes[real], SCHEMA.classes),
        places=logits(SCHEMA.cells(objects)[present], SCHEMA.grid.cells),
        attributes={
            name: logits(objects.attributes[name][present], head.classes)
            for name, head in SCHEMA.heads.items()
        },
        appearances=torch.zeros(int(present.sum()), 0),
        object_attention=None,
        attribute_attention=None,
    )


def test_a_model_that_knows_nothing_pays_the_logarithm_of_the_choices_for_each_field() -> None:
    objects = objects_of()
    found = fields(taught(objects), objects, SCHEMA)
    choices = {"object": 6, "place": 784, "size": 3, "flip": 2, "pose": 2, "expression": 3}
    assert found.keys() == choices.keys()
    for name, field in found.items():
        assert field.count > 0
        assert field.nll.item() == pytest.approx(log(choices[name]) * field.count.item(), rel=1e-5), name


def test_the_end_is_a_field_of_every_scene_and_only_children_have_poses() -> None:
    objects = objects_of()
    counts = {name: int(field.count) for name, field in fields(taught(objects), objects, SCHEMA).items()}
    placed, children = int(objects.present.sum()), int((objects.classes == CHILD).sum())
    assert counts["object"] == placed + len(objects) == 0 + 1 + 2 + 3 + 4
    assert counts["place"] == counts["size"] == counts["flip"] == placed
    assert counts["pose"] == counts["expression"] == children < placed


def test_a_model_that_is_certain_and_right_pays_nothing() -> None:
    objects = objects_of()
    assert all(field.nll < 1e-6 for field in fields(taught(objects, 40.0), objects, SCHEMA).values())


def test_what_the_model_says_of_the_pose_of_a_toy_is_not_heard() -> None:
    objects = objects_of()
    said = taught(objects)
    toys = objects.classes[objects.present] != CHILD
    assert toys.any()
    loud = said.attributes["pose"] + 9 * torch.randn(len(toys), 2) * toys.unsqueeze(1)
    changed = replace(said, attributes={**said.attributes, "pose": loud})
    ours, theirs = (fields(one, objects, SCHEMA)["pose"].nll for one in (said, changed))
    assert torch.equal(ours, theirs)


def test_empty_scenes_cost_their_end_alone_and_no_field_is_nan() -> None:
    objects = objects_of(1)
    assert objects.classes[0, 0] == EOS
    found = fields(taught(objects), objects, SCHEMA)
    assert {name: int(field.count) for name, field in found.items() if field.count} == {"object": 1}
    assert all(field.nll == 0 for name, field in found.items() if name != "object")


def test_the_wish_to_look_at_each_word_once_is_counted_scene_by_scene() -> None:
    """Scene 1 attends twice to its first word and never to its second, (2 - 1)^2 + (0 - 1)^2; scene 2 has one
    word and one step.
    """
    weights = torch.tensor([[[1.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [1.0, 0.0]]])
    steps = torch.tensor([[True, True], [True, False]])
    words = torch.tensor([[True, True], [True, False]])
    assert doubly_stochastic(weights, steps, words).tolist() == [2.0, 0.0]


def test_the_wish_has_the_derivatives_of_finite_differences_and_none_beyond_the_steps() -> None:
    weights = torch.rand(2, 3, 4, dtype=torch.float64, requires_grad=True)
    steps = torch.tensor([[True, True, False], [True, False, False]])
    words = torch.tensor([[True] * 4, [True, True, False, False]])
    assert torch.autograd.gradcheck(lambda w: doubly_stochastic(w, steps, words), weights)
    doubly_stochastic(weights, steps, words).sum().backward()
    assert not weights.grad[~steps].any() and weights.grad[steps].any()
