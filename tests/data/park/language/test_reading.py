"""What typed English states: nothing that it does not state, and nothing of what is not understood."""

import time
from random import Random

import pytest

from seq2scene.data.park.language.grammar import text
from seq2scene.data.park.language.reading import read_sentences
from seq2scene.data.park.language.rich_english import say
from seq2scene.data.park.language.stating import stated
from seq2scene.data.park.language.telling import tell
from seq2scene.data.park.sampling import sample_scene
from seq2scene.scenes.facts import Fact
from seq2scene.scenes.relations import RELATIONS

DOG, TENT = "a_2", "p_5"


def facts(typed: str) -> list[set[Fact]]:
    """The meanings of each statement of a text that is understood."""
    found = [sentence.statements for sentence in read_sentences(typed)]
    assert None not in found, typed
    return [{*one.facts} for statements in found for one in statements]


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
        ("Two dogs are next to the tent.", Fact("thing", DOG, count=2)),
        ("It is raining.", Fact("thing", "s_5")),
    ],
)
def test_people_say_things_in_their_own_words(typed: str, fact: Fact) -> None:
    assert {fact} in facts(typed)


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
