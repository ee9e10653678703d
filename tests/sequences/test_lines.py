"""Lines are the same, whatever the file's name and encoding of line ends."""

import gzip
import io
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from seq2scene.data.captions.caption_files import read_karpathy
from seq2scene.data.scenes.abstract_files import read_split
from seq2scene.data.text.word_vectors import read_word_vectors
from seq2scene.errors import UserError
from seq2scene.reports.text.gold_error import read_gold_pairs
from seq2scene.running.commands.caption_generation import find_photos
from seq2scene.sequences import corpus
from seq2scene.sequences.alignments import read_pharaoh
from seq2scene.sequences.lines import (
    each_line,
    lines_of,
    read_json,
    read_lines,
    read_table,
    read_yaml,
    typed_lines,
)
from seq2scene.sequences.unknown_words import load_dictionary
from seq2scene.sequences.vocabulary import Vocabulary

MARK = b"\xef\xbb\xbf"
SAVED = {  # the same lines
    "plain": b"a\n\nb c\n",
    "no last feed": b"a\n\nb c",
    "marked": MARK + b"a\n\nb c\n",
    "of Windows": MARK + b"a\r\n\r\nb c\r\n",
    "of old Macs": b"a\r\rb c\r",
    "gzip": gzip.compress(b"a\n\nb c\n"),
    "gzip with a mark": gzip.compress(MARK + b"a\r\n\r\nb c"),
    "two members": gzip.compress(b"a\n\nb") + gzip.compress(b" c\n"),
    "padded with zeros": gzip.compress(b"a\n\nb c\n") + bytes(512),
}
ODD = "a\u2028b\u0085c\x0b\x0c\x1c\x1d\x1ed\re"  # one line, whatever str.splitlines says


def streamed(path: Path) -> list[str]:
    with path.open("rb") as stream:
        return list(lines_of(stream, path.name))


READERS: dict[str, Callable[[Path], list[str]]] = {
    "read_lines": read_lines,
    "each_line": lambda path: list(each_line(path)),
    "lines_of": streamed,
    "corpus": lambda path: corpus.read_text(path, path.parent / "cache").lines(),
}


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize("content", SAVED.values(), ids=SAVED)
@pytest.mark.parametrize("name", ["text", "text.gz"])
def test_equal_lines_are_read_alike_however_they_were_saved(tmp_path, reader, content, name) -> None:
    (tmp_path / name).write_bytes(content)
    assert reader(tmp_path / name) == ["a", "", "b c"]


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
def test_only_line_feeds_end_lines(tmp_path, reader) -> None:
    (tmp_path / "text").write_text(f"{ODD}\n{ODD}\n", encoding="utf-8", newline="")
    assert reader(tmp_path / "text") == [ODD, ODD]


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("\ufeffa\n".encode("utf-16-le"), "UTF-16, not UTF-8: convert it first"),
        ("\ufeffa\n".encode("utf-16-be"), "UTF-16, not UTF-8: convert it first"),
        ("\ufeffa\n".encode("utf-32-le"), "UTF-32, not UTF-8: convert it first"),
        ("a\nb\n".encode("utf-16-le"), "line 1, byte 2: a zero byte"),
        (b"a\nb\0\n", "line 2, byte 2: a zero byte"),
        (MARK + b"one\ntwo \xe4h\n", r"line 2, byte 5: not UTF-8 \(0xe4\)"),
        (gzip.compress(b"a dog\n" * 99, mtime=0)[:-12], "damaged gzip file"),
        (gzip.compress(b"a\n" * 99, mtime=0)[:12] + b"\xff" * 40, "damaged gzip file"),
        (gzip.compress(b"a\n", mtime=0) + b"junk", "damaged gzip file .what follows its end is not gzip"),
    ],
)
def test_what_is_no_text_is_refused_by_name_and_place(tmp_path, reader, content, said) -> None:
    (tmp_path / "notes").write_bytes(content)
    with pytest.raises(UserError, match=rf"notes.*{said}"):
        reader(tmp_path / "notes")


def test_lines_come_as_they_are_typed() -> None:
    reading, typing = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(typing, "wb", buffering=0) as keyboard:
        lines = lines_of(stream, "keyboard")
        for line in ("a", "", "b c"):
            keyboard.write(f"{line}\n".encode())
            assert next(lines) == line  # would hang if it read ahead
        keyboard.close()
        assert list(lines) == []


def test_a_stream_is_read_up_to_its_damage() -> None:
    packed = gzip.compress(b"".join(b"%d\n" % number for number in range(50_000)), mtime=0)
    lines = lines_of(io.BufferedReader(io.BytesIO(packed[:-100])), "standard input")
    assert next(lines) == "0"
    with pytest.raises(UserError, match=r"standard input is a damaged gzip file .*, after line 4\d{4}"):
        list(lines)


