"""Opening photos, whatever they are: turned, grey, with a palette, transparent, one pixel wide."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from seq2scene.errors import UserError

RESIZE = ("crop", "squash", "pad")


def open_photo(path: Path | str) -> Image.Image:
    """The photo in RGB, upright as its EXIF data say; what is transparent lies on white.

    Raises:
        UserError: there is no such file, or it is no picture, or not a whole one.
    """
    try:
        with Image.open(path) as picture:
            picture.load()
            return _opaque(ImageOps.exif_transpose(picture))
    except FileNotFoundError:
        raise UserError(f"{path} does not exist") from None
    except Image.UnidentifiedImageError:
        raise UserError(f"{path} is no picture that can be read: fetch it again or take it out") from None
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise UserError(f"{path} is a damaged picture ({error}): fetch it again or take it out") from None


def square(photo: Image.Image, size: int, how: str = "crop") -> Tensor:
    """A photo as (3, size, size) uint8.

    how: ``crop`` makes the shorter side ``size`` and keeps the middle of the longer, as the paper's code does
    and as trunks are trained; ``squash`` stretches, so that all of the photo is seen, out of proportion;
    ``pad`` makes the longer side ``size`` and centres the photo on grey, so that all of it is seen, smaller.
    """
    if how == "squash":
        photo = photo.resize((size, size), Image.Resampling.BICUBIC)
    elif how == "pad":
        photo = _pad(photo, size)
    elif how == "crop":
        photo = ImageOps.fit(photo, (size, size), Image.Resampling.BICUBIC)
    else:
        raise UserError(f"image_encoder.resize={how} is not a choice; choose one of {', '.join(RESIZE)}")
    return torch.from_numpy(np.array(photo)).permute(2, 0, 1).contiguous()


def read_photo(path: Path | str, size: int, how: str = "crop") -> Tensor:
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


def _opaque(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):  # 16 bits of grey, which a conversion would clip
        picture = Image.fromarray((np.asarray(picture) // 257).clip(0, 255).astype(np.uint8))
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        picture = Image.alpha_composite(white, picture)
    return picture.convert("RGB")
