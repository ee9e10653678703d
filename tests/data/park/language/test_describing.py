"""The three sentences of a scene: true, different, and together they tell most of it."""

from itertools import product
from random import Random

import pytest

from seq2scene.data.park.language.describing import describe
from seq2scene.data.park.language.grammar import LANGUAGES, text, words_of
from seq2scene.data.park.language.meaning import Mention, Message
from seq2scene.data.park.language.telling import tell
from seq2scene.data.park.relations import relations_of
from seq2scene.data.park.sampling import sample_scene
from seq2scene.data.park.world import CHILDREN, EXPRESSIONS, POSES, Placed, Scene

MOODS = {"angry": ("angry",), "happy": ("laugh", "smile"), "sad": ("sad",), "surprised": ("surprised",)}


@pytest.fixture(scope="module")
def described() -> list[tuple[Scene, list[Message]]]:
    rng = Random(9)
    scenes = [sample_scene(rng) for _ in range(500)]
    return [(scene, describe(scene, rng)) for scene in scenes]


def clauses(described):
    return [(scene, clause) for scene, told in described for message in told for clause in message.clauses]


def test_a_scene_is_told_in_three_sentences_that_differ(described):
    for _, told in described:
        assert len({text(message, "en") for message in told}) == 3


def test_what_is_told_is_true(described):
    for scene, clause in clauses(described):
        assert not clause.negated
        assert set(clause.combinations()) <= {relation.combination for relation in scene.relations}


def test_moods_and_bearings_are_those_of_the_children(described):
    told = set()
    for scene, clause in clauses(described):
        for name in ("hb0", "hb1") if clause.subject.name == "both" else (clause.subject.name,):
            child = scene.get(name)
            if clause.adjective in MOODS:
                assert EXPRESSIONS[child.expression] in MOODS[clause.adjective]
            if clause.verb in ("laugh", "smile"):
                assert EXPRESSIONS[child.expression] == clause.verb
            if child and child.kind == "child" and clause.verb in ("run", "sit", "kneel"):
                assert POSES[child.pose] == clause.verb
            if clause.verb == "cheer":
                assert POSES[child.pose] == "arms_up"
        told.add(clause.adjective or clause.verb)
    assert {"angry", "happy", "sad", "surprised", "laugh", "smile", "run", "sit", "kneel", "cheer"} <= told


def test_only_what_is_there_is_spoken_of(described):
    for scene, clause in clauses(described):
        mentions = [clause.subject, clause.object, clause.recipient, clause.place and clause.place.anchor]
        for mention in filter(None, mentions):
            assert mention.name in scene or mention.name in ("both", "it")


def test_most_of_the_things_of_a_scene_and_most_faces_are_told(described):
    things = named = children = moods = 0
    for scene, told in described:
        parts = [clause for message in told for clause in message.clauses]
        mentions = [m for c in parts for m in (c.subject, c.object, c.place and c.place.anchor) if m]
        faces = [c.subject for c in parts if c.adjective or c.verb in ("laugh", "smile")]
        here = {thing.name for thing in scene.things}
        things, named = things + len(here), named + len(here & names_of(mentions))
        children, moods = children + len(here & {"hb0", "hb1"}), moods + len(names_of(faces))
    assert named / things > 0.72 and moods / children > 0.6


def names_of(mentions: list[Mention]) -> set[str]:
    names = {mention.name for mention in mentions}
    return names | {"hb0", "hb1"} if "both" in names else names


def test_sentences_are_short(described):
    lengths = [len(words_of(message, "en")) for _, told in described for message in told]
    assert max(lengths) <= 20 and sum(lengths) / len(lengths) < 12


@pytest.mark.parametrize("language", LANGUAGES)
def test_they_can_be_said_in_every_language(described, language):
    assert all(text(message, language).endswith(".") for _, told in described for message in told)


def test_a_child_alone_has_its_sentences_too():
    rng = Random(1)
    for name, pose, expression in product(CHILDREN, range(len(POSES)), range(len(EXPRESSIONS))):
        scene = Scene((Placed(name, 250, 300, 0, 0, pose, expression),), ())
        for messages in (describe(scene, rng), tell(scene, rng, 16)):
            for language in LANGUAGES:
                assert len({text(message, language) for message in messages}) == len(messages) in (3, 16)


def test_whatever_a_seed_puts_in_a_scene_or_hides_in_it_is_told():
    for seed in range(300):
        rng = Random(seed)
        scene = sample_scene(rng)
        shown = [thing for thing in scene.things if thing.kind == "child" or rng.random() < 0.4]
        for told in (scene, Scene(tuple(shown), relations_of(shown))):
            assert len({text(message, "en") for message in describe(told, rng)}) == 3
            assert all(text(m, language) for m in tell(told, rng, 3) for language in LANGUAGES)
