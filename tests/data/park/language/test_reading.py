"""What typed English states: nothing that it does not state, and nothing of what is not understood."""

import time
from dataclasses import replace
from random import Random

import pytest

from seq2scene.data.park.language.grammar import text
from seq2scene.data.park.language.reading import Statement, read_sentences
from seq2scene.data.park.language.rich_english import say
from seq2scene.data.park.language.stating import stated
from seq2scene.data.park.language.telling import tell
from seq2scene.data.park.sampling import sample_scene
from seq2scene.scenes.clip_art import Placed
from seq2scene.scenes.facts import Fact
from seq2scene.scenes.relations import RELATIONS

DOG, TENT = "a_2", "p_5"


def facts(typed: str) -> list[set[Fact]]:
    """The meanings of each statement of a text that is understood."""
    return [{*one.facts} for one in statements(typed)]


def statements(typed: str) -> list[Statement]:
    found = [sentence.statements for sentence in read_sentences(typed)]
    assert None not in found, typed
    return [one for told in found for one in told]


@pytest.mark.parametrize(("rich", "least"), [(False, 0.85), (True, 0.7)])
def test_the_parks_own_sentences_state_what_they_stated(rich: bool, least: float) -> None:
    rng, read, count = Random(5), 0, 0
    for scene in [sample_scene(rng) for _ in range(40)]:
        for message in tell(scene, rng, 5):
            sentences = read_sentences(say(message, scene, rng) if rich else text(message, "en"))
            count += 1
            if all(sentence.statements is not None for sentence in sentences):
                read += 1
                found = [one for sentence in sentences for one in sentence.statements]
                if not rich:  # rich English says less, or in other words
                    assert all({*one.facts} & {*stated(message)} for one in found), sentences
                    relations = {fact for fact in stated(message) if fact.kind in RELATIONS}
                    assert relations <= {fact for one in found for fact in one.facts}, sentences
    assert read >= least * count


@pytest.mark.parametrize(
    ("typed", "fact"),
    [
        ("Mike holds a hotdog.", Fact("hold", "hb0", "e_2")),
        ("mike's carrying the blue ball", Fact("hold", "hb0", "t_2")),
        ("A dog is next to the tent.", Fact("next_to", DOG, TENT)),
        ("Under the tent, the dog is sitting.", Fact("under", DOG, TENT)),
        ("there is a dog beside the tent", Fact("next_to", DOG, TENT)),
        ("A rocket flies over the tent.", Fact("above", "s_6", TENT)),
        ("Jenny kicks the football to Mike", Fact("kick", "hb1", "t_4", "hb0")),
        ("Jenny is crying because the bear is near.", Fact("near", "a_0", "hb1")),
        ("The dog is black. It is next to the tent.", Fact("next_to", DOG, TENT)),
        ("Mike is happy, but Jenny isn't happy.", Fact("mood", "hb1", value="happy", denied=True)),
        ("There is no dog.", Fact("thing", DOG, denied=True)),
        ("Mike has the blue cap.", Fact("wear", "hb0", "c_0")),
        ("Jenny has got glasses.", Fact("wear", "hb1", "c_8")),
        ("The crown is on Jenny.", Fact("wear", "hb1", "c_1")),
        ("Mike has the kite.", Fact("hold", "hb0", "t_13")),
        ("The crown is on the table.", Fact("on", "c_1", "p_6")),
        ("Two dogs are next to the tent.", Fact("thing", DOG, count=2)),
        ("It is raining.", Fact("thing", "s_5")),
    ],
)
def test_people_say_things_in_their_own_words(typed: str, fact: Fact) -> None:
    assert {fact} in facts(typed)


@pytest.mark.parametrize(
    ("typed", "denied"),
    [
        ("Mike is not smiling.", Fact("mood", "hb0", value="smile")),
        ("Mike doesn't smile.", Fact("mood", "hb0", value="smile")),
        ("Jenny isn't laughing.", Fact("mood", "hb1", value="laugh")),
        ("Mike is not sitting.", Fact("pose", "hb0", value="sit")),
        ("Jenny does not run.", Fact("pose", "hb1", value="run")),
        ("Mike isn't waving.", Fact("pose", "hb0", value="wave")),
        ("Mike isn't waving at Jenny.", Fact("wave", "hb0", "hb1")),
        ("Mike is not running to the tent.", Fact("run_to", "hb0", TENT)),
        ("Mike has no crown.", Fact("wear", "hb0", "c_1")),
        ("Mike doesn't have a kite.", Fact("hold", "hb0", "t_13")),
        ("The crown is not on Jenny.", Fact("wear", "hb1", "c_1")),
        ("Mike is next to no tent.", Fact("next_to", "hb0", TENT)),
        ("The dog is not next to the tent.", Fact("next_to", DOG, TENT)),
        ("The dog is not lying under the table.", Fact("under", DOG, "p_6")),
        ("There are no dogs.", Fact("thing", DOG)),
        ("The sun is not shining.", Fact("thing", "s_3")),
        ("It isn't raining.", Fact("thing", "s_5")),
    ],
)
def test_a_denial_states_that_alone_and_never_what_it_denies(typed: str, denied: Fact) -> None:
    told = {fact for meanings in facts(typed) for fact in meanings if fact.kind != "thing" or fact.denied}
    assert told == {replace(denied, denied=True)}


