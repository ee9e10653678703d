"""Readers of the files in which captions of photos are published."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2scene.data.coco import read_captions
from seq2scene.errors import UserError


@dataclass(frozen=True)
class Captioned:
    """Photos and the captions of each, in the order of their numbers in the data set."""

    photos: list[Path]
    captions: list[tuple[str, ...]]

    def __len__(self) -> int:
        return len(self.photos)

    def every_second(self, first: int) -> "Captioned":
        """Photos ``first``, ``first`` + 2 ..."""
        return Captioned(self.photos[first::2], self.captions[first::2])


def read_coco(path: Path, photos: Path, hint: str = "") -> Captioned:
    """The captions of COCO, captions_NAME.json; photos: the folder they are in. Photos without a caption are
    left out. Raises UserError for a file that is missing or not as it should be.
    """
    found = read_captions(path, f"; {hint}" if hint else "")
    told = zip(found.images.files, found.texts, strict=True)
    return _captioned([(name, [_line(text) for text in texts]) for name, texts in told], photos, path)


def read_karpathy(path: Path, photos: Path, splits: Sequence[str], hint: str = "") -> Captioned:
    """The images of ``splits`` (train, restval, val, test) in a file of Karpathy and Fei-Fei (CVPR 2015):
    dataset_coco.json, dataset_flickr8k.json, dataset_flickr30k.json. As ``read_coco``.
    """
    file = _read_json(path, hint)
    try:
        chosen = {
            image["imgid"]: (
                str(Path(image.get("filepath", "")) / image["filename"]),
                [_line(sentence["raw"]) for sentence in image["sentences"]],
            )
            for image in file["images"]
            if image["split"] in splits
        }
    except (KeyError, TypeError, AttributeError) as error:
        raise UserError(f"{path} is no file of Karpathy's splits ({error!r})") from error
    return _captioned([chosen[number] for number in sorted(chosen)], photos, path)


def _captioned(images: list[tuple[str, list[str]]], photos: Path, path: Path) -> Captioned:
    kept = [(photos / name, tuple(lines)) for name, lines in images if lines]
    if not kept:
        raise UserError(f"{path} has no captions of the images wanted")
    return Captioned([photo for photo, _ in kept], [lines for _, lines in kept])


def _line(text: str) -> str:
    """A caption as one line; some are published with breaks in them."""
    return " ".join(text.split())


def _read_json(path: Path, hint: str) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist" + (f": {hint}" if hint else "")) from None
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path} is not JSON ({error}): fetch it again") from error
