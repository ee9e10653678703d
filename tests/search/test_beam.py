"""Beam search finds what exhaustive search finds, and each of its options does what it says."""

from itertools import product

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

from seq2scene.errors import UserError
from seq2scene.search.beam import Beam, coverage_penalty, length_penalty
from seq2scene.search.stepwise import Greedy

SCORES = [("none", 1.0), ("average", 1.0), ("average", 0.5), ("gnmt", 0.6)]


def fixed_length(words: int, **options) -> dict:
    """Options under which every sentence may have at most ``words`` words."""
    return {"max_ratio": 0, "max_extra": words, **options}


def exhaustive(
    decoder, memory, vocabulary: int, words: int, normalisation: str, alpha: float, beta: float = 0.0
):
    """All (score, tokens) of at most ``words`` words and EOS for a batch of one, best first."""
    found = []
    alphabet = [token for token in range(vocabulary) if token not in (PAD, BOS, EOS)]
    for length in range(words + 1):
        for sentence in product(alphabet, repeat=length):
            tokens = torch.tensor([*sentence, EOS])
            log_probs, weights = force(decoder, memory, tokens)
            score = log_probs.sum() / length_penalty(length + 1, normalisation, alpha)
            if beta:
                score = score + coverage_penalty(weights.sum(0), memory.mask[0], beta)
            found.append((float(score), tokens.tolist()))
    return sorted(found, reverse=True)


@pytest.mark.parametrize(("normalisation", "alpha"), SCORES)
@pytest.mark.parametrize("decoder", [markov(7, 3, seed=1), HistoryDecoder(7)], ids=["markov", "history"])
def test_wide_beam_finds_the_exhaustive_best(decoder, normalisation, alpha):
    memory = toy_memory([2, 4, 1])
    search = Beam(**fixed_length(3, size=100, n_best=5, normalisation=normalisation, alpha=alpha))
    found = search(decoder, memory, **IDS)
    for sentence in range(3):
        best = exhaustive(decoder, one(memory, sentence), 7, 3, normalisation, alpha)[:5]
        assert found.scores[sentence].tolist() == pytest.approx([score for score, _ in best], abs=1e-5)
        lengths = found.lengths[sentence].tolist()
        tokens = found.tokens[sentence].tolist()
        assert [row[:length] for row, length in zip(tokens, lengths, strict=True)] == [row for _, row in best]


def test_wide_beam_with_coverage_finds_the_exhaustive_best():
    decoder, memory = HistoryDecoder(6, seed=2), toy_memory([3])
    search = Beam(**fixed_length(3, size=40, n_best=9, normalisation="gnmt", alpha=0.4, coverage=0.7))
    found = search(decoder, memory, **IDS)
    best = exhaustive(decoder, memory, 6, 3, "gnmt", 0.4, beta=0.7)[:9]
    assert found.scores[0].tolist() == pytest.approx([score for score, _ in best], abs=1e-5)
    assert found.tokens[0, 0, : found.lengths[0, 0]].tolist() == best[0][1]


@pytest.mark.parametrize(("normalisation", "alpha"), SCORES)
def test_no_beam_beats_the_exhaustive_best(normalisation, alpha):
    decoder, memory = HistoryDecoder(6, seed=3), toy_memory([3])
    best = exhaustive(decoder, memory, 6, 4, normalisation, alpha)[0][0]
    scores = []
    for size in (1, 2, 4, 200):
        search = Beam(**fixed_length(4, size=size, normalisation=normalisation, alpha=alpha))
        scores.append(search(decoder, memory, **IDS).scores.item())
    assert max(scores) <= best + 1e-5
    assert scores[-1] == pytest.approx(best, abs=1e-5)


