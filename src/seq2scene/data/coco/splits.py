"""The files of COCO's splits, from which layouts and composites are read."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property, partial
from pathlib import Path

import numpy as np

from seq2scene.data.coco.annotations import Captions, Instances, read_captions, read_instances
from seq2scene.data.text_module import DataModule
from seq2scene.errors import UserError
from seq2scene.sequences.corpus import how_to_get
from seq2scene.sequences.lines import read_lines

SOURCES = {"train": "train2017", "val": "val2017", "test": "val2017"}


@dataclass(kw_only=True, eq=False)
class CocoSplits(DataModule):
    """Options: the annotation file NAME of each split, and which images of train validate instead."""

    sources: dict[str, str] | None = None  # NAME of each split; None: train2017, and val2017 for both others
    val_images: int | str | None = None  # how many, drawn by seed, or a file of ids, one a line; None: none

    def _split_files(self) -> dict[str, str]:
        files = dict(SOURCES if self.sources is None else self.sources)
        return files if self.val_images is None else {**files, "val": files["train"]}

    def _facts_file(self, split: str) -> Path:
        return super()._facts_file(self.files[split])

    def _instances_file(self, split: str) -> Path:
        return self.folder / "annotations" / f"instances_{self.files[split]}.json"

    @cached_property
    def _read_instances(self) -> Callable[[Path], Instances]:
        return cache(partial(read_instances, hint=f"; {how_to_get(self.fetch)}"))

    @cached_property
    def _read_captions(self) -> Callable[[Path], Captions]:
        return cache(partial(read_captions, hint=f"; {how_to_get(self.fetch)}"))

    def _instances(self, split: str) -> Instances:
        found = self._read_instances(self._instances_file(split))
        if found.names != (self._known_names or found.names):
            raise UserError(
                f"{self._instances_file(split)}: its categories are not those "
                "of the training file, or of the checkpoint: all files must have the same, in the same order"
            )
        return found

    def _captions(self, split: str) -> Captions:
        return self._read_captions(self.folder / "annotations" / f"captions_{self.files[split]}.json")

    def _in_split(self, split: str, ids: np.ndarray) -> np.ndarray:
        return in_split(split, ids, self.val_images, self.seed)

    def _is_held_out(self, split: str) -> bool:
        return split == "val" and self.val_images is not None


def in_split(split: str, ids: np.ndarray, val_images: int | str | None, seed: int) -> np.ndarray:
    """Which images (N,) of a split's annotation file are in the split, as bool: all, except that those of
    ``val_images`` (how many, drawn by ``seed``, or a file of their ids) move from train to val.
    """
    if val_images is None or split == "test":
        return np.ones(len(ids), dtype=bool)
    if isinstance(val_images, int):
        if not 0 < val_images < len(ids):
            raise UserError(f"data.val_images={val_images}: there are {len(ids)} to draw from")
        held_out = np.zeros(len(ids), dtype=bool)
        held_out[np.random.default_rng(seed).permutation(len(ids))[:val_images]] = True
    else:
        held_out = np.isin(ids, read_ids(Path(val_images), ids))
    return held_out if split == "val" else ~held_out


def read_ids(path: Path, known: np.ndarray) -> list[int]:
    """Image ids, one per line; raises UserError for an id that is not ``known``."""
    if not path.is_file():
        raise UserError(f"data.val_images={path}: there is no such file")
    ids: list[int] = []
    present = {str(image): image for image in known.tolist()}
    for number, line in enumerate(read_lines(path), start=1):
        if text := line.strip():
            image = text.lstrip("0") or "0"
            if image not in present:
                raise UserError(f"{path}, line {number}: there is no image {text[:40]} to train on")
            ids.append(present[image])
    return ids
