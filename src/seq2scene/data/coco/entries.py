"""The entries of annotation files, checked by type as they are read: a text "0" is not the number 0."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeGuard

import numpy as np

from seq2scene.errors import UserError
from seq2scene.scenes.images import LONGEST_NAME

ONE = {
    "annotations": "annotation",
    "categories": "category",
    "images": "image",
    "licenses": "license",
    "segments_info": "segment",
}
FLAGS = {0: False, 1: True, "0": False, "1": True}  # false and 0.0 are equal to 0
LARGEST = np.iinfo(np.int64)


class Entries:
    """The entries of one list of an annotation file, read column by column.

    part: the name of the list. identity: the field by which messages name an entry. All methods raise
    UserError, with file and entry, for the first value of another type than they promise.
    """

    def __init__(self, entries: Sequence[Any], part: str, path: Path, identity: str = "id") -> None:
        self.entries, self.part, self.path, self.identity = entries, part, path, identity
        for number, entry in enumerate(entries):
            if not isinstance(entry, dict):
                raise self.wrong(number, f"it is no object with fields, but {_short(entry)}")

    def __len__(self) -> int:
        return len(self.entries)

    def wrong(self, number: int, reason: str) -> UserError:
        """The error that an entry, by its index in the list, is wrong for this reason."""
        entry = self.entries[number]
        name = entry.get(self.identity) if isinstance(entry, dict) else None
        known = isinstance(name, int | str) and not isinstance(name, bool)
        which = f"{ONE[self.part]} {name!r}" if known else f'entry {number} of "{self.part}"'
        return UserError(f"{self.path}: {which}: {reason}")

    def values(self, field: str) -> list[Any]:
        """Values of any type."""
        try:
            return [entry[field] for entry in self.entries]
        except KeyError:
            missing = next(number for number, entry in enumerate(self.entries) if field not in entry)
            raise self.wrong(missing, f"it has no {field}") from None

    def whole(self, field: str) -> np.ndarray:
        """Whole numbers (N,) int64; 640.0 counts as one."""
        values = self.values(field)
        if set(map(type, values)) - {int}:
            values = [self._whole(number, field, value) for number, value in enumerate(values)]
        try:
            return np.asarray(values, dtype=np.int64)
        except OverflowError:
            far = (n for n, value in enumerate(values) if not LARGEST.min <= value <= LARGEST.max)
            number = next(far)
            raise self.wrong(number, f"its {field} has more than 64 bits: {_short(values[number])}") from None

    def identities(self) -> np.ndarray:
        """The entries' identities (N,) int64: whole numbers, no two alike."""
        numbers = self.whole(self.identity)
        values, counts = np.unique(numbers, return_counts=True)
        for value in values[counts > 1][:1].tolist():
            reason = f"there are two {self.part} {value}; leave one out or give it another {self.identity}"
            raise UserError(f"{self.path}: {reason}")
        return numbers

    def indices(self, field: str, known: np.ndarray) -> np.ndarray:
        """The indices (N,) int64 of a field's numbers among the ``known`` ones (K,), in ascending order."""
        wanted = self.whole(field)
        indices, found = looked_up(wanted, known)
        for number in np.flatnonzero(~found)[:1]:
            raise self.wrong(number, f"there is no such {field}: {wanted[number]}")
        return indices

    def flags(self, field: str, default: bool | None = None) -> np.ndarray:
        """Flags (N,) bool: true and false, or 1 and 0, also as texts. default: of an entry without one."""
        values = self._values(field, default)
        try:
            return np.asarray([FLAGS[value] for value in values], dtype=bool)
        except (KeyError, TypeError):  # TypeError: a list, which is no key of a dictionary
            kinds = int, float, str
            bad = (n for n, v in enumerate(values) if not isinstance(v, kinds) or v not in FLAGS)
            number = next(bad)
            raise self.wrong(number, f"its {field} is neither 0 nor 1: {_short(values[number])}") from None

    def texts(self, field: str, blank: bool = False, default: str | None = None) -> list[str]:
        """Texts. blank: they may be empty. default: of an entry without the field."""
        values = self._values(field, default)
        for number, value in enumerate(values):
            if not isinstance(value, str):
                raise self.wrong(number, f"its {field} is no text: {_short(value)}")
            if not (blank or value == default or value.strip()):
                raise self.wrong(number, f"its {field} is empty")
            if not is_text(value):
                raise self.wrong(number, f"its {field} has half a character, which is no text: {value!r}")
        return values

    def boxes(self, field: str) -> np.ndarray:
        """Left, top, width and height: (N, 4) float64, all finite."""
        values = self.values(field)
        for number, value in enumerate(values):
            good = isinstance(value, list) and len(value) == 4
            if not good or any(type(side) not in (int, float) or abs(side) > LARGEST.max for side in value):
                raise self.wrong(number, f"its {field} is left, top, width and height, not {_short(value)}")
        found = np.asarray(values, dtype=np.float64).reshape(-1, 4)
        for number in np.flatnonzero(np.isnan(found).any(axis=1))[:1]:
            raise self.wrong(number, f"its {field} is left, top, width and height, not {values[number]}")
        return found

    def _values(self, field: str, default: Any) -> list[Any]:
        """Values of any type; a missing one is the default, if there is one."""
        if default is None:
            return self.values(field)
        return [default if entry.get(field) is None else entry[field] for entry in self.entries]

    def _whole(self, number: int, field: str, value: Any) -> int:
        if type(value) is int:
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
        raise self.wrong(number, f"its {field} is no whole number: {_short(value)}")


