"""Rich English: the forms that people type, in training texts alone, in sentences that are still English."""

import re
from random import Random

import pytest

from seq2scene.data.park.language.describing import describe
from seq2scene.data.park.language.grammar import text
from seq2scene.data.park.language.rich_english import OTHERS, vary
from seq2scene.data.park.sampling import sample_scene
from seq2scene.data.park.scenes_writing import ensure_scenes

TYPED = (
    "Mike kicks the ball. Jenny holds a hotdog and wears a hat. Mike runs towards Jenny. The girl sits. "
    "The boy stands under the tree. Mike is surprised at the duck. Jenny is scared of the snake. "
    "A snake under the tree."
)


@pytest.fixture(scope="module")
def pairs() -> list[tuple[str, str]]:
    """Plain sentences and what is made of them."""
    rng, voice = Random(0), Random(1)
    plain = [text(m, "en") for _ in range(1200) for m in describe(sample_scene(rng), rng)]
    return [(sentence, vary(sentence, voice)) for sentence in plain]


def words(sentences: list[str]) -> set[str]:
    return {word for sentence in sentences for word in re.findall(r"[a-z'-]+", sentence.lower())}


def test_the_words_that_people_type_are_known(pairs) -> None:
    assert words([TYPED]) - words([rich for _, rich in pairs]) == set()
    assert len(words([TYPED]) - words([plain for plain, _ in pairs])) >= 7


def test_half_of_the_phrases_stay_as_they_are(pairs) -> None:
    kept = sum(plain == rich for plain, rich in pairs) / len(pairs)
    assert 0.1 < kept < 0.4


def test_articles_fit_and_sentences_begin_and_end_as_sentences(pairs) -> None:
    for _, rich in pairs:
        assert rich[0].isupper() and rich.endswith(".") and "  " not in rich
        assert not re.search(r"\b[Aa] [aeiou]|\b[Aa]n [^aeiou]", rich), rich


def test_one_child_does_and_two_do(pairs) -> None:
    plain = [phrase for phrase in OTHERS if phrase.startswith("are ")]
    assert not any(re.search(r"\b(is|has|s)\b", other) for phrase in plain for other in OTHERS[phrase])
    said = {vary("Mike is kicking the kite.", Random(seed)) for seed in range(40)}
    assert said == {f"Mike {way} the kite." for way in ("kicks", "shoots", "is kicking")}


def test_training_texts_alone_are_rich(tmp_path) -> None:
    sizes = {"seed": 5, "train": 12, "val": 3, "test": 4}
    plain, rich = (ensure_scenes(tmp_path, **sizes, english=english) for english in ("plain", "rich"))
    for path in ("Scenes_10020.txt", "facts/train.jsonl", "facts/test.jsonl"):
        assert (plain / path).read_bytes() == (rich / path).read_bytes()
    for group in (1, 2):
        one, other = (
            (folder / "SimpleSentences" / f"SimpleSentences{group}_10020.txt").read_text().splitlines()
            for folder in (plain, rich)
        )
        changed = {line.split("\t")[0] for line, said in zip(one, other, strict=True) if line != said}
        assert len(changed) > 6 and {*map(int, changed)} <= set(range(12))
