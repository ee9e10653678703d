"""Training text is segmented into other subwords in every epoch, the same ones when a run is resumed."""

import threading
from pathlib import Path

import numpy as np
import pytest

from seq2scene.data.text.parallel_text import ParallelText
from seq2scene.data.text.plain_text import PlainText
from seq2scene.errors import UserError
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import whole_words

TEXT = "the quick brown fox jumps over the lazy dog while nine other foxes watch another dog"
LINES = [" ".join(TEXT.split(" ")[start : start + 4 + start % 3]) for start in range(10)] * 3


@pytest.fixture
def files(tmp_path: Path) -> dict[str, str]:
    for name in ("a.x", "a.y"):
        (tmp_path / name).write_text("".join(f"{line}\n" for line in LINES))
    return {"root": str(tmp_path), "cache": str(tmp_path / "cache")}


def parallel(files: dict[str, str], **options) -> ParallelText:
    pair = ["a.x", "a.y"]
    options = {
        "tokenizer": "bpe",
        "vocabulary_size": 60,
        "bpe_dropout": [0.0, 0.5],
        "batch_size": 10,
    } | options
    data = ParallelText(**files, train=pair, val=pair, tests={}, source="en", target="en", **options)
    data.setup()
    return data


def texts(language: Language, side: Sentences) -> list[str]:
    return [language.decode(row) for row in side.ids]


def epoch(data: ParallelText, number: int) -> list:
    loader = data.train_dataloader()
    loader.set_epoch(number)
    return list(loader)


def test_only_training_is_segmented_at_random_and_each_text_stays_the_same(files) -> None:
    data = parallel(files)
    plain, known = parallel(files, bpe_dropout=0.0).languages[1], data.languages[1]
    lengths = []
    for batch in epoch(data, 0):
        lines = [LINES[row] for row in batch.lines]
        assert texts(known, batch.target) == texts(data.languages[0], batch.source) == lines
        assert not (batch.target.ids == known.vocabulary.unk).any()  # whatever pieces are left unmerged
        lengths += [(batch.target.lengths - 1).tolist(), [len(plain.encode(line)) for line in lines]]
    assert sum(map(sum, lengths[::2])) > 1.3 * sum(map(sum, lengths[1::2]))
    (batch, *_) = data.val_dataloader()
    split = [known.tokenizer.split(LINES[row]) for row in batch.lines]
    assert [known.tokens(row) for row in batch.target.ids] == split
    assert whole_words(known.tokenizer, split[0]) == LINES[batch.lines[0]].split(" ")


def test_epochs_differ_and_each_is_drawn_again_alike_in_any_thread(files) -> None:
    data, found = parallel(files), []
    first, second = (epoch(data, number) for number in (0, 1))
    thread = threading.Thread(target=lambda: found.extend(epoch(parallel(files), 0)))
    thread.start()
    thread.join()
    same = [np.array_equal(one.target.ids, other.target.ids) for one, other in zip(first, found, strict=True)]
    assert all(same)
    rows = {tuple(batch.lines.tolist()): batch.target.ids for batch in first}
    lines = {
        row: ids
        for batch in first
        for row, ids in zip(batch.lines.tolist(), batch.target.ids.tolist(), strict=True)
    }
    changed = sum(
        [token for token in ids if token] != [token for token in lines[row] if token]
        for batch in second
        for row, ids in zip(batch.lines.tolist(), batch.target.ids.tolist(), strict=True)
    )
    assert len(rows) == len(first) and changed > len(LINES) / 2


def test_a_language_model_reads_other_subwords_too(files) -> None:
    options = {
        "tokenizer": "bpe",
        "vocabulary_size": 60,
        "bpe_dropout": 0.5,
        "language": "en",
        "batch_size": 10,
    }
    data = PlainText(**files, train="a.x", val="a.y", tests={}, **options)
    data.setup()
    batches = list(data.train_dataloader())
    language = data.learnt_language
    assert sorted(text for batch in batches for text in texts(language, batch.target)) == sorted(LINES)
    tokens = sum(batch.target.lengths.sum().item() - len(batch) for batch in batches)
    assert tokens > 1.3 * sum(len(language.encode(line)) for line in LINES)


def test_what_has_no_merges_to_drop_is_refused(files) -> None:
    with pytest.raises(UserError, match=r"data\.bpe_dropout=0\.5: data\.tokenizer=moses merges nothing"):
        parallel(files, tokenizer=["bpe", "moses"])
    with pytest.raises(UserError, match=r"a stream is segmented once; use data\.batch_by=sentences"):
        PlainText(
            train="a", val="a", tests={}, language="en", tokenizer="bpe", bpe_dropout=0.1, batch_by="stream"
        )
