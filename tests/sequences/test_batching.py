import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from seq2scene.errors import UserError
from seq2scene.sequences import corpus
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.batching import (
    EvaluationBatches,
    LengthBatches,
    Loader,
    collate_pairs,
    padding_efficiency,
    prefetched,
    usable_cores,
)
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import Whitespace
from seq2scene.sequences.vocabulary import Vocabulary

SOURCES = Path(__file__).resolve().parents[2] / "src"
CUTS = [("sentences", 7), ("tokens", 90)]


def lengths(sentences: int = 1000) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    source = rng.integers(1, 40, sentences)
    return source, np.maximum(source + rng.integers(-3, 4, sentences), 1)


def plans(by: str, size: int, world: int, sentences: int = 1000, **settings) -> list[LengthBatches]:
    return [
        LengthBatches(*lengths(sentences), size=size, by=by, rank=rank, world=world, **settings)
        for rank in range(world)
    ]


@pytest.mark.parametrize(("by", "size"), CUTS)
@pytest.mark.parametrize("world", [1, 3])
@pytest.mark.parametrize("sentences", [1, 2, 50, 1000])
def test_every_sentence_is_seen_and_few_are_seen_twice(by, size, world, sentences):
    for epoch in range(3):
        rows = np.concatenate(
            [batch for plan in plans(by, size, world, sentences) for batch in plan.batches(epoch)]
        )
        assert set(rows.tolist()) == set(range(sentences))
        assert len(rows) == -(-sentences // world) * world


@pytest.mark.parametrize(("by", "size"), CUTS)
def test_ranks_get_equally_many_batches_and_sentences_in_every_epoch(by, size):
    ranks = plans(by, size, world=4)
    for epoch in range(8):
        sizes = [[len(batch) for batch in plan.batches(epoch)] for plan in ranks]
        assert sizes == [sizes[0]] * 4
        assert len(sizes[0]) == len(ranks[0])


def test_batches_of_sentences_keep_their_size_and_none_is_small():
    sizes = [len(batch) for batch in plans("sentences", 64, world=1)[0].batches(0)]
    assert len(sizes) == 16
    assert set(sizes) <= {62, 63}


def test_batches_of_tokens_keep_to_their_size():
    for epoch in range(20):
        plan = plans("tokens", 400, world=2)[1]
        longest = np.maximum(plan.source_lengths, plan.target_lengths)
        padded = [longest[rows].max() * len(rows) for rows in plan.batches(epoch)]
        assert max(padded) <= 400
        assert np.mean(padded) > 0.85 * 400


def test_a_sentence_longer_than_a_batch_of_tokens_is_refused():
    with pytest.raises(UserError, match="cannot hold the longest sentence"):
        plans("tokens", 30, world=1)


def test_many_small_ranks_see_what_one_large_rank_sees():
    one = LengthBatches(*lengths(960), size=64).batches(epoch=2)
    four = [plan.batches(epoch=2) for plan in plans("sentences", 16, world=4, sentences=960)]
    for large, *small in zip(one, *four, strict=True):
        assert sorted(large) == sorted(np.concatenate(small))


@pytest.mark.parametrize(("by", "size"), CUTS)
def test_a_plan_is_a_function_of_seed_and_epoch(by, size):
    def flat(seed: int, epoch: int) -> list[int]:
        return np.concatenate(plans(by, size, world=1, seed=seed)[0].batches(epoch)).tolist()

    assert flat(0, 1) == flat(0, 1)
    assert flat(0, 1) != flat(0, 2)
    assert flat(0, 1) != flat(1, 1)


def test_sentences_meet_others_in_the_next_epoch():
    plan = plans("sentences", 8, world=1, pool_batches=10)[0]
    meetings = [{frozenset(batch.tolist()) for batch in plan.batches(epoch)} for epoch in range(2)]
    assert not meetings[0] & meetings[1]


def test_sorting_by_length_saves_padding():
    plan = plans("sentences", 16, world=1)[0]
    sorted_ = padding_efficiency(plan.batches(0), plan.target_lengths)
    shuffled = np.array_split(np.random.default_rng(0).permutation(1000), len(plan))
    assert sorted_ > 0.95 > 0.6 > padding_efficiency(shuffled, plan.target_lengths)


def test_padding_efficiency_is_real_over_padded():
    batches = [np.array([0, 1]), np.array([2])]
    assert padding_efficiency(batches, np.array([4, 2, 7])) == (4 + 2 + 7) / (4 + 4 + 7)


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("sentences", [1, 2, 65, 129, 1000])
def test_evaluation_sees_every_sentence_exactly_once(world, sentences):
    ranks = [EvaluationBatches(*lengths(sentences), 64, rank, world) for rank in range(world)]
    rows = np.concatenate([batch for plan in ranks for batch in plan.batches(0)])
    assert sorted(rows) == list(range(sentences))
    assert max(len(batch) for plan in ranks for batch in plan.batches(0)) <= 64
    if sentences >= world:
        assert len({len(plan) for plan in ranks}) == 1


def test_evaluation_starts_with_the_longest():
    source, target = lengths()
    rows = np.concatenate(EvaluationBatches(source, target, 64).batches(0))
    assert (np.diff(source[rows]) <= 0).all()


def loader(sentences: int = 50, **settings) -> Loader:
    return Loader(LengthBatches(*lengths(sentences), size=4), lambda rows: rows, **settings)


def seen(batches) -> list[list[int]]:
    return [rows.tolist() for rows in batches]


def test_set_epoch_chooses_the_order():
    batches = loader()
    first = seen(batches)
    assert seen(batches) == first
    batches.sampler.set_epoch(1)
    assert seen(batches) == seen(batches.plan.batches(1)) != first


def test_the_epoch_told_after_iter_counts():
    batches = loader()
    iterator = iter(batches)
    batches.set_epoch(3)
    assert seen(iterator) == seen(batches.plan.batches(3))


@pytest.mark.parametrize("prefetch", [0, 3])
@pytest.mark.parametrize("done", [0, 1, 5, 13])
def test_a_restored_loader_gives_exactly_the_batches_left(prefetch, done):
    batches = loader(prefetch=prefetch)
    batches.set_epoch(2)
    whole = seen(batches)
    iterator = iter(batches)
    for _ in range(done):
        next(iterator)
    state = batches.state_dict() if done else {"epoch": 2, "done": 0, "total": 13}

    restored = loader(prefetch=prefetch)
    restored.load_state_dict(state)
    assert restored.state_dict() == state
    restored.set_epoch(2)
    assert len(restored) == len(whole) == 13
    assert seen(restored) == whole[done:]
    assert seen(restored) == whole


def test_a_restored_place_is_forgotten_in_another_epoch():
    batches = loader()
    batches.load_state_dict({"epoch": 2, "done": 5, "total": 13})
    batches.set_epoch(3)
    assert seen(batches) == seen(batches.plan.batches(3))


def test_a_place_in_other_batches_is_warned_of(caplog):
    loader().load_state_dict({"epoch": 0, "done": 5, "total": 99})
    assert "had 99 batches" in caplog.text


def test_prefetching_changes_nothing():
    assert seen(loader(prefetch=2)) == seen(loader())


def test_an_error_while_prefetching_reaches_the_reader():
    def items():
        yield 1
        raise ValueError("broken")

    iterator = prefetched(items(), 2)
    assert next(iterator) == 1
    with pytest.raises(ValueError, match="broken"):
        next(iterator)


def test_the_thread_ends_when_the_iteration_is_dropped():
    before = {*threading.enumerate()}  # those of other tests may end meanwhile
    iterator = prefetched(iter(range(10**9)), 2)
    next(iterator)
    assert len({*threading.enumerate()} - before) == 1
    del iterator
    assert not {*threading.enumerate()} - before


@pytest.mark.slow
def test_a_process_may_end_while_batches_are_made():
    program = """
import torch
from seq2scene.sequences.batching import prefetched

def products():
    while True:
        yield torch.mm(torch.ones(300, 300), torch.ones(300, 300))

iterator = prefetched(products(), 4)
print(float(next(iterator)[0, 0]))
"""
    variables = {**os.environ, "PYTHONPATH": str(SOURCES)}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=variables)
    assert (done.returncode, done.stdout, done.stderr) == (0, "300.0\n", "")


