"""What a writer of scenes weighs at each step, and what it writes when its classes look elsewhere in one."""

import copy

import pytest

import seq2scene
from seq2scene.errors import UserError
from seq2scene.models.changed_attention import Change
from seq2scene.models.scene_choices import choices, greedy_like
from seq2scene.models.scene_writer import SceneWriter
from seq2scene.search.beam import Beam
from seq2scene.search.stepwise import Greedy

TEXT = "Mike is happy and holds a hotdog. Jenny is kicking the ball."
HOTDOG = 6  # among the words


@pytest.fixture(scope="module")
def model() -> SceneWriter:
    return seq2scene.load("park-scene")


def named(scene) -> list[str]:
    return [one["class"] for one in scene.objects]


def test_each_object_was_the_likeliest_and_the_end_comes_last(model) -> None:
    scene = model.write(TEXT)
    found = choices(model, scene)
    assert [one.chosen.name for one in found] == [*named(scene), None]
    assert all(one.chosen == one.alternatives[0] for one in found)
    for one in found:
        assert sum(one.attention) == pytest.approx(1, abs=1e-5)
        assert len(one.attention) == len(model.words(scene.sentences))
    assert choices(model, model.write("qwerty")) == []
    assert greedy_like(Beam(size=3, max_extra=9)) == Greedy(max_extra=9)


def test_what_a_scene_has_no_room_for_is_no_alternative(model) -> None:
    scene = model.write(TEXT)
    for number, one in enumerate(choices(model, scene, count=100)):
        spent = [
            name for name in named(scene)[:number] if model.schema.limits()[model.schema.number(name)] == 1
        ]
        assert not {*spent} & {other.name for other in one.alternatives}
        assert sum(other.probability for other in one.alternatives) == pytest.approx(1, abs=1e-4)


def test_only_what_follows_the_changed_step_differs(model) -> None:
    own = model.write(TEXT)
    step = named(own).index("e_2")
    words = len(model.words(own.sentences))
    before = choices(model, own)
    for change in (Change(masked=[HOTDOG]), Change(weights=[0.0] * (words - 1) + [1.0])):
        other = model.with_attention({step: change})
        scene = other.write(TEXT)
        found = choices(other, scene)
        assert scene.objects[:step] == own.objects[:step] and scene.objects != own.objects
        assert found[:step] == before[:step]
        expected = change.weights or [
            weight * (at != HOTDOG) for at, weight in enumerate(found[step].attention)
        ]
        assert found[step].attention == pytest.approx(expected)
    assert model.write(TEXT).objects == own.objects  # the model itself is as it was


def test_no_change_changes_nothing_and_given_objects_and_samples_are_written_as_well(model) -> None:
    own, other = model.write(TEXT), model.with_attention({1: Change(), 3: Change()})
    assert other.write(TEXT).objects == own.objects
    given = model.write("Jenny is sad.")
    assert other.write(TEXT, given=given).objects == model.write(TEXT, given=given).objects
    seeds = [net.sample(TEXT, count=3, seed=1) for net in (model, other)]
    assert [one.objects for one in seeds[0]] == [one.objects for one in seeds[1]]


def test_changes_that_do_not_fit_are_refused(model) -> None:
    with pytest.raises(UserError, match="one for each"):
        model.with_attention({0: Change(weights=[1.0])}).write(TEXT)
    with pytest.raises(UserError, match="positions"):
        model.with_attention({0: Change(masked=[99])}).write(TEXT)
    blind = copy.deepcopy(model)
    blind.decoder.readings.reader = None
    with pytest.raises(UserError, match="do not attend"):
        blind.with_attention({})
