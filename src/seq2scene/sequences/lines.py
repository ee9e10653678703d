"""Lines of text, JSON and YAML: reads all files and streams that a user provides.

Text is UTF-8, plain or gzip, as detected from its first bytes, whatever the file's name. A byte-order mark is
not part of the text. A line ends with a line feed, or a carriage return and a line feed, and nothing else, so
that parallel files stay aligned. Only in a text without any line feeds do carriage returns end lines.
"""

import csv
import gzip
import json
import sys
import zlib
from collections.abc import Callable, Generator, Iterator
from io import BufferedReader, BytesIO, StringIO
from itertools import accumulate
from pathlib import Path
from typing import Any

from seq2scene.errors import UserError
from seq2scene.unpacking import gunzipped

GZIP = b"\x1f\x8b"
MARK = b"\xef\xbb\xbf"
OTHER_MARKS = {  # longer ones first: the marks of UTF-32 begin like those of UTF-16
    b"\xff\xfe\0\0": "utf-32",
    b"\0\0\xfe\xff": "utf-32",
    b"\xff\xfe": "utf-16",
    b"\xfe\xff": "utf-16",
}
DAMAGE = (EOFError, zlib.error, gzip.BadGzipFile)
DEEPEST = 100  # brackets of YAML within brackets


# Whole files


def read_lines(path: Path | str, hint: str = "") -> list[str]:
    """All lines of a file.

    ``hint`` says what to do if the file is missing. Raises UserError with file and line if it cannot be read
    as text.
    """
    text = read_text(path, hint).decode()
    return text.removesuffix("\n").replace("\r\n", "\n").removesuffix("\r").split("\n") if text else []


def read_text(path: Path | str, hint: str = "") -> bytes:
    """A whole file as UTF-8 without a byte-order mark, its lines ending in line feeds, possibly after
    carriage returns. Arguments and errors as for ``read_lines``.
    """
    return plain_text(read_bytes(path, hint), str(path))


def read_bytes(path: Path | str, hint: str = "") -> bytes:
    """A file's bytes. Raises UserError if it cannot be read."""
    with _opened(path, hint) as file:
        return file.read()


def plain_text(data: bytes, name: str) -> bytes:
    """``read_text`` for bytes already read; ``name`` identifies them in errors."""
    text = _unpacked(data, name).removeprefix(MARK)
    _refuse_other_encodings(text, name)
    if b"\n" not in text:
        text = text.replace(b"\r", b"\n")
    try:
        text.decode()
        fault = text.find(b"\0")
    except UnicodeDecodeError as error:
        fault = error.start
    if fault >= 0:
        start = text.rfind(b"\n", 0, fault) + 1
        end = text.find(b"\n", fault)
        _decoded(text[start : end if end >= 0 else None], name, text.count(b"\n", 0, fault) + 1)
    return text


# Line by line


def each_line(path: Path | str, hint: str = "", strict: bool = True) -> Generator[str, None, None]:
    """The lines of a file, one at a time; as ``lines_of``."""
    with _opened(path, hint) as file:
        yield from lines_of(file, str(path), strict)


def lines_of(stream: BufferedReader, name: str, strict: bool = True) -> Iterator[str]:
    """The lines of a stream, each as soon as it arrives.

    name: the stream's name in errors. strict: refuse invalid UTF-8; otherwise decode it as replacement
    characters. Raises UserError with name and line.
    """
    number = 0
    try:
        first = stream.peek(len(GZIP))[: len(GZIP)]
        plain = gunzipped(stream, name) if first == GZIP else stream
        for number, line in enumerate(_raw_lines(plain, name), start=1):
            yield _decoded(line, name, number) if strict else line.decode(errors="replace")
    except DAMAGE as error:
        raise UserError(f"{_damaged(name, error)}, after line {number}: get it again") from None


def _raw_lines(stream: BufferedReader | gzip.GzipFile, name: str) -> Iterator[bytes]:
    """Lines without line ends and byte-order mark."""
    first = stream.readline().removeprefix(MARK)
    _refuse_other_encodings(first, name)
    if not first.endswith(b"\n"):  # no line feed at all
        yield from first.removesuffix(b"\r").split(b"\r") if first else ()
        return
    yield first[:-1].removesuffix(b"\r")
    for line in stream:
        yield line.removesuffix(b"\n").removesuffix(b"\r")


def typed_lines(text: str) -> list[str]:
    """The lines of a text given on the command line: at least one."""
    return text.removesuffix("\n").replace("\r\n", "\n").split("\n")


def standard_input() -> Iterator[str]:
    """The lines of standard input, each as soon as it arrives."""
    stream = sys.stdin.buffer
    assert isinstance(stream, BufferedReader), "of a file or a pipe"
    return lines_of(stream, "standard input")


# Tables


