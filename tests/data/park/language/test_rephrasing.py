"""Regrouped and rephrased messages: never another fact, and none that is lost by regrouping."""

from random import Random

import pytest

from seq2scene.data.park.language.describing import describe
from seq2scene.data.park.language.grammar import text
from seq2scene.data.park.language.meaning import Clause, Mention, Message
from seq2scene.data.park.language.rephrasing import regroup, rephrase
from seq2scene.data.park.language.stating import stated
from seq2scene.data.park.sampling import sample_scene


@pytest.fixture(scope="module")
def texts() -> list[list[Message]]:
    rng = Random(0)
    return [describe(sample_scene(rng), rng) for _ in range(300)]


def both_do(mike: str, jenny: str) -> list[Message]:
    """Mike and Jenny look at the sun, in these moods."""
    return [
        Message("same", (Clause("be", who, adjective=mood), Clause("look", who, Mention("s_3"))))
        for who, mood in ((Mention("hb0", "name"), mike), (Mention("hb1", "name"), jenny))
    ]


def test_regrouped_messages_state_the_same_facts(texts) -> None:
    rng, changed = Random(1), 0
    for messages in texts:
        regrouped = regroup(messages, rng)
        assert len(regrouped) == len(messages)
        assert {f for m in regrouped for f in stated(m)} == {f for m in messages for f in stated(m)}
        changed += regrouped != messages
    assert changed > 30


def test_what_both_children_do_is_said_of_the_two_at_once() -> None:
    told = {tuple(text(m, "en") for m in regroup(both_do("happy", "sad"), Random(n))) for n in range(9)}
    assert told == {
        ("Mike is happy and is looking at the sun.", "Jenny is sad and is looking at the sun."),
        ("Mike is happy, and Jenny is sad.", "Mike and Jenny are looking at the sun."),
    }


def test_a_rephrased_message_states_nothing_else_and_may_leave_out_colours(texts) -> None:
    rng, less = Random(1), 0
    for message in (message for messages in texts for message in messages):
        before, after = {*stated(message)}, {*stated(rephrase(message, rng))}
        assert after <= before and {fact.kind for fact in before - after} <= {"colour"}
        less += after < before
    assert less > 50


def test_a_mood_may_get_a_reason_and_whoever_was_named_a_pronoun() -> None:
    message = both_do("happy", "sad")[1]
    told = {text(rephrase(message, Random(n)), "en") for n in range(300)}
    assert {
        "Jenny is sad because she is looking at the sun.",
        "Jenny is sad, and she is looking at the sun.",
        "Jenny is looking at the sun and is sad.",
        "She is sad and is looking at the sun.",
    } <= told
