"""Layouts with captions: which objects are in a photo of COCO, the boxes they lie in, and what people said of
it.
"""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch

from seq2scene.data.caption_module import CaptionModule
from seq2scene.data.coco_layout import CocoLayout, ParkLayout
from seq2scene.data.park.choosing import made_by
from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.data.text_module import same_language
from seq2scene.scenes.layouts import layouts_of
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Schema
from seq2scene.sequences.caption_batch import Layouts
from seq2scene.sequences.language import Language


class CocoLayoutCaptions(CaptionModule):
    """Layouts, read as ``CocoLayout`` reads them, and all captions of each.

    root, sources, val_images, filtered, min_area: see there. max_objects: of a layout, the first in canonical
    order. The rest as of ``CaptionModule``.
    """

    def __init__(
        self,
        root: str,
        sources: dict[str, str] | None = None,
        val_images: int | str | None = None,
        filtered: tuple[Literal["train", "val", "test"], ...] = ("train", "val", "test"),
        min_area: float = 0.01,
        max_objects: int = 9,
        language: str = "en",
        tokenizer: str = "moses",
        lowercase: bool = True,
        vocabulary_size: int = 8000,
        min_count: int = 5,
        max_size: int | None = None,
        max_length: int | None = 50,
        batch_by: Literal["sentences", "tokens", "length"] = "sentences",
        batch_size: int = 64,
        eval_batch_size: int = 128,
        pool_batches: int = 100,
        seed: int = 0,
        cache: str = ".cache",
        fetch: str | None = None,
    ) -> None:
        super().__init__(
            {"train": None, "val": None, "test": None},
            root,
            cache,
            fetch,
            language,
            tokenizer,
            lowercase,
            vocabulary_size,
            min_count,
            max_size,
            max_length,
            batch_by,
            batch_size,
            eval_batch_size,
            pool_batches,
            seed,
        )
        self.layouts = self._layouts(
            root,
            sources,
            val_images,
            filtered,
            min_area,
            max_objects=max_objects,
            seed=seed,
            cache=cache,
            fetch=fetch,
        )
        self._lines: dict[str, list[tuple[str, ...]]] = {}

    def _layouts(self, *settings: Any, **others: Any) -> CocoLayout:
        return CocoLayout(*settings, **others)

    # What the model and generation must know

    @property
    def schema(self) -> Schema:
        """Of the layouts; known after ``setup``."""
        assert self.layouts.schema is not None, "setup first"
        return self.layouts.schema

    def description(self) -> dict[str, Any]:
        """The language and the schema of the layouts; known after ``setup``."""
        assert self.language is not None, "setup first"
        return {
            "language": self.language.state(),
            "language_code": self.code,
            "schema": self.schema.state(),
        }

    def use(self, description: Mapping[str, Any]) -> None:
        """Takes language and schema of a checkpoint instead of learning them; call before ``setup``."""
        self.language = Language.from_state(description["language"])
        self.code = same_language(description, "language_code", "language", self.code)
        self.layouts.use_schema(Schema.from_state(description["schema"]))

    def references(self, split: str) -> list[tuple[str, ...]]:
        if split not in self._lines:
            self.layouts.read([split])
            told = self.layouts.splits[split].texts
            self._lines[split] = [tuple(" ".join(text.split()) for (text,) in texts) for texts in told]
        return self._lines[split]

    def image_name(self, split: str, row: int) -> str:
        """The number of the image in COCO."""
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


@made_by(ensure_photos)
class ParkLayoutCaptions(CocoLayoutCaptions):
    """Layouts and captions of the park's photos, written under ``root`` on first use."""

    def _layouts(self, *settings: Any, **others: Any) -> ParkLayout:
        return ParkLayout(*settings, park=self.park, **others)
