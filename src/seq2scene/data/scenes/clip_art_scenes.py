"""Scenes of the user's own clip art: a folder of transparent PNG files and a table of scenes."""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from seq2scene.data.held_out import single_files
from seq2scene.data.messages import some
from seq2scene.data.scenes.clip_art_pictures import ClipArtFolder
from seq2scene.data.scenes.scene_module import SceneModule, Split
from seq2scene.data.scenes.scene_tables import TableObject, TableScene, read_scene_table
from seq2scene.data.text_module import DataModule, named_splits
from seq2scene.errors import UserError
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Head, Schema, check_settings
from seq2scene.scenes.sprites import BACKGROUND
from seq2scene.sequences.corpus import how_to_get

MOST_VALUES = 40  # of an attribute; a column with more is something else, such as a comment
MOST_SIZES = 8
USUAL = ("size", "flip", "pose", "expression")  # heads of Abstract Scenes, which a config may drop
WEIGHT = 2.0  # of other heads in the loss
TAKEN = re.compile(  # keys of objects in JSON, fields that are predicted, columns of scores
    r"class|patch|width|height|object|place|sample|log_prob|loss|score|(u|b|nll|faithfulness)_.*"
)


@dataclass(kw_only=True, eq=False)
class ClipArtTables(DataModule):
    """Options: the table of scenes of each split (``scene_tables``), and the pictures."""

    root: str = "."
    train: str  # table under root
    val: str | int | float = 0.1  # the same, or how many scenes of train, or which share, are held out
    tests: dict[str, str | int | float]  # name -> the same
    pngs: str = "pictures"  # folder of the pictures, under root
    canvas: list[int] | None = None  # width and height, in pixels of the pictures; None: of background.png
    attributes: list[str] | None = None  # columns that are attributes; None: all

    def _split_files(self) -> Mapping[str, str | int | float]:
        return single_files(named_splits(self.train, self.val, self.tests))


