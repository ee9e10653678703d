"""All three searches write what is forced and nothing that is forbidden."""

from itertools import pairwise

import pytest
import torch
from toy_decoders import BOS, EOS, IDS, PAD, UNK, HistoryDecoder, force, markov, one, toy_memory

from seq2scene.search.beam import Beam
from seq2scene.search.stepwise import Greedy, Sample

SEARCHES = [
    lambda **options: Greedy(**options),
    lambda **options: Sample(num_samples=3, **options),
    lambda **options: Beam(size=4, n_best=3, **options),
]
each_search = pytest.mark.parametrize("search", SEARCHES, ids=["greedy", "sample", "beam"])


def sentences(found) -> list[list[int]]:
    """All hypotheses as lists of words, without EOS."""
    lengths = found.lengths.flatten().tolist()
    rows = found.tokens.flatten(0, 1).tolist()
    assert all(row[length - 1] == EOS for row, length in zip(rows, lengths, strict=True))
    return [row[: length - 1] for row, length in zip(rows, lengths, strict=True)]


@pytest.fixture(autouse=True)
def _same_chance():
    torch.manual_seed(0)


@each_search
def test_pad_and_bos_are_never_written(search):
    decoder = markov(6, 4)
    decoder.table[:, :, [PAD, BOS]] = 20.0
    for words in sentences(search()(decoder, toy_memory([3, 5, 1, 2]), **IDS)):
        assert not {PAD, BOS} & set(words)


@each_search
def test_unknown_words_are_written_unless_banned(search):
    decoder = markov(6, 4)
    decoder.table[:, :, UNK] += 3.0
    memory = toy_memory([3, 5, 1, 2])
    assert any(UNK in words for words in sentences(search()(decoder, memory, **IDS)))
    assert not any(UNK in words for words in sentences(search(ban_unk=True)(decoder, memory, **IDS)))


@each_search
def test_no_sentence_is_shorter_than_the_minimum(search):
    decoder = markov(8, 4)
    decoder.table[:, :, EOS] += 4.0
    memory = toy_memory([3, 5, 1, 2])
    assert min(map(len, sentences(search()(decoder, memory, **IDS)))) < 4
    assert min(map(len, sentences(search(min_length=4)(decoder, memory, **IDS)))) == 4


@each_search
def test_each_sentence_has_its_own_limit(search):
    decoder = markov(8, 4)
    decoder.table[:, :, EOS] = -20.0
    found = search(max_ratio=1.5, max_extra=1, max_length=7)(decoder, toy_memory([2, 5, 1, 3]), **IDS)
    assert (found.lengths == torch.tensor([[5], [8], [3], [6]])).all()
    assert not found.finished.any()


@each_search
def test_eos_at_the_limit_is_scored_as_the_model_scores_it(search):
    decoder = HistoryDecoder(12)
    decoder.output.weight[:, EOS] = 0
    memory = toy_memory([4])
    found = search(max_ratio=0, max_extra=3, min_length=3)(decoder, memory, **IDS)
    tokens = found.tokens[0, 0]
    log_probs, _ = force(decoder, memory, tokens)
    assert tokens[3] == EOS and not found.finished[0, 0]
    torch.testing.assert_close(found.log_probs[0, 0], log_probs.sum())


@each_search
@pytest.mark.parametrize("n", [1, 2, 3])
def test_no_ngram_comes_twice(search, n):
    decoder = markov(9, 6, spread=3.0)
    decoder.table[:, :, EOS] = -6.0
    memory = toy_memory([9, 8, 9, 7, 9, 6])

    def repeats(words: list[int]) -> bool:
        ngrams = list(zip(*(words[start:] for start in range(n)), strict=False))
        return len(set(ngrams)) < len(ngrams)

    options = {"max_ratio": 0, "max_extra": 6}
    assert any(map(repeats, sentences(search(**options)(decoder, memory, **IDS))))
    assert not any(map(repeats, sentences(search(no_repeat_ngram=n, **options)(decoder, memory, **IDS))))


def test_the_ngram_ban_takes_the_best_of_what_is_left():
    decoder, memory = markov(7, spread=2.0), toy_memory([6])
    found = Greedy(no_repeat_ngram=2, max_ratio=2)(decoder, memory, **IDS)
    words, written = [BOS], found.tokens[0, 0, : found.lengths[0, 0]].tolist()
    for token in written:
        bigrams = set(pairwise(words[1:]))
        allowed = [word for word in (UNK, EOS, 4, 5, 6) if (words[-1], word) not in bigrams]
        assert token == max(allowed, key=lambda word: decoder.table[0, words[-1], word].item())
        words.append(token)


@each_search
def test_nothing_is_written_more_often_than_it_may_be(search):
    decoder, memory = markov(9, 6, spread=3.0), toy_memory([9, 8, 9, 7, 9, 6])
    decoder.table[:, :, EOS] = -6.0
    most = torch.tensor([0, 0, 1, 1, 2, 1, 0, 3, 1])

    def counts(**options) -> torch.Tensor:
        found = search(max_ratio=0, max_extra=7, **options)(decoder, memory, **IDS, most=most)
        written = torch.nn.functional.one_hot(found.tokens, 9).sum(2)
        return written[..., 4:].flatten(0, 1)  # of words proper

    assert (counts(repeat_objects=True) > most[4:]).any()
    assert (counts() <= most[4:]).all() and counts().sum(1).max() == most[4:].sum()


@each_search
def test_a_prefix_is_written_first_and_counts_in_the_score(search):
    decoder, memory = HistoryDecoder(12, seed=3), toy_memory([3, 5, 2])
    prefix = torch.tensor([[7, 7, 9], [UNK, PAD, PAD], [PAD, PAD, PAD]])
    found = search(ban_unk=True, no_repeat_ngram=1)(decoder, memory, **IDS, prefix=prefix)
    assert (found.tokens[0, :, :3] == prefix[0]).all() and (found.tokens[1, :, 0] == UNK).all()
    for number in range(3):
        tokens = found.tokens[number, 0, : found.lengths[number, 0]]
        log_probs, _ = force(decoder, one(memory, number), tokens)
        torch.testing.assert_close(found.log_probs[number, 0], log_probs.sum())


def test_a_beam_spreads_again_after_a_prefix():
    found = Beam(size=4, n_best=4)(
        HistoryDecoder(12), toy_memory([6]), **IDS, prefix=torch.tensor([[5, 6, 7]])
    )
    assert (found.tokens[0, :, :3] == torch.tensor([5, 6, 7])).all()
    assert found.tokens[0].unique(dim=0).shape[0] == 4


@each_search
def test_a_prefix_that_ends_scores_a_given_sentence(search):
    decoder, memory = HistoryDecoder(12), toy_memory([6])
    given = torch.tensor([[5, 6, 5, EOS]])
    found = search(max_ratio=0, max_extra=1)(decoder, memory, **IDS, prefix=given)
    assert found.tokens[0, 0].tolist() == given[0].tolist() and found.finished[0, 0]
    torch.testing.assert_close(found.token_log_probs[0, 0], force(decoder, memory, given[0])[0])


def test_a_prefix_of_one_sentence_leaves_the_others_alone():
    decoder, memory = HistoryDecoder(12), toy_memory([6, 3])
    free = Beam()(decoder, memory, **IDS)
    found = Beam()(decoder, memory, **IDS, prefix=torch.tensor([[8, 8, 8, 8], [PAD] * 4]))
    length = free.lengths[1, 0]
    assert found.tokens[1, 0, :length].tolist() == free.tokens[1, 0, :length].tolist()
