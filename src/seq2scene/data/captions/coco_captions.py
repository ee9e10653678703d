"""Captions of photos: COCO (Chen et al. 2015), the splits of Karpathy and Fei-Fei (2015), and tables."""

from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch

from seq2scene.data.captions.caption_files import Captioned, read_captions_of, uncaptioned_beside
from seq2scene.data.captions.caption_module import CaptionModule
from seq2scene.data.features import Features, stored_features
from seq2scene.data.park.choosing import Park
from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.data.photo_names import original_name
from seq2scene.data.text_module import named_splits
from seq2scene.errors import UserError
from seq2scene.nets.vision.image_encoder import ImageEncoder
from seq2scene.scenes.images import read_photo
from seq2scene.sequences import corpus


@dataclass(kw_only=True, eq=False)
class CocoCaptions(CaptionModule):
    """Photos and their captions; photos without a caption are left out.

    A split is [table of captions or annotations of COCO, folder of photos], or [file of Karpathy, folder of
    photos, split ...] with the splits of that file to take, all under ``root``; val and tests may also be how
    many photos of train, or which share of them, are held out (``data.held_out``). Without tests every
    second photo of val is the split ``test``, and val the rest, as the captions of COCO's test photos are not
    public.
    """

    root: str = "."
    train: list[str]
    val: list[str] | int | float
    tests: dict[str, list[str] | int | float] | None = None  # name -> the same
    encoder: ImageEncoder  # sees the photos; it may be frozen
    store: bool = True  # of a frozen encoder features are cached, and batches hold these instead of photos

    def __post_init__(self) -> None:
        super().__post_init__()
        for split, names in self.files.items():
            if isinstance(names, str) or len(names) < 2:
                raise UserError(f"data: {split} must be [captions, folder of photos], not {names}")
        self._captioned: dict[tuple[str, ...], Captioned] = {}
        self._splits: dict[str, Captioned] = {}
        self._features: dict[str, Features] = {}

    def _split_files(self) -> dict[str, list[str] | int | float]:
        return named_splits(self.train, self.val, self.tests or {"test": self.val})

    # What the model and generation must know

    def description(self) -> dict[str, Any]:
        """The language, and the maps (D, y, x) of the image encoder; available after ``setup``."""
        maps = [self.encoder.output_size, *self.encoder.map_size]
        return {**super().description(), "maps": maps}

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
            file, folder, *_ = names = self.files[split]
            found = self._read(split, *names)
            halves = {} if self.tests or self._shares else {"val": 0, "test": 1}
            if split in halves and len(found) < 2:
                raise UserError(
                    f"{self.folder / file}: one photo cannot be halved into val and test; give data.tests"
                )
            if split in halves:
                found = found.every_second(halves[split])
            else:
                photos = [str(photo.relative_to(self.folder / folder)) for photo in found.photos]
                found = found.only(self._part(split, list(map(original_name, photos)), self.folder / file))
            self._splits[split] = found
        return self._splits[split]

    def _read(self, split: str, file: str, photos: str, *splits: str) -> Captioned:
        """The photos of a file; what is left out is reported when it is first read."""
        names = file, photos, *splits
        if names not in self._captioned:
            found = read_captions_of(self.folder / file, self.folder / photos, splits, self._hint)
            self._captioned[names] = found
            one_file = len(self._shares) + 1 == len(self.files)
            uncaptioned = uncaptioned_beside(found) if one_file else found.uncaptioned
            if uncaptioned or found.blank:
                what = "%s: left out: %d photos without a caption and %d captions without a word"
                self._report(what, split, uncaptioned, found.blank)
        return self._captioned[names]

    def _shared(self, split: str) -> tuple[int, int, str]:
        photos, known = self._of(split).photos, set(self._of("train").photos)
        return sum(photo in known for photo in photos), len(photos), "photos"

    def _load(self, splits: list[str]) -> None:
        super()._load(splits)
        for split in splits if self.store and self.encoder.frozen else ():
            if split not in self._features:
                photos = self._of(split).photos
                self._features[split] = stored_features(self.encoder, photos, self.cache, split)


@dataclass(kw_only=True, eq=False)
class ParkCaptions(Park, CocoCaptions):
    """The park's photos and captions, written under ``root`` on first use (see ``seq2scene.data.park``)."""

    write = staticmethod(ensure_photos)
    least = MappingProxyType({"val": 2})  # half of it is the test set
