"""What is told of a scene is true of it."""

from random import Random

import pytest

from seq2scene.data.park.language.grammar import text
from seq2scene.data.park.language.meaning import Clause, Message
from seq2scene.data.park.language.telling import tell
from seq2scene.data.park.sampling import sample_scene
from seq2scene.data.park.world import EXPRESSIONS, Scene

MOODS = {"angry": ("angry",), "happy": ("laugh", "smile"), "sad": ("sad",), "surprised": ("surprised",)}


@pytest.fixture(scope="module")
def told() -> list[tuple[Scene, Message]]:
    rng = Random(9)
    scenes = [sample_scene(rng) for _ in range(400)]
    return [(scene, message) for scene in scenes for message in tell(scene, rng, 5)]


def clauses(told):
    return [(scene, clause) for scene, message in told for clause in message.clauses]


def children(clause: Clause) -> list[str]:
    return ["hb0", "hb1"] if clause.subject.name == "both" else [clause.subject.name]


def test_what_is_stated_is_a_relation_of_the_scene(told):
    for scene, clause in clauses(told):
        if not clause.negated:
            true = {relation.combination for relation in scene.relations}
            assert set(clause.combinations()) <= true


def test_what_is_denied_is_not(told):
    denied = [(scene, clause) for scene, clause in clauses(told) if clause.negated and clause.object]
    assert denied
    for scene, clause in denied:
        assert not set(clause.combinations()) & {relation.combination for relation in scene.relations}


def test_moods_are_those_of_the_faces(told):
    moods = [(scene, clause) for scene, clause in clauses(told) if clause.adjective in MOODS]
    assert moods
    for scene, clause in moods:
        faces = {EXPRESSIONS[scene[name].expression] for name in children(clause)}
        assert (faces <= set(MOODS[clause.adjective])) != clause.negated


def test_it_rains_from_a_rain_cloud_and_the_sun_shines_where_it_is(told):
    assert all("s_5" in scene for scene, clause in clauses(told) if clause.verb == "rain")
    assert all("s_3" in scene for scene, clause in clauses(told) if clause.verb == "shine")


def test_big_things_are_near_and_small_things_far(told):
    mentions = [(s, m) for s, c in clauses(told) for m in (c.subject, c.object) if m and m.size]
    assert {mention.size for _, mention in mentions} == {"big", "small"}
    assert all(scene[mention.name].z == {"big": 0, "small": 2}[mention.size] for scene, mention in mentions)


def test_the_messages_about_a_scene_differ():
    rng = Random(1)
    messages = tell(sample_scene(rng), rng, 12)
    assert len({text(message, "en") for message in messages}) == 12
