"""Layouts with captions: the objects in a photo of COCO, their boxes, and the captions of the photo."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import torch

from seq2scene.data.captions.caption_module import CaptionModule
from seq2scene.data.park.choosing import Park
from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.data.scenes.coco_layout import CocoBoxes, CocoLayout, ParkLayout
from seq2scene.scenes.layouts import layouts_of
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Schema
from seq2scene.sequences.caption_batch import Layouts


@dataclass(kw_only=True, eq=False)
class CocoLayoutCaptions(CocoBoxes, CaptionModule):
    """The layouts of ``CocoLayout`` and all captions of each."""

    def __post_init__(self) -> None:
        super().__post_init__()
        shared = [*(field.name for field in fields(CocoBoxes)), "root", "cache", "fetch", "seed"]
        self.layouts = self._layouts(**{name: getattr(self, name) for name in shared})
        self._lines: dict[str, list[tuple[str, ...]]] = {}

    def _layouts(self, **options: Any) -> CocoLayout:
        return CocoLayout(**options)

    # What the model and generation must know

    @property
    def schema(self) -> Schema:
        """Schema of the layouts; available after ``setup``."""
        assert self.layouts.schema is not None, "setup first"
        return self.layouts.schema

    def description(self) -> dict[str, Any]:
        """The language and the schema of the layouts; available after ``setup``."""
        return {**super().description(), "schema": self.schema.state()}

    def use(self, description: Mapping[str, Any]) -> None:
        """Takes language and schema of a checkpoint instead of learning them; call before ``setup``."""
        super().use(description)
        self.layouts.use_schema(Schema.from_state(description["schema"]))

    def references(self, split: str) -> list[tuple[str, ...]]:
        if split not in self._lines:
            self.layouts.read([split])
            told = self.layouts.splits[split].texts
            self._lines[split] = [tuple(" ".join(text.split()) for (text,) in texts) for texts in told]
        return self._lines[split]

    def image_name(self, split: str, row: int) -> str:
        """The COCO id of the image."""
        return str(self.layouts.splits[split].numbers[row])

    def images_of(self, split: str, rows: np.ndarray) -> dict[str, Layouts]:
        objects = self._objects(split)[torch.from_numpy(np.asarray(rows))]
        return {"layouts": layouts_of(objects, self.schema, self.schema.max_objects)}

    # Reading

    def _objects(self, split: str) -> Objects:
        self.layouts.read([split])
        return self.layouts.splits[split].objects

    def _shared(self, split: str) -> tuple[int, int, str]:
        return self.layouts._shared(split)

    def _load(self, splits: list[str]) -> None:
        super()._load(splits)
        self.layouts.read(splits)


@dataclass(kw_only=True, eq=False)
class ParkLayoutCaptions(Park, CocoLayoutCaptions):
    """Layouts and captions of the park's photos, written under ``root`` on first use."""

    write = staticmethod(ensure_photos)

    def _layouts(self, **options: Any) -> ParkLayout:
        return ParkLayout(park=self.park, **options)