def read_table(
    path: Path | str, hint: str = "", delimiters: str = ",", strict: bool = False
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file below its header line, each with the line that it ends in, by column. Fields
    that a row lacks, as in a table that is still being written, are empty.

    delimiters: the one that the header has most of separates fields. strict: refuse rows that lack fields,
    columns without a name or of the same name, and quotes that CSV does not have.

    Raises UserError with file and line if it is not CSV or a row has more fields than the header.
    """
    text = read_text(path, hint).decode()
    delimiter = delimiter_of(text.partition("\n")[0], delimiters)
    missing = None if strict else ""
    table = StringIO(text, newline="")
    rows = csv.DictReader(table, restval=missing, delimiter=delimiter, strict=strict)
    last = 0
    try:
        names = [name.strip() for name in rows.fieldnames or ()]
        if strict and (not all(names) or len(set(names)) < len(names)):
            raise UserError(f"{path}, line 1: the columns {names} must each have a name of their own")
        last = rows.line_num
        for row in rows:
            if None in row or None in row.values():
                count = len(names) - list(row.values()).count(None) + len(row.pop(None, ()))
                more = strict and count > len(names)
                quoted = f'; a text with {delimiter!r} in it must be in "quotes"' if more else ""
                raise UserError(
                    f"{path}, line {rows.line_num}: a row of {count} fields under a header of {len(names)}"
                    f"{quoted}; fix or delete it"
                )
            yield rows.line_num, row
            last = rows.line_num
    except csv.Error as error:
        raise UserError(
            f"{path}, line {last + 1 if strict else rows.line_num + 1}: not CSV ({error}); fix or delete it"
        ) from None


def delimiter_of(header: str, delimiters: str) -> str:
    """The one of the ``delimiters`` that a header line has most of."""
    return max(delimiters, key=header.count)


# JSON


def read_json(path: Path | str, hint: str = "", shorten: Callable[[dict], Any] | None = None) -> Any:
    """The contents of a JSON file; as ``parse_json``."""
    return parse_json(read_bytes(path, hint), str(path), shorten)


def parse_json(data: bytes, name: str, shorten: Callable[[dict], Any] | None = None) -> Any:
    """The contents of JSON. ``shorten`` replaces each object as soon as it is parsed, to save memory.

    Raises UserError with name, and line if known, for invalid JSON and for an object with duplicate keys. NaN
    and Infinity are accepted as numbers.
    """

    def single(pairs: list[tuple[str, Any]]) -> Any:
        found = dict(pairs)
        if len(found) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise UserError(f"{name}: an object has two values for {twice!r}: {str(dict(pairs))[:80]}")
        return shorten(found) if shorten else found

    text = plain_text(data, name).decode()
    try:
        return json.loads(text, object_pairs_hook=single)
    except json.JSONDecodeError as error:
        place = f"{name}, line {error.lineno}, column {error.colno}"
        raise UserError(f"{place}: not JSON ({error.msg}); get the file again") from None
    except RecursionError:
        raise UserError(f"{name}: JSON nested too deeply; get the file again") from None
    except ValueError as error:
        raise UserError(f"{name}: JSON that cannot be read ({error}); get the file again") from None


def read_yaml(path: Path | str) -> Any:
    """The contents of a YAML file.

    Raises UserError with its name for invalid YAML, and for brackets nested more than ``DEEPEST`` deep, the
    time for which grows with the square of their number.
    """
    import yaml  # only where runs are read

    text = read_text(path)
    depths = accumulate((sign in b"[{") - (sign in b"]}") for sign in text)
    try:
        if max(depths, default=0) > DEEPEST:
            raise ValueError(f"brackets more than {DEEPEST} deep")
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(f"{path}: not YAML ({reason}); fix or delete it") from None


# Bytes


def _opened(path: Path | str, hint: str) -> BufferedReader:
    path = Path(path).expanduser()
    try:
        return path.open("rb")
    except FileNotFoundError:
        raise UserError(f"{path} does not exist" + (f": {hint}" if hint else "")) from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder; name a file, plain or .gz") from None
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _unpacked(data: bytes, name: str) -> bytes:
    try:
        return gunzipped(BytesIO(data), name).read() if data.startswith(GZIP) else data
    except DAMAGE as error:
        raise UserError(f"{_damaged(name, error)}: get it again") from None


def _damaged(name: str, error: Exception) -> str:
    junk = isinstance(error, gzip.BadGzipFile) and "Not a gzipped file" in str(error)
    reason = "what follows its end is not gzip" if junk else error
    return f"{name} is a damaged gzip file ({reason})"


def _refuse_other_encodings(start: bytes, name: str) -> None:
    for mark, encoding in OTHER_MARKS.items():
        if start.startswith(mark):
            raise UserError(
                f"{name} is {encoding.upper()}, not UTF-8: convert it first, for example with "
                f"iconv -f {encoding} -t utf-8"
            )


def _decoded(line: bytes, name: str, number: int) -> str:
    try:
        if b"\0" not in line:
            return line.decode()
    except UnicodeDecodeError as error:
        raise UserError(
            f"{name}, line {number}, byte {error.start + 1}: not UTF-8 (0x{line[error.start]:02x}). "
            "Convert the file, for example with iconv -f latin1 -t utf-8"
        ) from None
    raise UserError(
        f"{name}, line {number}, byte {line.index(0) + 1}: a zero byte, which is not text. Remove it, for "
        "example with tr -d '\\000'; or convert the file, if it is UTF-16"
    )
