"""Scenes: the relations stated are true of the positions, and the positions can be drawn."""

from collections import Counter
from random import Random

import pytest

from seq2scene.data.park.relations import relations_of
from seq2scene.data.park.sampling import sample_scene
from seq2scene.data.park.world import BALLS, CANVAS, SCALES, THINGS, Placed, Relation, Scene


@pytest.fixture(scope="module")
def scenes() -> list[Scene]:
    rng = Random(7)
    return [sample_scene(rng) for _ in range(400)]


def stated(scenes: list[Scene], kind: str):
    found = [(s[r.subject], s[r.object], r) for s in scenes for r in s.relations if r.kind == kind]
    assert found, f"no scene has {kind}"
    return found


def test_the_same_seed_gives_the_same_scene():
    assert sample_scene(Random(3)) == sample_scene(Random(3)) != sample_scene(Random(4))


def test_relations_are_a_function_of_positions_alone(scenes):
    assert all(relations_of(scene.things) == scene.relations for scene in scenes)


def test_no_class_occurs_twice_and_a_child_is_always_there(scenes):
    for scene in scenes:
        names = [thing.name for thing in scene.things]
        assert len(set(names)) == len(names)
        assert {"hb0", "hb1"} & set(names)


def test_every_class_is_drawn_sooner_or_later():
    rng = Random(0)
    assert {thing.name for _ in range(1500) for thing in sample_scene(rng).things} == set(THINGS)


def test_things_lie_on_the_canvas(scenes):
    for thing in (thing for scene in scenes for thing in scene.things):
        assert -10 <= thing.x <= CANVAS[0] + 10 and -30 <= thing.y <= CANVAS[1]
        assert thing.z in range(len(SCALES)) and thing.flip in (0, 1)
        assert (thing.pose, thing.expression) == (0, 0) or thing.kind == "child"


def test_farther_things_stand_higher_and_are_drawn_smaller(scenes):
    feet = {0: [], 1: [], 2: []}
    for thing in (thing for scene in scenes for thing in scene.things if thing.kind == "large"):
        feet[thing.z].append(thing.bottom)
    assert min(feet[0]) > max(feet[1]) and min(feet[1]) > max(feet[2])
    assert Placed("p_8", 0, 0, 2, 0).width == pytest.approx(0.49 * THINGS["p_8"].width)


def test_left_and_right_are_left_and_right(scenes):
    assert all(one.right <= other.left for one, other, _ in stated(scenes, "left_of"))
    assert all(one.left >= other.right for one, other, _ in stated(scenes, "right_of"))


def test_what_is_in_front_is_nearer_and_overlaps(scenes):
    for one, other, _ in stated(scenes, "in_front_of"):
        assert one.z < other.z and other.left <= one.x <= other.right
    assert all(one.z > other.z for one, other, _ in stated(scenes, "behind"))


def test_what_flies_above_a_thing_is_above_it(scenes):
    for one, other, _ in stated(scenes, "above"):
        assert one.kind == "sky" and one.bottom <= other.top and abs(one.x - other.x) <= 45


def test_what_is_held_is_at_the_hand_and_what_is_worn_at_the_head(scenes):
    for one, other, _ in stated(scenes, "hold"):
        assert (other.x, other.y) == pytest.approx(one.hand, abs=8)
    for one, other, _ in stated(scenes, "wear"):
        assert one.top - 30 <= other.y <= one.y + 20 and abs(other.x - one.x) <= 15


def test_what_rests_on_a_thing_ends_within_it(scenes):
    for one, other, _ in stated(scenes, "on"):
        assert other.top <= one.bottom <= other.bottom + 8 and other.left <= one.x <= other.right


def test_who_looks_at_a_thing_faces_it_and_who_flees_turns_its_back(scenes):
    for one, other, _ in stated(scenes, "look"):
        assert (other.x > one.x) == (one.flip == 0)
    for one, other, _ in stated(scenes, "flee"):
        assert (other.x > one.x) == (one.flip == 1)


def test_only_balls_are_kicked_and_only_with_the_foot_forward(scenes):
    for one, other, _ in stated(scenes, "kick"):
        assert other.name in BALLS and (other.x > one.x) == (one.flip == 0)


def test_moving_a_held_thing_away_ends_the_holding():
    child = Placed("hb0", 200, 290, 0, 0, pose=0)
    x, y = map(round, child.hand)
    held, dropped = Placed("t_13", x, y, 0, 0), Placed("t_13", x + 40, y, 0, 0)
    assert Relation("hold", "hb0", "t_13") in relations_of((child, held))
    assert Relation("hold", "hb0", "t_13") not in relations_of((child, dropped))


def test_scenes_have_about_as_many_things_as_the_published_ones(scenes):
    sizes = Counter(len(scene.things) for scene in scenes)
    assert 6 <= sum(size * count for size, count in sizes.items()) / len(scenes) <= 9
    assert max(sizes) <= 16


def test_children_are_named_by_pose_and_expression():
    assert Placed("hb1", 0, 0, 0, 0, pose=2, expression=3).picture == "hb1_13s"
    assert Placed("t_13", 0, 0, 0, 0).picture == "t_13s"