def test_a_hypothesis_ends_only_where_eos_is_among_the_best():
    table = torch.full((1, 5, 5), -torch.inf)
    table[0, BOS, [4, EOS]] = torch.tensor([0.55, 0.45]).log()
    table[0, 4, [4, EOS]] = torch.tensor([0.4, 0.6]).log()
    found = [Beam(size=size)(MarkovDecoder(table), toy_memory([2]), **IDS) for size in (1, 2)]
    assert found[0].tokens[0, 0].tolist() == [4, EOS]  # 0.33: its rival of 0.45 was only the second best
    assert found[1].tokens[0, 0].tolist() == [EOS]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_beam_of_one_is_greedy_even_where_logits_tie(seed, dtype):
    decoder, memory = HistoryDecoder(300, seed, dtype), toy_memory([5, 3, 1, 7, 2, 4], seed)
    beam, greedy = Beam(size=1)(decoder, memory, **IDS), Greedy()(decoder, memory, **IDS)
    assert torch.equal(beam.tokens, greedy.tokens)
    assert torch.equal(beam.token_log_probs, greedy.token_log_probs)
    assert torch.equal(beam.finished, greedy.finished)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_hypothesis_has_the_log_probs_and_attention_of_stepping_through_it(dtype):
    decoder, memory = HistoryDecoder(20, dtype=dtype), toy_memory([5, 2, 7])
    search = Beam(size=6, n_best=6, normalisation="average", alpha=0.7)
    found = search(decoder, memory, **IDS, keep_weights=True)
    for sentence, rank in product(range(3), range(6)):
        length = int(found.lengths[sentence, rank])
        tokens = found.tokens[sentence, rank, :length]
        log_probs, weights = force(decoder, one(memory, sentence), tokens)
        assert tokens[-1] == EOS and (found.tokens[sentence, rank, length:] == PAD).all()
        torch.testing.assert_close(found.token_log_probs[sentence, rank, :length], log_probs)
        torch.testing.assert_close(found.weights[sentence, rank, :length], weights)
        assert (found.weights[sentence, rank, length:] == 0).all()
        torch.testing.assert_close(found.log_probs[sentence, rank], log_probs.sum())
        torch.testing.assert_close(found.scores[sentence, rank], log_probs.sum() / length**0.7)


def test_weights_are_kept_on_request_only():
    assert Beam()(HistoryDecoder(9), toy_memory([2]), **IDS).weights is None
    assert Beam()(markov(9), toy_memory([2]), **IDS, keep_weights=True).weights is None


@pytest.mark.parametrize("options", [{}, {"stop": "size"}, {"stop": "best"}, {"pruning": 0.7}])
def test_neighbours_and_batch_size_change_nothing(options):
    decoder = HistoryDecoder(30, seed=4)
    memory = toy_memory([3, 9, 1, 5, 2, 2, 8, 6, 4, 1, 7, 3])
    search = Beam(size=4, n_best=3, normalisation="average", **options)
    together = search(decoder, memory, **IDS)
    assert together.lengths[:, 0].unique().numel() > 3  # they leave the batch at different steps
    for sentence in range(len(memory)):
        alone = search(decoder, one(memory, sentence), **IDS)
        width = alone.tokens.shape[2]
        assert torch.equal(alone.tokens[0], together.tokens[sentence, :, :width])
        torch.testing.assert_close(alone.scores[0], together.scores[sentence])


def test_sentences_that_are_done_leave_the_batch():
    decoder = HistoryDecoder(30, seed=4)
    found = Beam(size=4, stop="size")(decoder, toy_memory([1] * 8 + [9]), **IDS)
    assert decoder.rows_asked < 4 * 9 * found.lengths.max()


@pytest.mark.parametrize("options", [{}, {"normalisation": "average"}, {"stop": "size", "coverage": 0.3}])
def test_more_hypotheses_are_distinct_and_sorted_and_leave_the_best_alone(options):
    decoder, memory = HistoryDecoder(12, seed=5), toy_memory([4, 6, 2])
    five = Beam(size=5, n_best=5, **options)(decoder, memory, **IDS)
    best = Beam(size=5, n_best=1, **options)(decoder, memory, **IDS)
    width = best.tokens.shape[2]
    assert torch.equal(best.tokens[:, 0], five.tokens[:, 0, :width])
    assert torch.equal(best.scores[:, 0], five.scores[:, 0])
    assert (five.scores.diff() <= 0).all()
    assert all(len({tuple(row) for row in rows}) == 5 for rows in five.tokens.tolist())


def test_a_beam_wider_than_the_vocabulary_returns_what_there_is():
    found = Beam(**fixed_length(1, size=9, n_best=9))(markov(6), toy_memory([3]), **IDS)
    # unk, 4 and 5 are words: four hypotheses of at most one word
    assert (found.lengths[0] > 0).sum() == 4
    assert (found.scores[0, 4:] == -torch.inf).all() and (found.tokens[0, 4:] == PAD).all()
    assert found.scores[0, :4].exp().sum() < 1


def test_a_source_without_words_gives_eos_alone_without_asking_the_model():
    memory = toy_memory([0, 3, 0])
    decoder = HistoryDecoder(9)
    found = Beam(size=3, n_best=2)(decoder, memory, **IDS)
    assert found.tokens[[0, 2], 0, 0].tolist() == [EOS, EOS]
    assert found.lengths[[0, 2]].tolist() == [[1, 0], [1, 0]]
    assert found.scores[0, 0] == 0 and found.finished[0, 0]
    alone = Beam(size=3, n_best=2)(decoder, one(memory, 1), **IDS)
    assert torch.equal(found.tokens[1], alone.tokens[0])
    decoder.rows_asked = 0
    nothing = Beam()(decoder, toy_memory([0, 0]), **IDS)
    assert nothing.tokens.tolist() == [[[EOS]], [[EOS]]] and decoder.rows_asked == 0


