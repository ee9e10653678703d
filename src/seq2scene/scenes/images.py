"""Opening photos of any kind: rotated, greyscale, with a palette, transparent, one pixel wide."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import ExifTags, Image, ImageFile, ImageOps
from torch import Tensor

from seq2scene.errors import UserError

Resize = Literal["crop", "squash", "pad"]
LONGEST_NAME = 255  # bytes that the name of a file may have

warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)  # twice that is an error

TURNS = {  # by EXIF orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ORIENTED = ("exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp")  # where Pillow finds orientations


def open_photo(path: Path | str) -> Image.Image:
    """The photo in RGB, rotated according to its EXIF data, transparent parts on white.

    Raises:
        UserError: there is no such file, or it is not an image, is truncated, or is greyscale with an unknown
            white level.
    """
    with readable(path), Image.open(path) as picture:
        picture.load()
        return as_photo(picture)


def as_photo(picture: Image.Image) -> Image.Image:
    """A picture in RGB, rotated according to its EXIF data, transparent parts on white."""
    return _opaque(_upright(picture))


@contextmanager
def readable(path: Path | str) -> Iterator[None]:
    """A context for reading a picture: turns any error into a UserError that names the file."""
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except Image.UnidentifiedImageError:
        raise UserError(f"{path} is not a readable image: fetch it again or remove it") from None
    except UserError as error:
        raise UserError(f"{path} {error}") from None
    except Exception as error:  # Pillow raises errors of all kinds on damaged files
        if isinstance(error, OSError) and error.strerror:
            raise UserError(f"{path} cannot be read: {error.strerror}") from None
        reason = str(error) or type(error).__name__
        raise UserError(f"{path} is a damaged image ({reason}): fetch it again or remove it") from None


def is_photo(path: Path) -> bool:
    """Whether a file is an image, judging by its first bytes; it may be damaged."""
    try:
        with Image.open(path) as picture:
            return not isinstance(picture, ImageFile.StubImageFile) and picture.format != "MPEG"
    except Exception:
        return False


def square(photo: Image.Image, size: int, how: Resize = "crop") -> Tensor:
    """A photo as (3, size, size) uint8.

    how: ``crop`` resizes the shorter side to ``size`` and crops the centre, as in the paper's code and in the
    training of trunks; ``squash`` resizes both sides, showing the whole photo distorted; ``pad`` resizes the
    longer side to ``size`` and centres the photo on grey, showing all of it, smaller.
    """
    if how == "squash":
        photo = photo.resize((size, size), Image.Resampling.BICUBIC)
    elif how == "pad":
        photo = _pad(photo, size)
    else:
        photo = ImageOps.fit(photo, (size, size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.array(photo)).permute(2, 0, 1).contiguous()


def read_photo(path: Path | str, size: int, how: Resize = "crop") -> Tensor:
    """A file as (3, size, size) uint8: ``open_photo`` and ``square``."""
    return square(open_photo(path), size, how)


def _pad(photo: Image.Image, size: int) -> Image.Image:
    longest = max(photo.size)
    small = photo.resize(
        [max(round(side * size / longest), 1) for side in photo.size], Image.Resampling.BICUBIC
    )
    around = Image.new("RGB", (size, size), (127, 127, 127))
    around.paste(small, tuple((size - side) // 2 for side in small.size))
    return around


def _upright(picture: Image.Image) -> Image.Image:
    """Rotated according to its EXIF data, which are dropped then, so that nothing rotates it again. Pillow's
    function rewrites them instead, which fails for malformed ones.
    """
    turn = TURNS.get(picture.getexif().get(ExifTags.Base.Orientation))
    if turn is None:
        return picture
    picture = picture.transpose(turn)
    for name in ORIENTED:
        picture.info.pop(name, None)
    return picture


def _opaque(picture: Image.Image) -> Image.Image:
    """In RGB, on white."""
    if picture.mode.startswith(("I", "F")):  # more than 8 bits of grey, which convert() would clip
        see_through = picture.info.get("transparency")
        grey = np.asarray(picture)
        alpha = np.where(grey == see_through, 0, 255) if isinstance(see_through, int) else 255
        pixels = np.stack([_in_eight_bits(grey, picture), np.broadcast_to(alpha, grey.shape)], axis=2)
        picture = Image.fromarray(pixels.astype(np.uint8), "LA")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(white, picture)
    return picture.convert("RGB")


def _in_eight_bits(grey: np.ndarray, picture: Image.Image) -> np.ndarray:
    """Grey from 0 to 255. White is 65535 for 16 bits; else the least of 1 (for floats), 255 and 65535 that no
    pixel exceeds.
    """
    low, high = float(grey.min()), float(grey.max())
    whites = {"I": (255, 65535), "F": (1, 255, 65535)}.get(picture.mode, (65535,))
    if picture.format in ("PPM", "PNG"):  # never 32 bits
        whites = (65535,)
    white = next((white for white in whites if high <= white), None)
    if white is None or not low >= 0:
        raise UserError(
            f"has grey values from {low:g} to {high:g} and an unknown white level: convert it to 8 or 16 bits"
        )
    return np.round(grey * (255 / white))
