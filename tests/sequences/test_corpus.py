import gzip
import multiprocessing
from pathlib import Path

import numpy as np
import pytest

from seq2scene.errors import UserError
from seq2scene.sequences import corpus
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import SentencePiece, Whitespace
from seq2scene.sequences.vocabulary import Vocabulary


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def lines_of(tmp_path: Path, content: bytes) -> list[str]:
    return corpus.read_text(write(tmp_path / "text", content), tmp_path / "cache").lines()


def english() -> Language:
    return Language(Whitespace(), Vocabulary.count([["a", "dog", "runs"]]))


def test_plain_and_gzipped_files_read_alike(tmp_path):
    content = "ein Hund läuft\nzwei Hunde\n".encode()
    plain = corpus.read_text(write(tmp_path / "a.de", content), tmp_path / "cache")
    packed = corpus.read_text(write(tmp_path / "a.de.gz", gzip.compress(content)), tmp_path / "cache")
    assert plain.lines() == packed.lines() == ["ein Hund läuft", "zwei Hunde"]
    assert plain.line(1) == "zwei Hunde"


def test_only_line_feeds_end_lines(tmp_path):
    content = "a\u2028b\u0085c\x0b\x0cd\re\n f \n".encode()
    assert lines_of(tmp_path, content) == ["a\u2028b\u0085c\x0b\x0cd\re", " f "]


def test_carriage_returns_before_line_feeds_are_dropped(tmp_path):
    assert lines_of(tmp_path, b"a\r\n\r\n\nb\r\n") == ["a", "", "", "b"]


def test_the_last_line_needs_no_line_feed(tmp_path):
    assert lines_of(tmp_path, b"a\nb") == ["a", "b"]


def test_a_byte_order_mark_is_no_text(tmp_path):
    assert lines_of(tmp_path, b"\xef\xbb\xbfa\n") == ["a"]


def test_ids_are_those_of_the_language_with_eos_behind_each_line(tmp_path):
    text = corpus.read_text(write(tmp_path / "text", b"a dog runs\n\na zebra\n"), tmp_path / "cache")
    language = english()
    encoded = corpus.encode(text, language, tmp_path / "cache")
    assert len(encoded) == 3
    assert [encoded[i].tolist() for i in range(3)] == [language.encode(line) for line in text.lines()]
    assert encoded.lengths.tolist() == [3, 0, 2]
    assert (encoded.ids[encoded.offsets[1:] - 1] == language.vocabulary.eos).all()
    assert (encoded.ids.dtype, encoded.offsets.dtype) == (np.int32, np.int64)


def test_counts_are_those_of_the_words(tmp_path):
    text = corpus.read_text(write(tmp_path / "text", b"a b a\nb a\n"), tmp_path / "cache")
    assert corpus.tokenise(text, Whitespace(), tmp_path / "cache").counts() == {"a": 3, "b": 2}


def test_what_is_cached_is_not_made_again(tmp_path, monkeypatch):
    text = corpus.read_text(write(tmp_path / "text", b"a dog\n"), tmp_path / "cache")
    first = corpus.encode(text, english(), tmp_path / "cache")

    def refuse(*_):
        raise AssertionError("made again")

    monkeypatch.setattr(Whitespace, "split", refuse)
    again = corpus.encode(text, english(), tmp_path / "cache")
    assert isinstance(again.ids, np.memmap)
    assert again.ids.tolist() == first.ids.tolist()


def test_a_changed_file_or_setting_never_meets_a_stale_entry(tmp_path):
    cache = tmp_path / "cache"

    def ids(content: bytes, language: Language) -> list[int]:
        text = corpus.read_text(write(tmp_path / "text", content), cache)
        return corpus.encode(text, language, cache)[0].tolist()

    assert ids(b"a dog\n", english()) == [4, 5]
    assert ids(b"dog a\n", english()) == [5, 4]
    assert ids(b"A dog\n", english()) == [1, 5]
    assert ids(b"A dog\n", Language(Whitespace(lowercase=True), english().vocabulary)) == [4, 5]
    assert ids(b"A dog\n", Language(Whitespace(), Vocabulary.count([["dog"]]))) == [1, 4]


def test_training_a_tokenizer_is_cached(tmp_path, monkeypatch):
    text = corpus.read_text(write(tmp_path / "text", b"a dog runs\nthe dogs run\n" * 9), tmp_path / "cache")
    first = corpus.train_tokenizer(SentencePiece("bpe", 20), [text], tmp_path / "cache")
    monkeypatch.setattr(SentencePiece, "train", None)
    again = corpus.train_tokenizer(SentencePiece("bpe", 20), [text], tmp_path / "cache")
    assert again.state() == first.state()
    assert again.split("the dog") == first.split("the dog") != []