def test_stopping_earlier_asks_the_model_less():
    memory = toy_memory([6, 6, 6])
    rows = []
    for stop in ("exact", "size", "best"):
        decoder = HistoryDecoder(12, seed=6)
        Beam(size=3, normalisation="average", stop=stop)(decoder, memory, **IDS)
        rows.append(decoder.rows_asked)
    assert rows[2] < rows[1] < rows[0]


def test_stopping_at_the_best_returns_the_first_end_that_led_its_step():
    table = torch.full((1, 6, 6), -torch.inf)
    table[0, BOS, [4, EOS]] = torch.tensor([0.6, 0.4]).log()  # EOS ends here, but only second
    table[0, 4, [5, EOS]] = torch.tensor([0.2, 0.8]).log()  # and here as the best
    table[0, 5, [5, EOS]] = torch.tensor([0.01, 0.99]).log()
    search = Beam(size=2, stop="best", normalisation="average", alpha=9.0)
    assert search(MarkovDecoder(table), toy_memory([2]), **IDS).tokens[0, 0].tolist() == [4, EOS]
    longest = Beam(size=2, stop="exact", normalisation="average", alpha=9.0)
    assert len(longest(MarkovDecoder(table), toy_memory([2]), **IDS).tokens[0, 0]) > 2


def test_pruning_gives_up_the_beams_that_are_far_behind():
    table = torch.full((1, 7, 7), -torch.inf)
    table[0, BOS, [4, 5]] = torch.tensor([0.8, 0.2]).log()  # log 4 = 1.39 nats apart
    table[0, 4, [4, EOS]] = torch.tensor([0.9, 0.1]).log()
    table[0, 5, EOS] = 0.0  # the best EOS of all, 0.2
    found = {
        pruning: Beam(**fixed_length(2, size=2, n_best=2, pruning=pruning))(
            MarkovDecoder(table), toy_memory([2]), **IDS
        )
        for pruning in (0, 1.3, 1.5)
    }
    for kept in (0, 1.5):
        assert found[kept].tokens[0, 0, :2].tolist() == [5, EOS]
    assert 5 not in found[1.3].tokens[0]


def test_wide_pruning_changes_nothing_and_narrow_pruning_projects_less():
    memory, found, projected = toy_memory([6, 3, 8]), [], []
    for pruning in (0, 1000, 0.5):
        decoder = HistoryDecoder(30, seed=8)
        found.append(Beam(size=5, normalisation="average", pruning=pruning)(decoder, memory, **IDS))
        projected.append(decoder.output.rows)
    assert torch.equal(found[0].tokens, found[1].tokens) and torch.equal(found[0].scores, found[1].scores)
    assert projected[2] < projected[0]


def test_dead_beams_cost_no_projection():
    decoder = HistoryDecoder(30, seed=4)
    Beam(size=4, stop="size")(decoder, toy_memory([1] * 8 + [9]), **IDS)
    assert decoder.output.rows < decoder.rows_asked


def test_coverage_penalty_by_hand():
    coverage = torch.tensor([0.5, 1.5, 0.25, 0.0])
    mask = torch.tensor([True, True, True, False])
    expected = 0.2 * (torch.tensor(0.5).log() + torch.tensor(0.25).log())
    torch.testing.assert_close(coverage_penalty(coverage, mask, 0.2), expected)
    assert coverage_penalty(torch.zeros(1), torch.tensor([True]), 1.0).isfinite()


def test_length_penalty_by_hand():
    assert length_penalty(7, "none", 2.0) == 1
    assert length_penalty(4, "average", 0.5) == 2
    assert length_penalty(7, "gnmt", 2.0) == 4


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"size": 0}, "search.size=0: it must be a whole number of at least 1"),
        ({"size": 2, "n_best": 3}, "at most search.size=2"),
        ({"alpha": -1}, "at least 0"),
        ({"coverage": float("nan")}, "at least 0"),
        ({"pruning": -1}, "at least 0"),
        ({"min_length": 9, "max_length": 8}, "at most search.max_length=8"),
        ({"max_ratio": "long"}, "a number of at least 0"),
    ],
)
def test_bad_values_are_refused_with_the_good_range(options, wanted):
    with pytest.raises(UserError, match=wanted):
        Beam(**options)


def test_coverage_without_attention_is_refused():
    with pytest.raises(UserError, match="no attention"):
        Beam(coverage=0.2)(markov(9), toy_memory([2]), **IDS)


def test_unknown_words_can_be_had():
    """Otherwise the ban in other tests would prove nothing."""
    found = Beam(size=5, n_best=5)(markov(5, spread=0.1), toy_memory([2]), **IDS)
    assert (found.tokens == UNK).any()
