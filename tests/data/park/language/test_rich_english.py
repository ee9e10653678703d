"""Rich English: what visitors type is known, in training texts alone, in sentences that are still English."""

import hashlib
import re
from collections.abc import Iterable
from random import Random

import pytest

from seq2scene.data.park import scenes_writing
from seq2scene.data.park.language.describing import describe
from seq2scene.data.park.language.grammar import text
from seq2scene.data.park.language.meaning import Clause, Mention, Message
from seq2scene.data.park.language.rephrasing import regroup
from seq2scene.data.park.language.rich_english import OTHERS, PARTS, say
from seq2scene.data.park.sampling import sample_scene
from seq2scene.data.park.scenes_writing import ensure_scenes
from seq2scene.data.park.world import Scene
from seq2scene.scenes.facts import read_facts
from seq2scene.sequences.tokenizers import Words

TYPED = (
    "Mike holds a hotdog.",
    "Mike is surprised at the duck. The duck is standing on the grill.",
    "Jenny is running towards Mike and the duck.",
    "Mike kicks the ball to Jenny",
    "A snake under the tree. Jenny is scared.",
    "Three dogs are playing",
    "Jenny throws the ball",
    "The boy and the girl are sitting next to the slide",
    "It is sunny",
    "A cat is sleeping under the table",
    "Mike wears a wizard hat and Jenny wears a crown",
    "The owl is in the tree",
    "Jenny is crying because the bear is near",
    "They are eating hamburgers",
    "Mike is angry",
    "a rocket flies over the tent",
    "Jenny has a pie",
    "There's a swing set.",
    "Mike waves to Jenny",
    "The dog chases the cat",
    "Jenny looks at the airplane",
    "mike runs away from the snake",
    "A big tree on the left, a small one on the right",
    "He is happy. She isn't sad.",
    "Two kids, three balloons, four trees",
    "The kids are near the barbecue",
)
NO_ENDING = r"\b(and|is|are|of|the|an?|to|at|one|there|while|because|\w+'s)\.$"


@pytest.fixture(scope="module")
def said() -> list[tuple[Scene, Message, str]]:
    """Scenes, messages, and how these are said."""
    rng, voice = Random(0), Random(1)
    scenes = [sample_scene(rng) for _ in range(2000)]
    told = [(scene, message) for scene in scenes for message in regroup(describe(scene, rng), voice)]
    return [(scene, message, say(message, scene, voice)) for scene, message in told]


def words(sentences: Iterable[str]) -> set[str]:
    split = Words().split
    return {word for sentence in sentences for word in split(sentence)}


@pytest.fixture(scope="module")
def known(said) -> set[str]:
    return words(sentence for *_, sentence in said)


@pytest.mark.parametrize("typed", TYPED)
def test_every_word_that_visitors_type_is_known(known, typed) -> None:
    assert words([typed]) <= known


def test_half_of_the_verbs_stay_as_they_are(said) -> None:
    kicks = [sentence for _, message, sentence in said if "is kicking" in text(message, "en")]
    assert 0.4 < sum("kicking" in sentence for sentence in kicks) / len(kicks) < 0.7


def test_sentences_begin_end_and_have_articles_as_in_english(said) -> None:
    for _, message, sentence in said:
        assert sentence[0].isupper() and sentence.endswith(".") and "  " not in sentence
        assert not re.search(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiou]", sentence), sentence
        assert not re.search(NO_ENDING, sentence), (text(message, "en"), sentence)
        assert not re.search(r"\b(\w+) \1\b|\b(the|an?) (the|an?)\b|[a-z,] (The|He|She)\b", sentence), (
            sentence
        )


def test_the_part_of_the_picture_is_where_the_subject_stands(said) -> None:
    found = 0
    for scene, message, sentence in said:
        part = re.search(r"\b(left|right|middle|center)(?: side)?(?:, |\.$)", sentence)
        if part and "of the" not in sentence[part.start() :].split(",")[0]:
            side = {"left": "on the left", "right": "on the right"}.get(part[1], "in the middle")
            low, high = PARTS[side]
            assert low <= scene[message.clauses[0].subject.name].x <= high, sentence
            found += 1
    assert found > 100


def test_one_child_does_and_two_do() -> None:
    plain = [phrase for phrase in OTHERS if phrase.startswith("are ")]
    assert not any(re.search(r"\b(is|has|s)\b", other) for phrase in plain for other in OTHERS[phrase])
    scene = sample_scene(Random(0))
    kick = Message("plain", (Clause("kick", Mention("it", "pronoun"), Mention("t_13")),))
    told = {say(kick, scene, Random(seed)) for seed in range(200)}
    assert {
        "It kicks the kite.",
        "It shoots a kite.",
        "It is kicking the kite.",
        "It's kicking a kite.",
    } <= told


def test_what_a_child_does_besides_fleeing_is_not_said_of_the_bear() -> None:
    jenny, scene = Mention("hb1", "name"), sample_scene(Random(0))
    flees = Clause("flee", jenny, Mention("a_0"))
    alone = {say(Message("plain", (flees,)), scene, Random(seed)) for seed in range(200)}
    assert {"The bear chases Jenny.", "The bear is chasing Jenny."} <= alone
    both = [say(Message("same", (flees, Clause("laugh", jenny))), scene, Random(n)) for n in range(200)]
    assert all("she" in sentence.lower() for sentence in both if "chas" in sentence)


@pytest.mark.slow
def test_the_second_texts_of_training_scenes_alone_are_rich(tmp_path) -> None:
    sizes = {"seed": 5, "train": 12, "val": 3, "test": 4}
    plain, rich = (ensure_scenes(tmp_path, **sizes, english=english) for english in ("plain", "rich"))
    first, second = (f"SimpleSentences/SimpleSentences{group}_10020.txt" for group in (1, 2))
    for path in ("Scenes_10020.txt", first, "facts/val.jsonl", "facts/test.jsonl"):
        assert (plain / path).read_bytes() == (rich / path).read_bytes()
    one, other = ((folder / second).read_text().splitlines() for folder in (plain, rich))
    changed = {line.split("\t")[0] for line, said in zip(one, other, strict=True) if line != said}
    assert len(changed) > 8 and {*map(int, changed)} <= set(range(12))


@pytest.mark.slow
def test_a_change_of_rich_english_raises_its_version(tmp_path) -> None:
    """Old folders are known by their version: raise RICH_VERSION and put the new fingerprint here."""
    folder = ensure_scenes(tmp_path, 5, 60, 1, 1, english="rich")
    told = (folder / "SimpleSentences" / "SimpleSentences2_10020.txt").read_bytes()
    assert (scenes_writing.RICH_VERSION, hashlib.sha256(told).hexdigest()[:16]) == (2, "a5c1c0a139ca43b4")


@pytest.mark.slow
def test_the_facts_of_a_rich_text_are_those_of_the_plain_one(tmp_path) -> None:
    folders = (ensure_scenes(tmp_path, 5, 60, 1, 1, english=english) for english in ("plain", "rich"))
    plain, rich = (read_facts(folder / "facts/train.jsonl") for folder in folders)
    assert plain != rich
    for scene, texts in plain.items():
        for one, other in zip(texts, rich[scene], strict=True):
            assert {fact for sentence in one for fact in sentence} == {
                fact for sentence in other for fact in sentence
            }
