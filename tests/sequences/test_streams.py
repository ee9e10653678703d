"""Streams: every token is read once and predicted once, in order, by one rank."""

from pathlib import Path

import numpy as np
import pytest
import torch

from pairs import pairwise
from seq2scene.errors import UserError
from seq2scene.sequences import corpus
from seq2scene.sequences.corpus import Corpus
from seq2scene.sequences.language import Language
from seq2scene.sequences.streams import StreamWindows
from seq2scene.sequences.text_batch import TextBatch, collate_lines
from seq2scene.sequences.tokenizers import Whitespace
from seq2scene.sequences.vocabulary import Vocabulary

LINES = ["a b c", "", "d", "a d a d b", "c c", "b a d", "e"] * 5


def made(folder: Path, lines: list[str] = LINES) -> Corpus:
    (folder / "text").write_text("".join(f"{line}\n" for line in lines))
    text = corpus.read_text(folder / "text", folder / "cache")
    return corpus.encode(text, Language(Whitespace(), Vocabulary.count([list("abcde")])), folder / "cache")


def batches(text: Corpus, streams: int, window: int, rank: int = 0, world: int = 1) -> list[TextBatch]:
    plan = StreamWindows(text, streams, window, rank, world)
    assert len(plan) == len(plan.batches(0))
    return [plan.collate(windows) for windows in plan.batches(3)]


def read(parts: list[TextBatch], row: int, what: str = "gold") -> list[int]:
    """One stream, from its first window to its last."""
    ids = [(part.target.ids if what == "gold" else part.previous)[row] for part in parts]
    return torch.cat([i[: part.target.lengths[row]] for i, part in zip(ids, parts, strict=True)]).tolist()


@pytest.mark.parametrize(("world", "streams", "window"), pairwise([1, 2, 3], [6, 12], [2, 3, 7, 1000]))
def test_every_token_is_read_once_in_order(tmp_path, world: int, streams: int, window: int) -> None:
    text = made(tmp_path)
    ranks = [batches(text, streams, window, rank, world) for rank in range(world)]
    readers = [read(ranks[stream % world], stream // world) for stream in range(streams)]
    assert [token for reader in readers for token in reader] == text.ids.tolist()
    assert {len(reader) for reader in readers} <= {len(text.ids) // streams, len(text.ids) // streams + 1}
    assert len({len(parts) for parts in ranks}) == 1
    for parts in ranks:
        assert max(part.target.ids.shape[1] for part in parts) <= window
        assert all(
            part.target.mask.all() for part in parts[:-1]
        )  # else the carried state would include padding
        assert (parts[-1].target.lengths > 0).all()


def test_each_token_is_read_before_the_next_is_predicted_and_lines_begin_with_bos(tmp_path) -> None:
    text, parts = made(tmp_path), batches(made(tmp_path), 1, 5)
    v = text.vocabulary
    expected = [v.bos, *(v.bos if token == v.eos else token for token in text.ids[:-1].tolist())]
    assert read(parts, 0, "previous") == expected


def test_windows_continue_one_another_within_an_epoch_only(tmp_path) -> None:
    parts = batches(made(tmp_path), 4, 5)
    assert [part.continues for part in parts] == [False, *[True] * (len(parts) - 1)]
    assert [part.goes_on for part in parts] == [*[True] * (len(parts) - 1), False]
    (whole,) = batches(made(tmp_path), 4, 1000)
    assert not whole.continues and not whole.goes_on


def test_many_small_ranks_read_what_one_large_rank_reads(tmp_path) -> None:
    one = batches(made(tmp_path), 6, 4)
    two = [batches(made(tmp_path), 6, 4, rank, world=2) for rank in range(2)]
    for large, *small in zip(one, *two, strict=True):
        for rank, part in enumerate(small):
            assert torch.equal(large.target.ids[rank::2], part.target.ids)


def test_too_many_streams_and_windows_without_a_past_are_refused(tmp_path) -> None:
    with pytest.raises(UserError, match=r"has 110 tokens, too few for 56 streams"):
        StreamWindows(made(tmp_path), 56, 35)
    with pytest.raises(UserError, match=r"data\.window=1: a window needs at least 2 tokens"):
        StreamWindows(made(tmp_path), 2, 1)


def test_lines_on_their_own_begin_with_bos_and_end_in_eos(tmp_path) -> None:
    text = made(tmp_path)
    v, batch = text.vocabulary, collate_lines(text, np.array([3, 1, 2]))
    assert batch.target.lengths.tolist() == [6, 1, 2] and not batch.continues and not batch.goes_on
    assert v.tokens(batch.target.ids[0].tolist()) == [*"adadb", "<eos>"]
    assert v.tokens(batch.previous[0].tolist()) == ["<bos>", *"adadb"]
    assert batch.previous[:, 0].tolist() == [v.bos] * 3


def test_a_batch_moves_as_a_whole(tmp_path) -> None:
    batch = batches(made(tmp_path), 4, 5)[1].to("meta")
    assert batch.previous.is_meta and batch.target.ids.is_meta and batch.continues and len(batch) == 4