def test_cores_are_those_of_the_machine_where_no_system_tells_which_may_be_used(monkeypatch):
    assert usable_cores() == len(os.sched_getaffinity(0))
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 7)
    assert usable_cores() == 7


@pytest.mark.parametrize("known", [True, False])
def test_values_at_the_real_positions_are_those_of_the_mask_to_the_bit(known):
    torch.manual_seed(0)
    made = Sentences.of(torch.arange(20).view(4, 5), torch.tensor([3, 0, 5, 1]))
    sentences = (made if known else Sentences(made.ids, made.mask, made.lengths)).to("cpu")
    assert made.places.tolist() == [0, 1, 2, 10, 11, 12, 13, 14, 15] and (sentences.places is None) != known
    assert torch.equal(sentences.real(sentences.ids), sentences.ids[sentences.mask])
    values, weights = torch.randn(4, 5, 3, requires_grad=True), torch.randn(9, 3)
    ours, theirs = sentences.real(values), values[sentences.mask]
    assert torch.equal(ours, theirs)
    grads = [torch.autograd.grad(chosen, values, weights)[0] for chosen in (ours, theirs)]
    assert torch.equal(*grads)


@pytest.fixture
def pair(tmp_path):
    (tmp_path / "en").write_text("a dog\n\nthe dog runs\n")
    (tmp_path / "de").write_text("ein Hund\n\nder Hund läuft los\n")
    sides = []
    for name in ("en", "de"):
        text = corpus.read_text(tmp_path / name, tmp_path / "cache")
        language = Language(Whitespace(), Vocabulary.count(line.split() for line in text.lines()))
        sides.append((corpus.encode(text, language, tmp_path / "cache"), language))
    return sides


@pytest.mark.parametrize("source_eos", [False, True])
def test_a_collated_batch_holds_the_lines_asked_for(pair, source_eos):
    (source, english), (target, german) = pair
    batch = collate_pairs(source, target, np.array([2, 1, 0]), source_eos)
    texts = [source.text.lines()[i] for i in (2, 1, 0)]
    wanted = english.batch(texts, source_eos)
    assert torch.equal(batch.source.ids, wanted.ids) and torch.equal(batch.source.mask, wanted.mask)
    wanted = german.batch([target.text.line(i) for i in (2, 1, 0)], eos=True)
    assert torch.equal(batch.target.ids, wanted.ids)
    assert torch.equal(batch.target.lengths, wanted.lengths)
    assert batch.target.lengths.tolist() == [5, 1, 3]
    assert batch.lines.tolist() == [2, 1, 0]
    assert batch.source.ids.dtype == batch.source.lengths.dtype == torch.int64


def test_a_batch_of_empty_sources_has_one_padded_position(pair):
    (source, _), (target, _) = pair
    batch = collate_pairs(source, target, np.array([1]))
    assert batch.source.ids.shape == (1, 1)
    assert not batch.source.mask.any()
