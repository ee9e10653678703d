"""Abstract Scenes (Zitnick and Parikh 2013) as used by Text2Scene (Tan et al. 2019): clip-art scenes of up to
17 objects, each described twice in three sentences.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seq2scene.data.park.choosing import Park
from seq2scene.data.park.language.lexicon import NOUNS
from seq2scene.data.park.scenes_writing import ensure_scenes
from seq2scene.data.scenes import abstract_files as raw
from seq2scene.data.scenes.scene_module import SceneModule, Split
from seq2scene.errors import UserError
from seq2scene.scenes.clip_art import type_of
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.objects import FIRST_CLASS, Objects
from seq2scene.scenes.schema import Order, Schema, choose_heads
from seq2scene.sequences.corpus import how_to_get

CANVAS = (500, 400)
SCALES = (1.0, 0.7, 0.49)
PARK_TITLES = {"hb0": "Mike", "hb1": "Jenny"}
ATTRIBUTES = {
    "size": raw.DEPTHS,
    "flip": 2,
    "pose": raw.POSES,
    "expression": raw.EXPRESSIONS,
}


@dataclass(kw_only=True, eq=False)
class AbstractScenes(SceneModule):
    """A folder in the layout of AbstractScenes_v1.1. Scenes without an object or a sentence are left out;
    where only one group of annotators described a scene its text stands for both.

    heads: of size 3, flip 2, pose 7, expression 5.
    """

    sentences = raw.PER_SCENE
    titles: ClassVar[tuple[str, ...]] = raw.TITLES

    mix_texts: bool = False  # in training each sentence is drawn from either text of its scene on its own

    def __post_init__(self) -> None:
        super().__post_init__()
        grid, heads = self.grid or {"columns": 28, "rows": 28}, self.heads
        self._grid = Grid(grid["columns"], grid["rows"], 1, 1, CANVAS[0] - 1, CANVAS[1] - 1)
        heads = {name: {"classes": n} for name, n in ATTRIBUTES.items()} if heads is None else heads
        self._heads = choose_heads(heads, ATTRIBUTES)
        self._pictures: dict[str, Tensor] | None = None

    def use(self, description: Mapping[str, Any]) -> None:
        super().use(description)
        self._pictures = description["pictures"]

    def pictures(self) -> dict[str, Tensor]:
        if self._pictures is None:
            self._pictures = raw.read_pictures(self.folder / raw.PICTURES, self._hint)
        return self._pictures

    def _make_schema(self) -> Schema:
        self.pictures()
        return Schema(
            names=raw.NAMES,
            grid=self._grid,
            heads=self._heads,
            max_objects=self.max_objects,
            sentences=self.sentences,
            canvas=CANVAS,
            sizes=raw.opaque_sizes(self.folder / raw.PICTURES),
            scales=SCALES,
            titles=self.titles,
            order=self.order,
        )

    @property
    def _hint(self) -> str:
        return how_to_get(self.fetch)

    @cached_property
    def _files(self) -> tuple[dict[int, list[raw.Placed]], dict[int, list[list[str]]], dict[str, list[int]]]:
        """The objects and the texts of scenes by number, and the numbers of each split."""
        scenes = raw.read_scenes(self.folder / raw.SCENES, self._hint)
        groups = [raw.read_sentences(self.folder / name, scenes, self._hint) for name in raw.SENTENCES]
        texts = {scene: [group[scene] for group in groups if scene in group] for scene in scenes}
        usable = sorted(scene for scene, objects in scenes.items() if objects and texts[scene])
        self._report("%d of %d scenes have objects and sentences", len(usable), len(scenes))
        self._report_other_pictures()
        texts = {scene: (texts[scene] * len(groups))[: len(groups)] for scene in usable}
        return scenes, texts, self._split(scenes, usable)

    def _report_other_pictures(self) -> None:
        """Reports clip art of other sizes than those in the checkpoint, from which all boxes are computed."""
        if self._schema is None or not (self.folder / raw.PICTURES).is_dir():
            return
        if not torch.equal(raw.opaque_sizes(self.folder / raw.PICTURES), self._schema.sizes):
            self._report(
                "%s: its clip art is not that of the checkpoint, from which overlaps are computed",
                self.folder,
            )

    def _split(self, scenes: dict[int, list[raw.Placed]], usable: list[int]) -> dict[str, list[int]]:
        paths = {name: self.folder / "splits" / f"text2scene_{name}.txt" for name in self.files}
        if not any(path.is_file() for path in paths.values()):
            return raw.official_split(usable)
        known = set(usable)
        chosen = {name: raw.read_split(path, scenes, self._hint) for name, path in paths.items()}
        return {name: [scene for scene in numbers if scene in known] for name, numbers in chosen.items()}

    def _read(self, split: str) -> Split:
        scenes, texts, splits = self._files
        numbers = splits[split]
        if not numbers:
            raise UserError(
                f"{self.folder}: no scene of its {split} set has objects and sentences; say which scenes "
                f"are in it in splits/text2scene_{split}.txt, a number a line"
            )
        return Split(
            numbers, place([scenes[n] for n in numbers], self._placing_order), [texts[n] for n in numbers]
        )


@dataclass(kw_only=True, eq=False)
class ParkScenes(Park, AbstractScenes):
    """The park's scenes, written under ``root`` on first use (see ``seq2scene.data.park``)."""

    write = staticmethod(ensure_scenes)
    least: ClassVar = {"held_out": 0}
    titles = tuple(PARK_TITLES.get(name, NOUNS[name].english) for name in raw.NAMES)


def place(scenes: list[list[raw.Placed]], order: Order = "depth") -> Objects:
    """Scenes as tensors, in canonical order: by type, or the sky before the rest and in each part the far
    before the near; equal objects in the order of the file.
    """

    def rank(one: raw.Placed) -> tuple[float, ...]:
        return (type_of(one.name),) if order == "type" else (type_of(one.name) > 0, -one.z)

    ordered = [sorted(scene, key=rank) for scene in scenes]
    numbers = {name: FIRST_CLASS + number for number, name in enumerate(raw.NAMES)}
    rows = torch.tensor(
        [(numbers[o.name], o.x, o.y, o.z, o.flip, o.pose, o.expression) for scene in ordered for o in scene]
    )
    values = pad_sequence(rows.split(list(map(len, ordered))), batch_first=True)
    attributes = dict(zip(ATTRIBUTES, values[..., 3:].unbind(2), strict=True))
    return Objects(values[..., 0], values[..., 1:3].float(), attributes)
