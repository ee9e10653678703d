"""Captions of photos: COCO (Chen et al. 2015), and the splits of Karpathy and Fei-Fei (2015)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from seq2scene.data.caption_files import Captioned, read_coco, read_karpathy
from seq2scene.data.caption_module import CaptionModule
from seq2scene.data.features import Features, stored_features
from seq2scene.data.park.choosing import made_by
from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.data.text_module import named_splits, same_language
from seq2scene.errors import UserError
from seq2scene.nets.vision.image_encoder import ImageEncoder
from seq2scene.scenes.images import read_photo
from seq2scene.sequences import corpus
from seq2scene.sequences.language import Language


class CocoCaptions(CaptionModule):
    """Photos and their captions.

    train, val: [annotations of COCO, folder of photos], or [file of Karpathy, folder of photos, split ...]
    with the splits of it that are taken, relative to ``root``; tests: name -> the same. Without tests, as
    COCO has no captions of its test photos, every second photo of val is ``test``, and val the rest. Photos
    without a caption are left out. encoder: the image encoder; where it is frozen and ``store`` is set, what
    it makes of the photos is stored in the cache (``data.features``) and batches bring that, else photos. The
    rest as of ``CaptionModule``.
    """

    def __init__(
        self,
        train: list[str],
        val: list[str],
        encoder: ImageEncoder,
        tests: dict[str, list[str]] | None = None,
        root: str = ".",
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
        store: bool = True,
        cache: str = ".cache",
        fetch: str | None = None,
    ) -> None:
        super().__init__(
            named_splits(train, val, tests or {"test": val}),
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
        self.halved = not tests  # val is halved for a test set
        self.encoder, self.store = encoder, store and encoder.frozen
        for split, names in self.files.items():
            if len(names) < 2:
                raise UserError(f"data: {split} must be [annotations, folder of photos], not {names}")
        self._splits: dict[str, Captioned] = {}
        self._features: dict[str, Features] = {}

    # What the model and generation must know

    def description(self) -> dict[str, Any]:
        """The language, and the maps (D, y, x) that the image encoder makes; known after ``setup``."""
        assert self.language is not None, "setup first"
        maps = [self.encoder.output_size, *self.encoder.map_size]
        return {"language": self.language.state(), "language_code": self.code, "maps": maps}

    def use(self, description: Mapping[str, Any]) -> None:
        """Takes the language of a checkpoint instead of learning it; call before ``setup``."""
        self.language = Language.from_state(description["language"])
        self.code = same_language(description, "language_code", "language", self.code)

    def references(self, split: str) -> list[tuple[str, ...]]:
        return self._of(split).captions

    def image_path(self, split: str, row: int) -> Path:
        """The file of a photo, by its number in the split."""
        return self._of(split).photos[row]

    def image_name(self, split: str, row: int) -> str:
        return self.image_path(split, row).name

    def images_of(self, split: str, rows: np.ndarray) -> dict[str, Any]:
        features = self._features.get(split)
        return self.drawable(split, rows) if features is None else {"features": features[rows]}

    def drawable(self, split: str, rows: np.ndarray) -> dict[str, Any]:
        size, how = self.encoder.size, self.encoder.resize
        return {"images": torch.stack([read_photo(self.image_path(split, row), size, how) for row in rows])}

    # Reading

    @property
    def _hint(self) -> str:
        return corpus.how_to_get(self.fetch)

    def _of(self, split: str) -> Captioned:
        if split not in self._splits:
            told = self._read(*self.files[split])
            if told.bare or told.blank:
                what = "%s: left out: %d photos without a caption and %d captions without a word"
                self._report(what, split, told.bare, told.blank)
            halves = {"val": 0, "test": 1} if self.halved else {}
            if split in halves and len(told) < 2:
                raise UserError(
                    f"{self.folder / self.files[split][0]}: one photo cannot be halved into val and test; "
                    "give data.tests"
                )
            self._splits[split] = told.every_second(halves[split]) if split in halves else told
        return self._splits[split]

    def _read(self, file: str, photos: str, *splits: str) -> Captioned:
        path, folder = self.folder / file, self.folder / photos
        return (
            read_karpathy(path, folder, splits, self._hint) if splits else read_coco(path, folder, self._hint)
        )

    def _shared(self, split: str) -> tuple[int, int, str]:
        photos, known = self._of(split).photos, set(self._of("train").photos)
        return sum(photo in known for photo in photos), len(photos), "photos"

    def _load(self, splits: list[str]) -> None:
        super()._load(splits)
        for split in splits:
            if self.store and split not in self._features:
                photos = self._of(split).photos
                self._features[split] = stored_features(self.encoder, photos, self.cache, split)


@made_by(ensure_photos, val=2)  # half of it is the test set
class ParkCaptions(CocoCaptions):
    """The park's photos and captions, written under ``root`` on first use (see ``seq2scene.data.park``)."""
