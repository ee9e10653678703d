"""If constraints leave nothing to write, the sentence ends: every source gets an output under any options.
And a search ends even if a model's scores are NaN.
"""

import math

import pytest
import torch
from toy_decoders import (
    BOS,
    EOS,
    IDS,
    PAD,
    UNK,
    HistoryDecoder,
    MarkovDecoder,
    force,
    markov,
    one,
    toy_memory,
)

from pairs import pairwise
from seq2scene.search.beam import Beam
from seq2scene.search.ensemble import EnsembleDecoder, Memories
from seq2scene.search.stepwise import Greedy, Sample

VOCABULARY = 7
CONTRADICTIONS = {
    "more words than there are": {"no_repeat_ngram": 1, "min_length": 9},
    "more pairs than there are": {"no_repeat_ngram": 2, "min_length": 40, "max_ratio": 9},
    "no words": {"no_repeat_ngram": 1, "min_length": 5, "ban_unk": True},
    "at the limit": {"no_repeat_ngram": 1, "min_length": 3, "max_ratio": 0, "max_extra": 3},
}
SEARCHES = {
    "greedy": Greedy,
    "beam": lambda **options: Beam(size=3, n_best=3, **options),
    "average": lambda **options: Beam(size=4, n_best=2, normalisation="average", stop="size", **options),
    "pruned": lambda **options: Beam(size=3, n_best=2, pruning=0.5, stop="best", **options),
    "sample": lambda **options: Sample(num_samples=3, **options),
    "cut": lambda **options: Sample(num_samples=3, top_k=2, top_p=0.6, temperature=1e-3, **options),
    "cold": lambda **options: Sample(temperature=1e-60, **options),
}
DECODERS = {"markov": markov(VOCABULARY, 6, spread=3.0), "history": HistoryDecoder(VOCABULARY)}
each_contradiction = pytest.mark.parametrize("options", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
each_search = pytest.mark.parametrize("search", SEARCHES.values(), ids=SEARCHES)


def allowed(words: list[int], limit: int, vocabulary: int, options: dict) -> list[int]:
    """The words allowed after ``words``: EOS at the limit, and if nothing else is allowed."""
    banned = {PAD, BOS} | ({UNK} if options.get("ban_unk") else set())
    if len(words) < options["min_length"]:
        banned.add(EOS)
    n = options["no_repeat_ngram"]
    grams = {tuple(words[start : start + n]) for start in range(len(words) - n + 1)}
    beginning = tuple(words[len(words) - n + 1 :])
    banned |= {word for word in range(vocabulary) if (*beginning, word) in grams}
    left = [word for word in range(vocabulary) if word not in banned]
    return left if left and len(words) < limit else [EOS]


def all_sentences(limit: int, vocabulary: int, options: dict) -> list[list[int]]:
    """Every sentence that may be written, EOS included."""
    found, begun = [], [[]]
    while begun:
        words = begun.pop()
        for word in allowed(words, limit, vocabulary, options):
            (found if word == EOS else begun).append([*words, word])
    return found


def check(found, batch: int) -> None:
    """Each source has a sentence, and log-probabilities are finite and add up."""
    assert found.lengths.shape[0] == batch and (found.lengths[:, 0] > 0).all()
    assert found.log_probs.isfinite().all() and found.token_log_probs.isfinite().all()
    there = found.lengths > 0
    assert (found.scores[there] > -math.inf).all() and (found.scores[~there] == -math.inf).all()
    for row, length in zip(
        found.tokens.flatten(0, 1).tolist(), found.lengths.flatten().tolist(), strict=True
    ):
        assert length == 0 or row.index(EOS) == length - 1


@pytest.fixture(autouse=True)
def _same_chance():
    torch.manual_seed(0)


@pytest.mark.parametrize(
    ("search", "contradiction", "decoder"), pairwise(list(SEARCHES), list(CONTRADICTIONS), list(DECODERS))
)
def test_no_line_is_lost_and_none_breaks_a_rule_before_it_must(
    search: str, contradiction: str, decoder: str
) -> None:
    search, options, decoder = SEARCHES[search], CONTRADICTIONS[contradiction], DECODERS[decoder]
    memory = toy_memory([3, 1, 5, 2, 4, 3])
    found = search(**options)(decoder, memory, **IDS)
    check(found, 6)
    limits = search(**options).rules(memory, BOS, EOS, PAD, UNK, None).limits.tolist()
    for rows, limit in zip(found.tokens.tolist(), limits, strict=True):
        for row in (row for row in rows if row[0] != PAD):
            for place, word in enumerate(row[: row.index(EOS) + 1]):
                assert word in allowed(row[:place], limit, VOCABULARY, options)


@each_contradiction
@pytest.mark.parametrize("normalisation", ["none", "average"])
def test_a_wide_beam_finds_the_best_of_all_that_may_be_written(options: dict, normalisation: str) -> None:
    decoder, memory = HistoryDecoder(6, seed=3), toy_memory([2])
    options = {**options, "max_ratio": 0, "max_extra": min(options.get("max_extra", 4), 4)}
    search = Beam(size=300, n_best=6, normalisation=normalisation, **options)
    found = search(decoder, memory, **IDS)
    ranked = []
    for sentence in all_sentences(options["max_extra"], 6, options):
        total = float(force(decoder, memory, torch.tensor(sentence))[0].sum())
        ranked.append((total / (len(sentence) if normalisation == "average" else 1), sentence))
    ranked = sorted(ranked, reverse=True)[:6]
    there = int((found.lengths[0] > 0).sum())
    assert there == len(ranked)
    assert found.scores[0, :there].tolist() == pytest.approx([score for score, _ in ranked], abs=1e-5)
    rows = [row[: row.index(EOS) + 1] for row in found.tokens[0, :there].tolist()]
    assert rows == [sentence for _, sentence in ranked]


def test_samples_of_all_that_may_be_written_are_as_frequent_as_likely() -> None:
    """Three words in any order, each once, then EOS, which the model gives almost no probability."""
    decoder = markov(VOCABULARY, 1, seed=2)
    decoder.table[:, :, EOS] = -9.0
    found = Sample(num_samples=4000, no_repeat_ngram=1, min_length=9, ban_unk=True)(
        decoder, toy_memory([9]), **IDS
    )
    assert (found.lengths == 4).all()
    for row in found.tokens[0].unique(dim=0).tolist():
        expected, left = 1.0, [4, 5, 6]
        for before, word in zip([BOS, *row], row[:3], strict=False):
            expected *= float(decoder.table[0, before, left].softmax(0)[left.index(word)])
            left.remove(word)
        share = float((found.tokens[0] == torch.tensor(row)).all(1).float().mean())
        assert share == pytest.approx(expected, abs=0.03)


@each_search
@each_contradiction
def test_ensembles_and_prefixes_lose_no_line_either(search, options: dict) -> None:
    memory = toy_memory([3, 1, 5])
    decoder = EnsembleDecoder([HistoryDecoder(VOCABULARY, seed) for seed in (1, 2)], "probs")
    for one_output in decoder.members:
        one_output.output.in_features = 9
    prefix = torch.tensor([[4, 4, 5], [6, PAD, PAD], [PAD, PAD, PAD]])
    found = search(**options)(decoder, Memories((memory, memory)), **IDS, prefix=prefix)
    check(found, 3)
    assert found.tokens[0, 0, :3].tolist() == [4, 4, 5] and found.tokens[1, 0, 0] == 6


@pytest.mark.parametrize(
    ("search", "number", "later"), pairwise(list(SEARCHES), [math.nan, math.inf], [False, True])
)
def test_a_search_ends_where_scores_are_no_numbers_and_says_so(
    search: str, number: float, later: bool
) -> None:
    search = SEARCHES[search]
    decoder, memory = markov(30, 9, spread=0.1), toy_memory([3, 1, 5, 2, 2, 2, 2, 2, 2])
    decoder.table[:, :, EOS] = -9.0
    decoder.table[1, 4 if later else BOS] = number
    decoder.table[1, BOS, 4] = 30.0
    found = search()(decoder, memory, **IDS)
    assert found.lengths.max() <= 21 and (found.lengths[:, 0] > 0).all()
    numbers = found.log_probs[:, 0].isfinite()
    assert numbers.tolist() == [place != 1 for place in range(9)]
    alone = search()(decoder, one(memory, 1), **IDS)
    assert not alone.log_probs[0, 0].isfinite() and alone.lengths[0, 0] > 0


@pytest.mark.parametrize("alpha", [12, 12.0])
def test_a_whole_number_is_as_good_an_exponent_as_any(alpha: float) -> None:
    found = Beam(size=3, normalisation="average", alpha=alpha)(HistoryDecoder(9), toy_memory([90]), **IDS)
    length = int(found.lengths[0, 0])
    assert float(found.scores[0, 0]) == pytest.approx(float(found.log_probs[0, 0]) / length**12, rel=1e-4)
    assert length > 100  # only the length is enforced


@pytest.mark.parametrize("options", [{"max_ratio": 1e30}, {"max_ratio": 9.0, "max_extra": 10**6}])
def test_a_limit_beyond_all_sense_is_no_limit(options: dict) -> None:
    decoder = MarkovDecoder(torch.zeros(1, 5, 5))
    decoder.table[:, :, EOS] = -99.0
    assert Greedy(max_length=30, **options)(decoder, toy_memory([4]), **IDS).lengths.tolist() == [[31]]
