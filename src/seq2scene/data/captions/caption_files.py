"""Readers of the files in which captions of photos are published."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seq2scene.data.coco.annotations import read_captions
from seq2scene.data.coco.entries import Entries, file_within, is_text
from seq2scene.errors import UserError
from seq2scene.sequences.lines import read_json


@dataclass(frozen=True)
class Captioned:
    """Photos and their captions, in the order of their numbers in the data set. bare, blank: how many photos
    without a caption and how many captions without a word were left out.
    """

    photos: list[Path]
    captions: list[tuple[str, ...]]
    bare: int = 0
    blank: int = 0

    def __len__(self) -> int:
        return len(self.photos)

    def every_second(self, first: int) -> "Captioned":
        """Photos ``first``, ``first`` + 2 ..."""
        return Captioned(self.photos[first::2], self.captions[first::2])


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
    told = [_sentences(images, n) for n in chosen]
    texts = [[line for line in lines if line] for lines in told]
    blank = sum(map(len, told)) - sum(map(len, texts))
    return _captioned([files[n] for n in chosen], texts, blank, path)


def _sentences(images: Entries, number: int) -> list[str]:
    """The captions of an image, each on one line."""
    sentences = images.entries[number].get("sentences")
    if not isinstance(sentences, list):
        raise images.wrong(number, "it has no list of sentences")
    raw = [sentence.get("raw") if isinstance(sentence, dict) else None for sentence in sentences]
    for sentence, text in zip(sentences, raw, strict=True):
        if not is_text(text):
            raise images.wrong(number, f"one of its sentences has no raw text: {sentence!r}")
    return [_line(text) for text in raw]


def _captioned(files: list[Path], texts: list[list[str]], blank: int, path: Path) -> Captioned:
    kept = [(file, tuple(map(_line, lines))) for file, lines in zip(files, texts, strict=True) if lines]
    if not kept:
        raise UserError(f"{path} has no captions of the images wanted")
    bare = len(files) - len(kept)
    return Captioned([file for file, _ in kept], [lines for _, lines in kept], bare, blank)


def _line(text: str) -> str:
    """A caption on one line; some are published with line breaks."""
    return " ".join(text.split())
