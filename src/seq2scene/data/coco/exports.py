"""Boxes and masks as annotation tools (Label Studio, CVAT, Roboflow) export them in COCO's format, and the
captions of the photos in a table, as the tools have none.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from seq2scene.data.captions.caption_files import CaptionTable, read_caption_table
from seq2scene.data.coco.annotations import Captions, Classes, Images, Instances, read_instances
from seq2scene.data.coco.exported_names import find_photo, plain_name
from seq2scene.data.held_out import single_files
from seq2scene.data.messages import some
from seq2scene.data.photo_names import match_photos, original_name, photo_name
from seq2scene.data.text_module import DataModule, named_splits
from seq2scene.errors import UserError
from seq2scene.sequences.corpus import how_to_get


@dataclass(kw_only=True, eq=False)
class ExportedSplits(DataModule):
    """Options: the export that each split is read from, under ``root``, and what belongs to it.

    The classes are those of the training file that have enough objects. In other files they are found by
    name, whatever their numbers. Crowds count as objects (``read_instances``).
    """

    root: str = "."
    train: str  # JSON in COCO's format
    val: str | int | float = 0.1  # the same, or how many photos of train, or which share, are held out
    tests: dict[str, str | int | float]  # name -> the same
    captions: str  # of all photos: a table, or JSON in COCO's format
    photos: str | None = None  # folder of the photos; None: that of the export
    min_boxes: int = 1  # classes with fewer objects in the training file are left out

    def _split_files(self) -> Mapping[str, str | int | float]:
        return single_files(named_splits(self.train, self.val, self.tests))

    def _instances_file(self, split: str) -> Path:
        return self.folder / self.files[split]

    def photo_folder(self, split: str) -> Path:
        return self._instances_file(split).parent if self.photos is None else self.folder / self.photos

    def photo_path(self, split: str, name: str) -> Path:
        """The file of a photo, in the folder of the photos, by its name in the export (``find_photo``)."""
        return find_photo(self.photo_folder(split), name, self._instances_file(split))

    def photo_names(self, split: str, names: Sequence[str]) -> list[str]:
        """The names of photos in the folder of the photos, by their names in the export.

        Raises UserError if two names lead to one photo.
        """
        folder, found, owners = self.photo_folder(split), [], dict[str, str]()
        for name in names:
            file = self.photo_path(split, name).relative_to(folder).as_posix()
            owner = owners.setdefault(file, name)
            if photo_name(owner) != photo_name(name) and (folder / file).is_file():
                raise UserError(
                    f"{self._instances_file(split)}: {owner!r} and {name!r} would both be the photo "
                    f"{folder / file}; keep each in {folder} with so much of its path that they differ"
                )
            found.append(file)
        return found

    @cached_property
    def _instances_of_files(self) -> dict[Path, Instances]:
        return {}

    def _instances(self, split: str) -> Instances:
        path, names = self._instances_file(split), self._known_names
        if path not in self._instances_of_files:
            if names is None and path != self._instances_file("train"):
                names = self._instances("train").names
            self._instances_of_files[path] = self._read_instances(path, Classes(names, self.min_boxes))
        return self._instances_of_files[path]

    def _read_instances(self, path: Path, classes: Classes) -> Instances:
        self._require_positive("min_boxes")
        found = read_instances(path, f"; {how_to_get(self.fetch)}", exported=classes)
        of = f"{len(found.ids)} objects of {len(found.names)} classes in {len(found.images.ids)} photos"
        self._report("%s: %s: %s", path, of, some(found.names))
        learnt = classes.names is None
        others = {name: count for name, count in found.others.items() if learnt or count}
        if others:
            why = f"fewer than data.min_boxes={classes.least} objects" if learnt else "none in training"
            names = some([f"{name} ({count})" for name, count in others.items()])
            self._report("%s: left out: %d classes with %s: %s", path, len(others), why, names)
        if found.unsized:
            why = "without a size, as the annotation tool could not open them, and without annotations"
            names = some(found.unsized)
            self._report("%s: left out: %d photos %s: %s", path, len(found.unsized), why, names)
        if found.clipped:
            self._report("%s: %d boxes reach beyond their photo and are clipped", path, found.clipped)
        return found

    @cached_property
    def _table(self) -> CaptionTable:
        return read_caption_table(self.folder / self.captions, how_to_get(self.fetch))

    @cached_property
    def _captions_of_files(self) -> dict[Path, Captions]:
        return {}

    def _captions(self, split: str) -> Captions:
        file = self._instances_file(split)
        if file not in self._captions_of_files:
            table, images = self._table, self._instances(split).images
            matched = match_photos(table.where, images.files, originals(images), file)
            texts: list[list[str]] = [[] for _ in images.files]
            blank = np.zeros(len(texts), dtype=np.int64)
            for name, photos in matched.items():
                for photo in photos:
                    texts[photo] += table.captions.get(name, [])
                    blank[photo] += table.blank[name]
            self._captions_of_files[file] = Captions(images, texts, blank)
            captioned, whole = sum(map(bool, texts)), len(texts)
            self._report("%s: %d of its %d photos have captions in %s", file, captioned, whole, self.captions)
            if len(set(self.files.values())) == 1 and len(matched) < len(table.where):
                unknown = len(table.where) - len(matched)
                self._report("%s: %d photos of it are not in %s", self.captions, unknown, file)
        return self._captions_of_files[file]

    def _in_split(self, split: str, ids: np.ndarray) -> np.ndarray:
        """(N,) bool: which of the images of a split's file are in the split."""
        images = self._instances(split).images
        part = self._part(split, originals(images), self._instances_file(split))
        return np.isin(ids, images.ids[part])

    def _is_held_out(self, split: str) -> bool:
        return split in self._shares


def originals(images: Images) -> list[str]:
    """The names of the photos before their upload to an annotation tool."""
    names = zip(images.files, images.originals, strict=True)
    return [original or original_name(photo_name(plain_name(file))) for file, original in names]