def test_a_typed_text_is_at_least_one_line() -> None:
    assert typed_lines("") == [""]
    assert typed_lines("a\n") == ["a"]
    assert typed_lines("a\r\n\nb") == ["a", "", "b"]


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b"\r"])
@pytest.mark.parametrize("mark", [b"", MARK])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_every_reader_of_lines_reads_them_so(tmp_path, ending, mark, pack) -> None:
    def saved(name: str, *lines: str) -> Path:
        path = tmp_path / name
        path.write_bytes(pack(mark + b"".join(line.encode() + ending for line in lines)))
        return path

    (tmp_path / "ä.jpg").touch()
    photos = saved("list.txt", f"{tmp_path}/ä.jpg")
    assert find_photos(str(photos)) == [tmp_path / "ä.jpg"]
    assert load_dictionary(saved("words.tsv", "a\tÄ", "b\tB")) == {"a": "Ä", "b": "B"}
    assert read_pharaoh(saved("links", "0-1", "")) == [{(0, 1)}, set()]
    pairs = read_gold_pairs(saved("gold", "1-1"), saved("pairs", "ä ||| b"))
    assert pairs.sources == ["ä "]
    assert read_split(saved("split.txt", "3", "5"), {3: [], 5: []}, "") == [3, 5]
    vectors, found = read_word_vectors(saved("glove.txt", "ä 1 2", "b 3 4"), Vocabulary.count([["ä"]]))
    assert found == 1 and vectors[4].tolist() == [1, 2]
    image = '{"imgid": 0, "filename": "a.jpg", "split": "train", "sentences": [{"raw": "a dog"}]}'
    told = read_karpathy(saved("k.json", '{"images": [', image, "]}"), tmp_path, ["train"])
    assert told.captions == [("a dog",)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"a": 1,\n "b": }', r"line 2, column 7: not JSON"),
        (b"9" * 5000, "cannot be read"),
        (b'[{"id": 1, "x": 2, "id": 3}]', r"two values for 'id'"),
        (b'{"a": "\xe4"}', r"line 1, byte 8: not UTF-8"),
        ("\ufeff{}".encode("utf-16-le"), "UTF-16"),
        (b"[" * 100_000, "nested too deeply"),
    ],
)
def test_what_is_no_json_is_refused_by_name_and_place(tmp_path, content, said) -> None:
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(UserError, match=rf"a\.json.*{said}"):
        read_json(tmp_path / "a.json")


def test_objects_are_shortened_while_they_are_read(tmp_path) -> None:
    (tmp_path / "a.json").write_bytes(MARK + b'[{"a": {"b": 1}}, 2]')
    assert read_json(tmp_path / "a.json", shorten=lambda found: list(found)) == [["a"], 2]


def test_a_table_is_read_by_column_and_a_row_that_is_still_written_has_empty_fields(tmp_path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('step,loss\n1,2.5\n2,"a\nb"\n3')
    told = [(2, {"step": "1", "loss": "2.5"}), (4, {"step": "2", "loss": "a\nb"})]
    assert list(read_table(path)) == [*told, (5, {"step": "3", "loss": ""})]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a,b\n1,2\n1,2,3\n", "line 3: a row of 3 fields under a header of 2"),
        (b"a,b\n1,\xff\n", "line 2, byte 3: not UTF-8"),
        (b"a,b\n1," + b"x" * 200_000, "line 2: not CSV (field larger"),
    ],
)
def test_what_is_no_table_is_refused_by_name_and_line(tmp_path, content, said) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(UserError) as refusal:
        list(read_table(path))
    assert str(path) in str(refusal.value) and said in str(refusal.value)


@pytest.mark.parametrize(
    ("content", "line"),
    [('a,b\n1,"2"x\n', 2), ('"a\nc",b\n1,"2"x\n', 3), ('a,b\n1,2\n1,"2"x\n', 3), ('a,"b"x\n1,2\n', 1)],
)
def test_quotes_that_csv_does_not_have_are_refused_by_line(tmp_path, content: str, line: int) -> None:
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(UserError, match=rf"a\.csv, line {line}: not CSV"):
        list(read_table(tmp_path / "a.csv", strict=True))


@pytest.mark.parametrize("content", ["a: [1", "a: *b", "[" * 2000, "{a: " * 2000, "\tb"])
def test_what_is_no_yaml_is_refused_by_name_and_soon(tmp_path, content: str) -> None:
    (tmp_path / "run.yaml").write_text(content)
    since = time.process_time()
    with pytest.raises(UserError, match=r"run\.yaml: not YAML \(.*\); fix or delete it"):
        read_yaml(tmp_path / "run.yaml")
    assert time.process_time() - since < 0.5


def test_yaml_is_read_whole(tmp_path) -> None:
    (tmp_path / "run.yaml").write_text("a: [[1, {b: 2}], []]\nc:\n- null\n")
    assert read_yaml(tmp_path / "run.yaml") == {"a": [[1, {"b": 2}], []], "c": [None]}