def test_what_is_denied_of_two_things_in_a_row_is_denied_of_each() -> None:
    told = facts("Mike holds no kite and no book.")
    assert told == [
        {Fact("thing", "hb0")},
        *({Fact("hold", "hb0", t, denied=True)} for t in ("t_13", "t_12")),
    ]
    assert {Fact("mood", "hb1", value="smile", denied=True)} in facts("They are not smiling.")
    assert facts("There is no dog and no cat.") == [{Fact("thing", t, denied=True)} for t in (DOG, "a_1")]


def test_a_denial_holds_where_no_meaning_of_its_nouns_is_true() -> None:
    (_, _, denial) = statements("The ball is not next to Mike.")
    mike, near, far = (
        Placed("hb0", 100, 300, 0, 0),
        Placed("t_2", 200, 300, 0, 0),
        Placed("t_0", 400, 300, 0, 0),
    )
    assert denial.holds({"hb0": [mike], "t_0": [far]})
    assert not denial.holds({"hb0": [mike], "t_0": [far], "t_2": [near]})
    assert not denial.holds({"hb0": [mike]})  # there is no ball


def test_a_number_counts_the_classes_of_a_noun_together() -> None:
    count, _, _, beside = statements("Two balls are next to Mike.")
    mike, near, far = (
        Placed("hb0", 100, 300, 0, 0),
        Placed("t_2", 190, 300, 0, 0),
        Placed("t_0", 400, 300, 0, 0),
    )
    one, two = {"hb0": [mike], "t_2": [near]}, {"hb0": [mike], "t_2": [near], "t_0": [far]}
    both = {**two, "t_0": [replace(far, x=20)]}
    assert [count.holds(things) for things in (one, two, both)] == [False, True, True]
    assert [beside.holds(things) for things in (one, two, both)] == [False, False, True]


def test_the_colour_that_a_sentence_tells_chooses_the_thing() -> None:
    assert {Fact("colour", "t_0", value="red")} in facts("The ball is red.")
    assert {Fact("hold", "hb0", "t_0")} in facts("The ball is red. Mike holds it.")
    assert set() in facts("The dog is red.")
    assert set() in facts("The red ball is blue.")


def test_a_noun_means_any_of_its_classes_and_a_colour_chooses() -> None:
    balls = {Fact("hold", "hb0", name) for name in ("t_0", "t_2", "t_4", "t_5")}
    assert balls in facts("Mike holds a ball.")
    assert {Fact("hold", "hb0", "t_0")} in facts("Mike holds a red ball.")
    assert set() in facts("The red dog is near Mike.")  # dogs are black: nothing can make it true


@pytest.mark.parametrize(
    "typed",
    [
        "The purple zebra sings.",
        "Mike holds",
        "Mike holds a hotdog maybe.",
        "Is Mike happy?",
        "<b>Mike</b> holds a ball.",
        "Mike doesn't wear a crown, but Jenny does.",
        "No dog is next to Mike.",
        "No ball is red.",
        "Nobody smiles.",
        "Mike is never sad.",
        "Neither Mike nor Jenny is sad.",
        "Under no tree, Mike is sitting.",
        "Mike sits under no tree.",
        "Mike gives the kite to no dog.",
        "Mike is not sitting on the bench.",
        "Mike is not surprised at the dog.",
        "Mike is not holding a ball and a kite.",
        "Mike is next to no tree and the dog.",
        "Mike holds a ball and no kite.",
        "Mike does not smile and hold a ball.",
        "Mike does not hold no ball.",
        "Mike is not holding a big ball.",
        "Mike is not holding two balls.",
        "Mike is next to two balls.",
        "There is no big dog.",
        "There is no dog and a cat.",
        "The ball is not red.",
        "Mike is red.",
        "The dog is happy.",
        "Mike and the dog are sad.",
        "The cat is smiling.",
        "The dog is running.",
        "The dog is not sitting.",
        "The dog has a hat.",
        "The dog chases the cat.",
        "The duck is on the grill.",
        "Mike is raining.",
        "Mike is in the sky.",
        "\u200f\u0645\u0627\u064a\u0643",
        "🐕",
    ],
)
def test_of_what_is_not_understood_nothing_is_claimed(typed: str) -> None:
    assert all(sentence.statements is None for sentence in read_sentences(typed))


@pytest.mark.parametrize(
    "typed",
    ["a ball and " * 11 + "a ball is", "next to a ball " * 9 + "x", "a, " * 5000, "Mike is happy. " * 133],
)
def test_no_text_keeps_the_reader_busy(typed: str) -> None:
    start = time.process_time()
    read_sentences(typed[:2000])
    assert time.process_time() - start < 3