@dataclass(kw_only=True, eq=False)
class ClipArtScenes(ClipArtTables, SceneModule):
    """A table of scenes and the pictures of their objects (``clip_art_pictures``).

    Classes, attributes and their values are those of the training table; which attributes a picture depends
    on follows from the files. Objects are placed from far to near (order ``depth``) or class by class,
    what lies behind first (order ``type``); equal ones in the order of the table. Scenes without an object or
    a text are left out. A text of more sentences than any in training has the rest of them in its last one.

    heads: by name, of which only the weights count; those of Abstract Scenes that are missing are dropped.
    """

    def __post_init__(self) -> None:
        super().__post_init__()
        self._tables: dict[str, list[TableScene]] = {}
        self._pictures: dict[str, Tensor] | None = None

    def use(self, description: Mapping[str, Any]) -> None:
        super().use(description)
        self._pictures = description["pictures"]

    def pictures(self) -> dict[str, Tensor]:
        assert self._pictures is not None, "setup first"
        return self._pictures

    # The table

    def _table(self, split: str) -> list[TableScene]:
        """The scenes of the file of a split that have objects and texts."""
        file = self.files[split]
        if file not in self._tables:
            path = self.folder / file
            every = read_scene_table(path, how_to_get(self.fetch))
            scenes = [scene for scene in every if scene.objects and scene.texts]
            if not scenes:
                raise UserError(f"{path}: none of its {len(every)} scenes has both a text and an object")
            self._report(
                "%s: %d scenes of %d objects", path, len(scenes), sum(len(s.objects) for s in scenes)
            )
            if len(scenes) < len(every):
                wordless = sum(not scene.texts for scene in every)
                empty = len(every) - len(scenes) - wordless
                what = "%s: left out: %d scenes without a text and %d without an object"
                self._report(what, path, wordless, empty)
            self._tables[file] = scenes
        return self._tables[file]

    # The schema

    def _make_schema(self) -> Schema:
        scenes = self._table("train")
        objects: dict[str, list[TableObject]] = {name: [] for name in back_to_front(scenes)}
        for one in (one for scene in scenes for one in scene.objects):
            objects[one.name].append(one)
        if BACKGROUND in objects:
            raise objects[BACKGROUND][0].row.wrong(
                f"no object can be called {BACKGROUND}, as {BACKGROUND}.png is"
            )
        every = [one for there in objects.values() for one in there]
        if max(max(one.x, one.y) for one in every) <= 1:
            raise every[0].row.wrong(
                "x and y are all at most 1, but they are pixels of the canvas, not shares of it"
            )
        folder = ClipArtFolder(self.folder / self.pngs)
        canvas, values = self._canvas(folder), self._values(objects)
        variants, pictures, sizes = folder.read(objects, values, self._report)
        self._pictures = {**pictures, BACKGROUND: folder.background(canvas)}
        grid = self.grid or {"columns": 28, "rows": 28}
        scales = scales_of([one.size for one in every])
        schema = Schema(
            names=tuple(objects),
            grid=Grid(grid["columns"], grid["rows"], 1, 1, canvas[0] - 1, canvas[1] - 1),
            heads=self._weighted(heads_of(objects, values, scales)),
            max_objects=self.max_objects,
            sentences=max(len(text) for scene in scenes for text in scene.texts),
            canvas=canvas,
            sizes=sizes,
            scales=scales,
            order=self.order,
            variants=variants,
            types=tuple(range(1, len(objects) + 1)),
            depths=any(one.row.values.get("depth") not in (None, "") for one in every),
        )
        counts = [f"{name} ({len(there)})" for name, there in objects.items()]
        self._report("%d classes, from back to front: %s", len(counts), some(counts))
        for name, head in schema.heads.items():
            of = "" if head.only is None else f" of {some(head.only)}"
            shown = "; it chooses the picture" if name in variants else ""
            self._report("attribute %s%s: %s%s", name, of, some(head.values), shown)
        return schema

    def _canvas(self, folder: ClipArtFolder) -> tuple[int, int]:
        if self.canvas is None:
            return folder.canvas()
        if len(self.canvas) != 2 or not all(type(side) is int and side >= 10 for side in self.canvas):
            raise UserError(f"data.canvas={self.canvas} must be the width and the height, as [500,400]")
        width, height = self.canvas
        return width, height

    def _values(self, objects: Mapping[str, Sequence[TableObject]]) -> dict[str, list[str]]:
        """The values of each attribute. Raises UserError for a class of which only some objects have the
        attribute, and for an attribute that cannot have its name.
        """
        path = self.folder / self.train
        every = [one for there in objects.values() for one in there]
        found: dict[str, set[str]] = {}
        for one in every:
            for name, value in one.attributes.items():
                found.setdefault(name, set()).add(value)
        for name in self.attributes or ():
            if name not in found:
                raise UserError(
                    f"{path}: data.attributes={name}: it has {some(sorted(found)) or 'no attributes'}"
                )
        for name, values in list(found.items()):
            if self.attributes is not None and name not in self.attributes:
                del found[name]
            elif len(values) > MOST_VALUES:
                raise UserError(
                    f"{path}: the column {name} has {len(values)} values; an attribute has {MOST_VALUES} at "
                    "most. If it is none, name the columns that are: data.attributes=[NAME,...]"
                )
        for there in objects.values():
            for name in found:
                lacking = [one for one in there if name not in one.attributes]
                if 0 < len(lacking) < len(there):
                    raise lacking[0].row.wrong(
                        f"it has no {name}; {len(lacking)} of {len(there)} objects called {lacking[0].name} "
                        "have none: write one for each, or for none"
                    )
        if alike := [name for name, values in found.items() if len(values) == 1]:
            self._report("not learnt, as the value is always the same: %s", some(alike))
        if taken := [name for name, values in found.items() if len(values) > 1 and is_taken(name)]:
            others = ",".join(name for name in found if name not in taken)
            raise UserError(
                f"{path}: an attribute cannot be called {taken[0]!r}, which has a dot or is a word of the "
                f"program: rename the column, or leave it out: data.attributes=[{others}]"
            )
        return {name: sorted(values, key=numbers_first) for name, values in found.items()}

    def _weighted(self, heads: dict[str, Head]) -> dict[str, Head]:
        """The heads with the weights that the config has for some; without those that it has dropped."""
        if self.heads is None:
            return {name: replace(head, weight=WEIGHT) for name, head in heads.items()}
        for name in self.heads.keys() - heads.keys() - set(USUAL):
            raise UserError(
                f"heads.{name}: this data has no such attribute; it has {some(list(heads)) or 'none'}"
            )
        kept = {}
        for name, head in heads.items():
            if name in self.heads or name not in USUAL:
                settings = {"classes": head.classes, "weight": WEIGHT, **self.heads.get(name, {})}
                check_settings(name, settings, ("classes", "weight", "only"))
                kept[name] = replace(head, weight=settings["weight"])
        return kept

    # Scenes

    def _read(self, split: str) -> Split:
        scenes, path = self._table(split), self.folder / self.files[split]
        names = [scene.name for scene in scenes]
        numbers = numbers_of(names)
        rows = np.flatnonzero(self._part(split, names, path, "scenes")).tolist()
        chosen = [scenes[row] for row in rows]
        texts = [[shortened(text, self.schema.sentences) for text in scene.texts] for scene in chosen]
        return Split([numbers[row] for row in rows], self._lay_out(chosen, split), texts)

    def _lay_out(self, scenes: Sequence[TableScene], split: str) -> Objects:
        """Scenes as tensors, in canonical order."""
        heads, by_type, depths = self.schema.heads, self.schema.order == "type", self.schema.depths
        rows: list[tuple[float, ...]] = []
        for scene in scenes:
            coded = [(self._number(one), self._codes(one), one) for one in scene.objects]
            coded.sort(key=lambda one: one[0] if by_type else -one[1].get("size", 0) * depths)
            rows += [
                (number, one.x, one.y, *(codes.get(name, 0) for name in heads))
                for number, codes, one in coded
            ]
        if outside := sum(self._is_outside(one) for scene in scenes for one in scene.objects):
            self._report("%s: the centres of %d objects are off the canvas", split, outside)
        counts = [len(scene.objects) for scene in scenes]
        values = pad_sequence(torch.tensor(rows, dtype=torch.float64).split(counts), batch_first=True)
        codes = values[..., 3:].long().unbind(2)
        attributes = dict(zip(heads, codes, strict=True))
        return Objects(values[..., 0].long(), values[..., 1:3].float(), attributes)

    def _number(self, one: TableObject) -> int:
        if one.name not in self.schema.names:
            known = get_close_matches(one.name, self.schema.names, 3) or self.schema.names
            raise one.row.wrong(f"the training table has no object called {one.name}; it has {some(known)}")
        return self.schema.number(one.name)

    def _codes(self, one: TableObject) -> dict[str, int]:
        """The attributes of an object as numbers."""
        near = np.abs(np.log(np.array(self.schema.scales) / one.size)).argmin()
        codes = {"size": int(near), "flip": one.flip}
        for name, head in self.schema.heads.items():
            if name in codes or (head.only is not None and one.name not in head.only):
                continue
            value = one.attributes.get(name)
            if value not in head.values:
                found = f"no {name}" if value is None else f"the {name} {value}"
                raise one.row.wrong(f"it has {found}; in training it is one of {some(head.values)}")
            codes[name] = head.values.index(value)
        return {name: code for name, code in codes.items() if name in self.schema.heads}

    def _is_outside(self, one: TableObject) -> bool:
        """Whether the centre is off the canvas. Raises UserError if it is as far off as the canvas is wide,
        so that it must be in another unit.
        """
        width, height = self.schema.canvas
        if not (-width <= one.x <= 2 * width and -height <= one.y <= 2 * height):
            raise one.row.wrong(
                f"x={one.x:g} y={one.y:g} is far off the canvas of {width} x {height} pixels; x and y are "
                "those of the picture's centre, from the upper left corner; data.canvas is the canvas's size"
            )
        return not (0 <= one.x <= width and 0 <= one.y <= height)


