"""Tables that people write themselves: CSV with a header line, or JSON lines, one object on each."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from seq2scene.data.coco.entries import is_text
from seq2scene.errors import UserError
from seq2scene.sequences.lines import delimiter_of, each_line, parse_json, read_table

DELIMITERS = ",;\t"  # Excel writes semicolons where the comma is the decimal mark


@dataclass(frozen=True)
class Row:
    """values: by column; of CSV all are texts. where: file and line, for messages. hint: what to do about a
    missing column. decimal_comma: whether 0,5 is a number, as the comma does not separate columns.
    """

    values: dict[str, Any]
    where: str
    hint: str = ""
    decimal_comma: bool = False

    def wrong(self, reason: str) -> UserError:
        return UserError(f"{self.where}: {reason}")

    def text(self, column: str, blank: bool = False) -> str:
        """A text without surrounding spaces. Raises UserError if it is none, or empty and not ``blank``."""
        value = self.values.get(column)
        if column not in self.values:
            raise self.wrong(f"it has no {column}, but {', '.join(self.values) or 'nothing'}{self.hint}")
        if not is_text(value) or not (blank or value.strip()):
            raise self.wrong(f"its {column} is {'empty' if value == '' else f'no text: {value!r:.60}'}")
        return value.strip()


def read_rows(path: Path, hint: str = "") -> Iterator[Row]:
    """The rows of a table: JSON lines, or a list of JSON objects, if its first character is a brace or a
    bracket; else CSV with a header, separated by commas, semicolons or tabs. Columns are in lower case.

    Raises UserError, with file and line, if the file is missing, is no such table or has no row.
    """
    lines = each_line(path, hint, strict=False)
    first = next((line for line in lines if line.strip()), "").strip()
    lines.close()
    if first.startswith("PK\x03\x04"):
        raise UserError(f"{path} is a workbook of Excel or another archive: save the table as CSV, in UTF-8")
    read = {"{": _json_lines, "[": _json_list}.get(first[:1], _csv)
    rows = (row for row in read(path) if any(value not in ("", None) for value in row.values.values()))
    top = next(rows, None)
    if top is None:
        raise UserError(f"{path}: a table without a row; below its header it needs at least one")
    return chain([top], rows)


def _csv(path: Path) -> Iterator[Row]:
    header, hint = next(each_line(path, strict=False), ""), "; the first line of the file names the columns"
    decimal_comma = delimiter_of(header, DELIMITERS) != ","
    for number, values in read_table(path, delimiters=DELIMITERS, strict=True):
        yield Row(_lower(values), f"{path}, line {number}", hint, decimal_comma)


def _json_lines(path: Path) -> Iterator[Row]:
    for number, line in enumerate(each_line(path), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            values = json.loads(line, object_pairs_hook=_single)
        except (ValueError, RecursionError) as error:
            reason = getattr(error, "msg", None) or str(error)
            raise UserError(
                f'{where}: not JSON ({reason}); a line is an object, {{"name": "value", ...}}'
            ) from None
        if not isinstance(values, dict):
            raise UserError(f"{where}: it is no object with fields, but {values!r:.60}")
        yield Row(_lower(values), where)


def _json_list(path: Path) -> Iterator[Row]:
    for number, values in enumerate(parse_json(path.read_bytes(), str(path)), start=1):
        where = f"{path}, entry {number}"
        if not isinstance(values, dict):
            raise UserError(f"{where}: it is no object with fields, but {values!r:.60}")
        yield Row(_lower(values), where)


def _single(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"two values for {next(key for key in keys if keys.count(key) > 1)!r}")
    return found


def _lower(values: dict[str, Any]) -> dict[str, Any]:
    return {name.strip().lower(): value for name, value in values.items()}
