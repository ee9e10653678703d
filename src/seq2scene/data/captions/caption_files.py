"""Readers of the files in which captions of photos are published, and of tables that people write."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from seq2scene.data.coco.annotations import read_captions
from seq2scene.data.coco.entries import Entries, file_within, is_text
from seq2scene.data.photo_names import photo_name
from seq2scene.data.tables import Row, read_rows
from seq2scene.errors import UserError
from seq2scene.sequences.lines import each_line, read_json

PHOTOS = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".gif")


@dataclass(frozen=True)
class Captioned:
    """Photos and their captions, in the order of their numbers in the data set. uncaptioned, blank: how many
    photos without a caption and how many captions without a word are left out.
    """

    photos: list[Path]
    captions: list[tuple[str, ...]]
    uncaptioned: int = 0
    blank: int = 0

    def __len__(self) -> int:
        return len(self.photos)

    def every_second(self, first: int) -> "Captioned":
        """Photos ``first``, ``first`` + 2 ..."""
        return Captioned(self.photos[first::2], self.captions[first::2])

    def only(self, chosen: np.ndarray) -> "Captioned":
        """The photos that are ``chosen`` (N,) bool."""
        rows = np.flatnonzero(chosen)
        return Captioned([self.photos[row] for row in rows], [self.captions[row] for row in rows])


@dataclass(frozen=True)
class CaptionTable:
    """The captions in a table, by the name of their photo, in the order of the file, each on one line.

    blank: how many empty captions of each photo are left out. where: the row that first names the photo.
    """

    captions: dict[str, list[str]] = field(default_factory=dict)
    blank: Counter[str] = field(default_factory=Counter)
    where: dict[str, Row] = field(default_factory=dict)


def read_caption_table(path: Path, hint: str = "") -> CaptionTable:
    """A table of captions (``data.tables``): columns image and caption, a photo in as many rows as it has
    captions; in JSON an object may have a list, captions, instead. Other columns are not read. Or captions
    in the format of COCO.

    Raises UserError, with file and line, if the file is missing or malformed.
    """
    if is_coco(path):
        captions = read_captions(path, f"; {hint}" if hint else "")
        names = list(map(photo_name, captions.images.files))
        return CaptionTable(
            {name: texts for name, texts in zip(names, captions.texts, strict=True) if texts},
            Counter(dict(zip(names, captions.blank.tolist(), strict=True))),
            dict.fromkeys(names, Row({}, str(path))),
        )
    found = CaptionTable()
    for row in read_rows(path, hint):
        name = photo_name(row.text("image"))
        found.where.setdefault(name, row)
        for text in _captions_in(row):
            if text:
                found.captions.setdefault(name, []).append(text)
            else:
                found.blank[name] += 1
    if not found.captions:
        raise UserError(f"{path}: all its captions are empty")
    return found


def _captions_in(row: Row) -> list[str]:
    several = row.values.get("captions")
    if isinstance(several, list) and "caption" not in row.values:
        for text in several:
            if not is_text(text):
                raise row.wrong(f"one of its captions is no text: {text!r:.60}")
        return [_line(text) for text in several] or [""]
    if "captions" in row.values:
        raise row.wrong("a row has either one caption, a text, or captions, a list of texts in JSON")
    return [_line(row.text("caption", blank=True))]


def read_captioned_photos(path: Path, photos: Path, hint: str = "") -> Captioned:
    """The photos of a table of captions, in the order of the table. photos: folder of the photos.

    Raises UserError, with file and line, if the table is malformed or names a photo that does not exist.
    """
    table = read_caption_table(path, hint)
    files = {name: file_within(photos, name, row.where) for name, row in table.where.items()}
    missing = [name for name, file in files.items() if not file.is_file()]
    for name in missing[:1]:
        raise table.where[name].wrong(
            f"there is no photo {files[name]}; {len(missing)} of the {len(files)} photos named are missing. "
            f"Names are looked up in {photos}, the folder beside the table, [TABLE,FOLDER]"
        )
    texts = [table.captions.get(name, []) for name in files]
    return _captioned(list(files.values()), texts, table.blank.total(), path)


def uncaptioned_beside(found: Captioned) -> int:
    """How many other photos there are in the folders of the captioned ones."""
    folders = {photo.parent for photo in found.photos}
    beside = {file for folder in folders for file in folder.iterdir() if file.suffix.lower() in PHOTOS}
    return len(beside - set(found.photos))


def read_captions_of(path: Path, photos: Path, splits: Sequence[str] = (), hint: str = "") -> Captioned:
    """Photos and captions in any format: of Karpathy if ``splits`` of it are named, of COCO if the file is a
    JSON object (or missing, as it may be in the archive), else a table.
    """
    if splits:
        return read_karpathy(path, photos, splits, hint)
    return read_coco(path, photos, hint) if is_coco(path) else read_captioned_photos(path, photos, hint)


def is_coco(path: Path) -> bool:
    """Whether a file of captions is in the format of COCO, judging by its name and its first character."""
    if path.suffixes[-1:] != [".json"]:
        return False
    if not path.is_file():
        return True
    first = next((line for line in each_line(path, strict=False) if line.strip()), "").strip()
    return not first.startswith("[")


def read_coco(path: Path, photos: Path, hint: str = "") -> Captioned:
    """The captions of COCO's captions_NAME.json. photos: folder of the photos. Photos without a caption are
    left out. Raises UserError if the file is missing or malformed.
    """
    found = read_captions(path, f"; {hint}" if hint else "")
    files = [file_within(photos, name, path) for name in found.images.files]
    return _captioned(files, found.texts, int(found.blank.sum()), path)


def read_karpathy(path: Path, photos: Path, splits: Sequence[str], hint: str = "") -> Captioned:
    """The images of ``splits`` (train, restval, val, test) in a file of Karpathy and Fei-Fei (CVPR 2015):
    dataset_coco.json, dataset_flickr8k.json, dataset_flickr30k.json. As ``read_coco``; raises UserError also
    if two images, of whatever splits, are the same file.
    """
    file = read_json(path, hint)
    if not isinstance(file, dict) or not isinstance(file.get("images"), list):
        raise UserError(f'{path} is no file of Karpathy\'s splits: it has no list "images"')
    images = Entries(file["images"], "images", path, "imgid")
    numbers, split = images.whole("imgid"), images.texts("split")
    names = zip(images.texts("filepath", blank=True, default=""), images.texts("filename"), strict=True)
    files = [file_within(photos, str(Path(*name)), path) for name in names]
    for name, count in Counter(files).items():
        if count > 1:
            raise UserError(f"{path}: {count} of its images are {name}; leave all but one out")
    for wanted in splits:
        if wanted not in split:
            known = ", ".join(sorted(set(split)))
            raise UserError(f"{path} has no captions of a split {wanted}; its splits are {known}")
    chosen = [n for n in np.argsort(numbers, kind="stable").tolist() if split[n] in splits]
    every = [_sentences(images, n) for n in chosen]
    texts = [[line for line in lines if line] for lines in every]
    blank = sum(map(len, every)) - sum(map(len, texts))
    return _captioned([files[n] for n in chosen], texts, blank, path)


def _sentences(images: Entries, number: int) -> list[str]:
    """The captions of an image, each on one line."""
    sentences = images.entries[number].get("sentences")
    if not isinstance(sentences, list):
        raise images.wrong(number, "it has no list of sentences")
    lines = []
    for sentence in sentences:
        text = sentence.get("raw") if isinstance(sentence, dict) else None
        if not is_text(text):
            raise images.wrong(number, f"one of its sentences has no raw text: {sentence!r}")
        lines.append(_line(text))
    return lines


def _captioned(files: list[Path], texts: list[list[str]], blank: int, path: Path) -> Captioned:
    kept = [(file, tuple(map(_line, lines))) for file, lines in zip(files, texts, strict=True) if lines]
    if not kept:
        raise UserError(f"{path} has no captions of the images wanted")
    photos, captions = zip(*kept, strict=True)
    return Captioned(list(photos), list(captions), len(files) - len(kept), blank)


def _line(text: str) -> str:
    """A caption on one line; some are published with line breaks."""
    return " ".join(text.split())
