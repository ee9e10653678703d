"""Layouts and clip-art scenes with captions: objects instead of photos, and the texts that describe them."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
import torch

from seq2scene.data.captions.caption_module import CaptionModule
from seq2scene.data.park.choosing import Park
from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.data.park.scenes_writing import ensure_scenes
from seq2scene.data.scenes.abstract_scenes import AbstractScenes, ParkScenes
from seq2scene.data.scenes.clip_art_scenes import ClipArtScenes, ClipArtTables
from seq2scene.data.scenes.coco_layout import CocoBoxes, CocoLayout, ParkLayout
from seq2scene.data.scenes.exported import ExportedBoxes, ExportedLayout
from seq2scene.data.scenes.scene_module import SceneModule
from seq2scene.scenes.layouts import layouts_of
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Schema
from seq2scene.sequences.caption_batch import Layouts


@dataclass(kw_only=True, eq=False)
class ObjectCaptions(CaptionModule):
    """The scenes of another data module, and all texts of each, their sentences joined.

    scene_options: the options that it shares with that module, besides those of all.
    """

    scene_options: ClassVar[tuple[str, ...]] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        shared = (*self.scene_options, "root", "cache", "fetch", "seed")
        self.scenes = self._scenes(**{name: getattr(self, name) for name in shared})
        self._lines: dict[str, list[tuple[str, ...]]] = {}

    # What subclasses provide

    def _scenes(self, **options: Any) -> SceneModule:
        raise NotImplementedError

    # What the model and generation must know

    @property
    def schema(self) -> Schema:
        """Schema of the scenes."""
        return self.scenes.schema

    def description(self) -> dict[str, Any]:
        """The language and the schema of the scenes; available after ``setup``."""
        return {**super().description(), "schema": self.schema.state()}

    def use(self, description: Mapping[str, Any]) -> None:
        """Takes language and schema of a checkpoint instead of learning them; call before ``setup``."""
        super().use(description)
        self.scenes.use_schema(Schema.from_state(description["schema"]))

    def references(self, split: str) -> list[tuple[str, ...]]:
        if split not in self._lines:
            self.scenes.read([split])
            scenes = self.scenes.splits[split].texts
            self._lines[split] = [
                tuple(" ".join(" ".join(text).split()) for text in texts) for texts in scenes
            ]
        return self._lines[split]

    def image_name(self, split: str, row: int) -> str:
        """The number of the scene; of COCO, the id of the image."""
        return str(self.scenes.splits[split].numbers[row])

    def images_of(self, split: str, rows: np.ndarray) -> dict[str, Layouts]:
        objects = self.objects(split)[torch.from_numpy(np.asarray(rows))]
        return {"layouts": layouts_of(objects, self.schema, self.schema.max_objects)}

    # Reading

    def objects(self, split: str) -> Objects:
        """The scenes of a split."""
        self.scenes.read([split])
        return self.scenes.splits[split].objects

    def _shared(self, split: str) -> tuple[int, int, str]:
        return self.scenes._shared(split)

    def _load(self, splits: list[str]) -> None:
        super()._load(splits)
        self.scenes.read(splits)


@dataclass(kw_only=True, eq=False)
class CocoLayoutCaptions(CocoBoxes, ObjectCaptions):
    """The layouts of ``CocoLayout`` and all captions of each."""

    scene_options = tuple(field.name for field in fields(CocoBoxes))

    def _scenes(self, **options: Any) -> CocoLayout:
        return CocoLayout(**options)


@dataclass(kw_only=True, eq=False)
class ExportedLayoutCaptions(ExportedBoxes, ObjectCaptions):
    """The layouts of ``ExportedLayout`` and all captions of each."""

    scene_options = tuple(field.name for field in fields(ExportedBoxes))

    def _scenes(self, **options: Any) -> ExportedLayout:
        return ExportedLayout(**options)


@dataclass(kw_only=True, eq=False)
class ParkLayoutCaptions(Park, CocoLayoutCaptions):
    """Layouts and captions of the park's photos, written under ``root`` on first use."""

    write = staticmethod(ensure_photos)

    def _scenes(self, **options: Any) -> ParkLayout:
        return ParkLayout(park=self.park, **options)


@dataclass(kw_only=True, eq=False)
class AbstractSceneCaptions(ObjectCaptions):
    """The scenes of ``AbstractScenes`` and both texts of each."""

    scene_options = ("max_objects", "heads")

    max_objects: int = 17  # of a scene; the rest, far to near, goes unseen
    heads: dict[str, dict[str, Any]] | None = None  # attributes that are seen; None: all, of all objects

    def _scenes(self, **options: Any) -> AbstractScenes:
        return AbstractScenes(**options)


@dataclass(kw_only=True, eq=False)
class ParkSceneCaptions(Park, AbstractSceneCaptions):
    """Scenes and texts of the park, written under ``root`` on first use."""

    write = staticmethod(ensure_scenes)
    least: ClassVar[Mapping[str, int]] = {"held_out": 0}

    def _scenes(self, **options: Any) -> ParkScenes:
        return ParkScenes(park=self.park, **options)


@dataclass(kw_only=True, eq=False)
class ClipArtCaptions(ClipArtTables, ObjectCaptions):
    """The scenes of ``ClipArtScenes`` and all texts of each."""

    scene_options = (*(field.name for field in fields(ClipArtTables)), "max_objects", "heads")

    max_objects: int = 17  # of a scene; the rest goes unseen
    heads: dict[str, dict[str, Any]] | None = None  # see ``ClipArtScenes``

    def _scenes(self, **options: Any) -> ClipArtScenes:
        return ClipArtScenes(**options)