def looked_up(wanted: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The index of each of ``wanted`` (N,) among ``known`` (K,), in ascending order, and whether it is there:
    (N,) each.
    """
    indices = np.searchsorted(known, wanted)
    found = indices < len(known)
    found[found] = known[indices[found]] == wanted[found]
    return indices, found


def file_within(folder: Path, name: str, where: Path | str) -> Path:
    """The file in ``folder`` that is called ``name`` in a file, or a line of one, which ``where`` names in
    messages. Raises UserError if it is outside the folder, or no name that a file can have.
    """
    if "\0" in name or len(name.encode()) > LONGEST_NAME:
        raise UserError(f"{where}: {_short(name)} is no name of a file")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise UserError(
            f"{where}: the file name {name!r} leads out of {folder}; names must be relative to that folder"
        )
    return folder / name


def is_text(value: Any) -> TypeGuard[str]:
    """Whether a value is a text that can be encoded; in JSON a text can have lone surrogates."""
    try:
        return isinstance(value, str) and (value.isascii() or bool(value.encode()))
    except UnicodeEncodeError:
        return False


def _short(value: Any) -> str:
    """A value for a message, truncated to 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def sized_images(parts: dict[str, list[Any]], path: Path) -> tuple[list[Any], list[str]]:
    """The images of an export that have a size, and the files of the others.

    Annotation tools write no size for a photo that they cannot open. Raises UserError if such an image has
    annotations: where they are in it is known only from the size that the photo had when it was annotated,
    which the photo at hand need not have.
    """
    images = Entries(parts["images"], "images", path)
    lacking = [
        number
        for number, image in enumerate(images.entries)
        if image.get("width") in (None, 0) or image.get("height") in (None, 0)
    ]
    if not lacking:
        return parts["images"], []
    annotations = Entries(parts["annotations"], "annotations", path)
    counts = Counter(annotations.whole("image_id").tolist())
    others = Entries([images.entries[number] for number in lacking], "images", path)
    files = others.texts("file_name")
    for number, (identity, file) in enumerate(zip(others.whole("id").tolist(), files, strict=True)):
        if counts[identity]:
            raise images.wrong(
                lacking[number],
                f"it has {counts[identity]} annotations, but no size; write the width and height of {file!r} "
                "as it was annotated into the file, or export it again when the annotation tool can open it",
            )
    left_out = set(lacking)
    return [image for number, image in enumerate(images.entries) if number not in left_out], files