def _race(folder: Path, barrier, results) -> None:
    barrier.wait()
    text = corpus.read_text(folder / "text", folder / "cache")
    results.put(corpus.encode(text, english(), folder / "cache").ids.tolist())


def test_processes_that_race_for_the_cache_all_succeed(tmp_path):
    write(tmp_path / "text", b"a dog runs\na dog\n" * 2000)
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(4), context.SimpleQueue()
    racers = [context.Process(target=_race, args=(tmp_path, barrier, results)) for _ in range(4)]
    for racer in racers:
        racer.start()
    found = [results.get() for _ in racers]
    for racer in racers:
        racer.join()
        assert racer.exitcode == 0
    assert all(ids == found[0] for ids in found)
    assert not list((tmp_path / "cache").glob("*.draft"))


def test_files_of_unequal_length_are_refused_with_counts_and_line(tmp_path):
    long = corpus.read_text(write(tmp_path / "x.en", b"a\nb\nc\n"), tmp_path / "cache")
    short = corpus.read_text(write(tmp_path / "x.de", b"a\nb\n"), tmp_path / "cache")
    for pair in ((long, short), (short, long)):
        with pytest.raises(UserError) as refusal:
            corpus.check_parallel(*pair)
        message = str(refusal.value)
        assert "x.en has 3 lines but" in message or "x.en has 3:" in message
        assert "line 3 of" in message and "x.en has no partner" in message
    corpus.check_parallel(long, long)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("latin1", b"one\ntwo \xe4h\n", "line 2, byte 5: not UTF-8 (0xe4)"),
        ("empty", b"", "is empty"),
        ("blank", b" \n\n", "is empty"),
        ("empty.gz", gzip.compress(b"", mtime=0), "is empty"),
        ("cut.gz", gzip.compress(b"a dog runs\n" * 99, mtime=0)[:-12], "damaged gzip"),
        ("broken.gz", gzip.compress(b"abc" * 99, mtime=0)[:12] + b"\xff" * 40, "damaged gzip"),
        ("junk.gz", gzip.compress(b"a dog\n", mtime=0) + b"junk", "what follows its end is not gzip"),
        ("utf16", "\ufeffa\n".encode("utf-16-le"), "is UTF-16, not UTF-8: convert it first"),
        ("zero", b"a\nb\0\n", "line 2, byte 2: a zero byte"),
    ],
)
def test_bad_files_are_refused_by_name_and_place(tmp_path, name, content, said):
    with pytest.raises(UserError) as refusal:
        corpus.read_text(write(tmp_path / name, content), tmp_path / "cache")
    assert said in str(refusal.value)
    assert name in str(refusal.value)
    assert not (tmp_path / "cache").exists()


def test_missing_files_and_folders_are_refused_with_the_hint(tmp_path):
    with pytest.raises(UserError, match=r"nothing\.en does not exist: fetch it"):
        corpus.read_text(tmp_path / "nothing.en", tmp_path, "fetch it")
    with pytest.raises(UserError, match="is a folder"):
        corpus.read_text(tmp_path, tmp_path)


def test_a_cache_that_cannot_be_written_is_refused(tmp_path):
    path = write(tmp_path / "text", b"a\n")
    with pytest.raises(UserError, match=r"set data\.cache"):
        corpus.read_text(path, path / "cache")


def test_multi30k_keeps_its_token_of_one_non_breaking_space(shared_data, tmp_path):
    folder = shared_data / "multi30k" / "tok"
    for language in ("en", "de"):
        text = corpus.read_text(folder / f"train.lc.norm.tok.{language}.gz", tmp_path)
        tokens = corpus.tokenise(text, Whitespace(), tmp_path)
        assert len(text) == len(tokens.offsets) - 1 == 29000
        kept = len(Vocabulary.count(tokens.counts(), min_count=2))
        assert kept == {"en": 5921, "de": 7859}[language]


@pytest.mark.parametrize("name", ["data.npy", "starts.npy", "ends.npy", "checksums.json"])
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone"])
def test_a_damaged_entry_of_the_cache_is_made_again(tmp_path, name, damage, caplog):
    path, cache = write(tmp_path / "text", b"a dog\na cat\n"), tmp_path / "cache"
    lines = corpus.read_text(path, cache).lines()
    (file,) = cache.glob(f"*/{name}")
    content = file.read_bytes()
    file.unlink()
    if damage != "gone":
        file.write_bytes(content[:-3] if damage == "cut" else content[:-3] + b"7" + content[-2:])
    assert corpus.read_text(path, cache).lines() == lines == ["a dog", "a cat"]
    assert "made again" in caplog.text and file.read_bytes() == content
