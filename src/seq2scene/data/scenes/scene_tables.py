"""Tables of clip-art scenes that people write: CSV, an object a row, or JSON lines, a scene each."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite, nan
from pathlib import Path
from typing import Any

from seq2scene.data.coco.entries import is_text
from seq2scene.data.tables import Row, read_rows
from seq2scene.scenes.scene_texts import split_sentences

FLAGS = {"0": 0, "1": 1, "false": 0, "true": 1, "no": 0, "yes": 1, "": 0}
FARTHER = 0.7  # scale of a depth, relative to the depth before it, as in Abstract Scenes
OTHERS = ("scene", "text", "texts", "objects", "name", "x", "y", "size", "depth", "flip")


@dataclass(frozen=True)
class TableObject:
    """name: of its class. x, y: its centre in canvas units. size: the scale of its picture. flip: 1 if it is
    mirrored. attributes: its other attributes. row: the row that defines it.
    """

    name: str
    x: float
    y: float
    size: float
    flip: int
    attributes: dict[str, str]
    row: Row


@dataclass(frozen=True)
class TableScene:
    """texts: the different texts that describe the scene, each as its sentences. objects: from back to front,
    in the order of the table.
    """

    name: str
    texts: list[list[str]] = field(default_factory=list)
    objects: list[TableObject] = field(default_factory=list)


def read_scene_table(path: Path, hint: str = "") -> list[TableScene]:
    """The scenes of a table (``data.tables``), in the order of the file.

    Either a row is an object, with the columns scene, text, name, x and y, where the text may stand in one
    of the rows of a scene or in all, and a scene of several texts has each in another row; or a row is a
    scene, with text or texts and objects, a list. An object may also have a size, the scale of its picture,
    or a depth (0 near, 1, 2 ...), and a flip; all other columns are attributes.

    Raises UserError, with file and line, if the file is missing or malformed.
    """
    scenes: dict[str, TableScene] = {}
    for number, row in enumerate(read_rows(path, hint), start=1):
        nested = "objects" in row.values
        if not nested and "name" not in row.values:
            raise row.wrong(
                "a row has either a name, as an object, or objects, as a scene; this has "
                f"{', '.join(row.values)}{row.hint}"
            )
        flat = "scene" in row.values and not nested
        name = row.text("scene") if flat else str(row.values.get("scene", number))
        if nested and name in scenes:
            raise row.wrong(f"an earlier row is of scene {name} too; a row with objects is a whole scene")
        scene = scenes.setdefault(name, TableScene(name))
        for text in _texts(row):
            sentences = split_sentences(text)
            if sentences and sentences not in scene.texts:
                scene.texts.append(sentences)
        scene.objects.extend(map(_object, _objects(row) if nested else [row]))
    return list(scenes.values())


def _texts(row: Row) -> list[str]:
    several = row.values.get("texts")
    if "texts" not in row.values:
        return [row.text("text", blank=True)]
    if "text" in row.values or not isinstance(several, list) or not all(map(is_text, several)):
        raise row.wrong("it has either one text or texts, a list of them in JSON")
    return [" ".join(text.split()) for text in several]


def _objects(row: Row) -> Iterator[Row]:
    objects = row.values["objects"]
    if not isinstance(objects, list):
        raise row.wrong(f"its objects are no list: {objects!r:.60}")
    for number, one in enumerate(objects, start=1):
        where = f"{row.where}, object {number}"
        if not isinstance(one, dict):
            raise Row({}, where).wrong(f'an object is {{"name": ..., "x": ..., "y": ...}}, not {one!r:.60}')
        yield Row({name.strip().lower(): value for name, value in one.items()}, where)


def _object(row: Row) -> TableObject:
    given = {name: value for name, value in row.values.items() if value is not None and value != ""}
    if "size" in given and "depth" in given:
        raise row.wrong(
            "it has a size and a depth; leave one out, as a depth is a size, 0.7 for 1, 0.49 for 2 ..."
        )
    size = _number(row, "size") if "size" in given else 1.0
    if "depth" in given:
        size = FARTHER ** _number(row, "depth")
    if not 0.01 <= size <= 100:
        raise row.wrong(f"its picture would be drawn at scale {size:g}; a scale is from 0.01 to 100")
    flip = FLAGS.get(_plain(row, given.get("flip", 0)).lower())
    if flip is None:
        raise row.wrong(f"its flip is 1 (mirrored) or 0, not {given['flip']!r:.60}")
    attributes = {name: _value(row, name) for name in given if name not in OTHERS}
    return TableObject(row.text("name"), _number(row, "x"), _number(row, "y"), size, flip, attributes, row)


def _number(row: Row, column: str) -> float:
    value: Any = row.values.get(column)
    try:
        number = nan if isinstance(value, bool) else float(_plain(row, value))
    except (ValueError, TypeError, OverflowError):
        number = nan
    if value in (None, ""):
        raise row.wrong(f"it has no {column}")
    if not isfinite(number):
        raise row.wrong(f"it has the {column} {value!r:.60}, which is no number")
    return number


def _value(row: Row, column: str) -> str:
    value = row.values[column]
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, int | float) and not is_text(value):
        raise row.wrong(f"its {column} is neither a text nor a number: {value!r:.60}")
    return _plain(row, value)


def _plain(row: Row, value: Any) -> str:
    """A value as text: of a number with a decimal point, and without one if it is whole, as 1 for 1.0."""
    text = str(value).strip()
    if row.decimal_comma and re.fullmatch(r"[+-]?\d+,\d+", text):
        text = text.replace(",", ".")
    whole = re.fullmatch(r"([+-]?\d+)\.0+", text)
    return whole[1] if whole else text