def numbers_of(names: Sequence[str]) -> Sequence[int]:
    """The names of scenes as numbers; if some are no numbers, or the same ones, as 1 and 01, their places
    from 1.
    """
    numbers = list(map(int, names)) if all(map(str.isdecimal, names)) else []
    return numbers if len({*numbers}) == len(names) else range(1, len(names) + 1)


def back_to_front(scenes: Sequence[TableScene]) -> list[str]:
    """The names of the classes, by where their objects are on average among those of their scenes."""
    places = defaultdict(list)
    for scene in scenes:
        for place, one in enumerate(scene.objects):
            places[one.name].append((place + 0.5) / len(scene.objects))
    return sorted(places, key=lambda name: (float(np.mean(places[name])), name))


def scales_of(sizes: Sequence[float]) -> tuple[float, ...]:
    """The scales of pictures, the largest first; of too many sizes, ``MOST_SIZES`` evenly spaced ones."""
    found = sorted({round(size, 4) for size in sizes}, reverse=True)
    return tuple(
        found if len(found) <= MOST_SIZES else np.geomspace(found[0], found[-1], MOST_SIZES).tolist()
    )


def heads_of(
    objects: Mapping[str, Sequence[TableObject]], values: Mapping[str, Sequence[str]], scales: Sequence[float]
) -> dict[str, Head]:
    """The attributes that have several values: size, flip, and those of ``values``."""
    heads = {}
    if len(scales) > 1:
        heads["size"] = Head(len(scales), values=tuple(f"scale {scale:g}" for scale in scales))
    if len({one.flip for there in objects.values() for one in there}) > 1:
        heads["flip"] = Head(2, values=("as drawn", "mirrored"))
    for name, known in values.items():
        if len(known) == 1:
            continue
        has = tuple(kind for kind, there in objects.items() if name in there[0].attributes)
        heads[name] = Head(len(known), only=None if len(has) == len(objects) else has, values=tuple(known))
    return heads


def is_taken(name: str) -> bool:
    """Whether an attribute cannot have this name, as a net or its scores, or the objects in JSON, have
    another thing of that name.
    """
    return bool(TAKEN.fullmatch(name)) or not name or "." in name or hasattr(nn.ModuleDict(), name)


def shortened(sentences: list[str], most: int) -> list[str]:
    """At most so many sentences, the rest as part of the last."""
    return sentences if len(sentences) <= most else [*sentences[: most - 1], " ".join(sentences[most - 1 :])]


def numbers_first(value: str) -> tuple[int, float, str]:
    """The key by which the values of an attribute are sorted."""
    try:
        return 0, float(value), value
    except ValueError:
        return 1, 0.0, value
