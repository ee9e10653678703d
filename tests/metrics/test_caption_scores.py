"""BLEU, ROUGE-L, CIDEr-D and METEOR of captions: by hand, by the published code, and invariants."""

import math
from importlib.util import find_spec
from shutil import which

import pytest

from rank_processes import in_ranks
from seq2scene.metrics.caption_bleu import CaptionBleu
from seq2scene.metrics.caption_words import caption_words
from seq2scene.metrics.cider import CiderD, cider_d
from seq2scene.metrics.human_agreement import human_line
from seq2scene.metrics.meteor import Meteor, MeteorProcess, find_meteor
from seq2scene.metrics.rouge import RougeL, common

REFERENCES = [
    ("A dog runs on the grass.", "a brown dog is running over grass", "The dog, outside."),
    ("Two children play in a garden.", "Kids playing outside"),
    ("A woman wears a red hat", "a lady in a hat that's red", "woman with hat", "A red hat on a woman."),
]
CAPTIONS = ["a dog runs on the lawn", "a dog on the grass", "a woman with a red red hat"]
METRICS = [*(lambda n=n: CaptionBleu(n) for n in range(1, 5)), RougeL, CiderD]
NAMES = ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge", "cider"]
# By the code of the COCO evaluation (pycocoevalcap 1.2); its BLEU adds 1e-9 here and there.
PUBLISHED = [
    66.66666665925926,
    59.62847939303775,
    44.628863333274026,
    37.48942167430596,
    62.37912978031107,
    1.7452918602626124,
]


def score(make, captions=CAPTIONS, references=REFERENCES) -> float:
    metric = make()
    metric.update(captions, references)
    return metric.compute().item()


@pytest.mark.parametrize(("make", "expected"), list(zip(METRICS, PUBLISHED, strict=True)), ids=NAMES)
def test_scores_are_those_of_the_published_evaluation(make, expected: float) -> None:
    assert score(make) == pytest.approx(expected, rel=1e-8)


@pytest.mark.slow
@pytest.mark.skipif(
    which("java") is None or find_spec("pycocoevalcap") is None, reason="needs Java and the extra meteor"
)
def test_meteor_is_that_of_the_published_evaluation() -> None:
    with MeteorProcess(find_meteor()) as process:
        assert score(lambda: Meteor(process)) == pytest.approx(28.43936926431725, rel=1e-12)


@pytest.mark.parametrize("make", METRICS, ids=NAMES)
def test_batches_add_up_and_their_order_does_not_matter(make) -> None:
    metric = make()
    for i in (2, 0, 1):
        metric.update([CAPTIONS[i]], [REFERENCES[i]])
    assert metric.compute().item() == pytest.approx(score(make), rel=1e-12)
    metric.reset()
    metric.update(CAPTIONS, REFERENCES)
    assert metric.compute().item() == score(make)


@pytest.mark.parametrize("make", METRICS, ids=NAMES)
def test_nothing_beats_a_reference_and_nothing_shared_scores_nothing(make) -> None:
    # enough words for a 4-gram, so that every order can match
    golds = ["a dog runs on the grass", "two children play in a garden", "some woman wears one red hat"]
    references = [(gold,) for gold in golds]
    best = 10.0 if make is CiderD else 100.0
    assert score(make, golds, references) == pytest.approx(best)
    assert score(make, ["one"] * 3, [*references[:2], ("two children",)]) == 0.0
    assert score(make, [""] * 3, references) == 0.0


def test_captions_are_compared_by_lower_case_words_without_punctuation() -> None:
    assert caption_words("The man's dog, \"Rex\", doesn't (ever) sit. It stands... - red-hot!") == (
        *("the", "man", "'s", "dog", "rex", "does", "n't", "ever", "sit", "it", "stands", "red-hot"),
    )


def test_bleu_by_hand() -> None:
    # "a" is twice in no reference; 4 of 6 words match, 2 of 5 pairs; nearest of lengths 5 and 8 to 6 is 5
    caption, references = "a a dog runs very fast", ("a dog runs very slowly", "one two three four dog a b c")
    assert score(lambda: CaptionBleu(1), [caption], [references]) == pytest.approx(100 * 4 / 6)
    assert score(lambda: CaptionBleu(2), [caption], [references]) == pytest.approx(
        100 * math.sqrt(4 / 6 * 3 / 5)
    )
    # of 3 and 7 words, both 2 away from 5, the shorter counts: no brevity penalty
    assert score(lambda: CaptionBleu(1), ["a b c d e"], [("a b c", "t u v w x y z")]) == pytest.approx(60)
    assert score(lambda: CaptionBleu(1), ["a b"], [("a b c",)]) == pytest.approx(100 * math.exp(-0.5))


def test_rouge_by_hand() -> None:
    assert common("abcbdab", "bdcaba") == 4
    # of 4 words 3 in order in the first reference, of 6; 1 in the second, of 1
    value = score(RougeL, ["a b c d"], [("a x b y z d", "c")])
    precision, recall = 3 / 4, 1.0
    expected = (1 + 1.2**2) * precision * recall / (recall + 1.2**2 * precision)
    assert value == pytest.approx(100 * expected)


def test_cider_by_hand() -> None:
    """Two images: a word of one of them weighs log 2, a word of both nothing."""
    first, second = cider_d(["a b", "d"], [("a", "a"), ("a d",)])
    # "a" is in both images, so all n-grams that the first caption shares with its references weigh 0
    assert first == 0.0
    # "d" is shared, and "a" weighs nothing: a cosine of 1, in one order of four
    assert second == pytest.approx(10 / 4 * math.exp(-1 / 72))


@pytest.mark.parametrize("make", METRICS, ids=NAMES)
def test_no_caption_is_no_number(make) -> None:
    assert math.isnan(score(make, [], []))


def test_a_word_said_again_and_again_gains_nothing_by_it() -> None:
    others = [("two children play",), ("a red hat",)]
    plain, loud = (
        cider_d([caption, "x", "x"], [("a brown dog runs",), *others])[0]
        for caption in ("a brown dog runs", "dog dog dog dog")
    )
    assert plain == pytest.approx(10.0) and loud < 2.0


def test_one_image_alone_tells_nothing_by_cider() -> None:
    assert cider_d(["a dog"], [("a dog",)]) == [0.0]


def test_people_are_scored_each_against_the_others() -> None:
    metric = RougeL()
    expected = sum(
        score(
            RougeL, [texts[i] for texts in REFERENCES], [texts[:i] + texts[i + 1 :] for texts in REFERENCES]
        )
        for i in (0, 1)
    )
    assert human_line(metric, [*REFERENCES, ("alone",)]) == pytest.approx(expected / 2)
    assert math.isnan(human_line(metric, [("alone",)]))


def scores_of_rank(rank: int) -> list[float]:
    share = (slice(0, 1), slice(1, 3), slice(0, 0))[rank]  # the last rank has nothing
    return [score(make, CAPTIONS[share], REFERENCES[share]) for make in METRICS]


@pytest.mark.slow
def test_ranks_with_unequal_shares_or_none_score_what_one_does() -> None:
    scores = in_ranks(scores_of_rank, world=3)
    assert scores == [pytest.approx([score(make) for make in METRICS], rel=1e-12)] * 3
