"""The caption lab: a photo in, its captions out, with the part of the photo that each word looked at."""

import base64
import binascii
from collections.abc import Callable
from io import BytesIO
from typing import Any

from PIL import Image

from seq2scene.app import requests
from seq2scene.app.model_table import Offer
from seq2scene.app.requests import Refused
from seq2scene.app.room import Action, Room
from seq2scene.models.captioner import Captioner
from seq2scene.models.explanation import beam_like
from seq2scene.models.words import Hypothesis
from seq2scene.scenes.images import as_photo

MOST_BYTES = 180 * 1024  # of a photo's file; the page shrinks larger ones before it sends them
MOST_PIXELS = 16_000_000
FORMATS = ("JPEG", "PNG", "WEBP")
WIDEST = 8  # beam


def accepts(offer: Offer) -> bool:
    """Whether a model writes captions of photos."""
    return issubclass(offer.kind, Captioner) and "schema" not in offer.description


def describe(model: Captioner) -> dict[str, Any]:
    """What the page must know of a model: its size, and how it looks at photos."""
    y, x = model.photo_encoder().map_size
    return {
        "grid": [y, x],
        "parameters": sum(one.numel() for one in model.parameters()),
        "attends": model.decoder.attention is not None,
        "hard": bool((model.config.get("loss") or {}).get("hard", False)),
        "words": len(model.language.vocabulary),
    }


def photo(name: str, value: Any) -> Image.Image:
    """A check: the photo in a base64 text, upright, in RGB. Raises Refused: 413 for too large a file, 400 for
    anything but a readable photo of at most MOST_PIXELS.
    """
    if not isinstance(value, str):
        raise Refused(400, f"{name}: a photo is needed, as base64 text")
    if len(value) > 4 * MOST_BYTES // 3 + 4:
        raise Refused(413, f"{name}: the file is too large; at most {MOST_BYTES // 1024} KiB are read")
    try:
        content = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(400, f"{name}: this is not base64 text") from None
    return _opened(name, content)


def _opened(name: str, content: bytes) -> Image.Image:
    wanted, most = "give a JPEG, PNG or WebP file", f"at most {MOST_PIXELS // 10**6} million are read"
    try:
        with Image.open(BytesIO(content), formats=FORMATS) as picture:
            width, height = picture.size
            if width * height > MOST_PIXELS:  # before any pixel is decoded
                raise Refused(400, f"{name}: {width} x {height} pixels; {most}")
            picture.load()
            return as_photo(picture)
    except Refused:
        raise
    except Image.DecompressionBombError:
        raise Refused(400, f"{name}: far too many pixels; {most}") from None
    except Image.UnidentifiedImageError:
        raise Refused(400, f"{name}: this is not a photo that can be read; {wanted}") from None
    except Exception:  # Pillow raises errors of all kinds on damaged files
        raise Refused(400, f"{name}: the file is damaged; {wanted}") from None


def caption(model: Captioner, photo: Image.Image, size: int) -> dict[str, Any]:
    """The captions of a photo, best first, and the photo as the model sees it."""
    attends = model.decoder.attention is not None
    (found,) = model.hypotheses([photo], search=beam_like(model.search, size), keep_attention=attends)
    return {"photo": _seen(model, photo), "captions": [_plain(one) for one in found]}


def _seen(model: Captioner, photo: Image.Image) -> str:
    """The square that the encoder sees, as the address of a JPEG file."""
    square, buffer = Image.fromarray(model.square(photo).permute(1, 2, 0).numpy()), BytesIO()
    square.save(buffer, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")


def _plain(one: Hypothesis) -> dict[str, Any]:
    """attention: of each word, and of the end; rows of the map, one after another."""
    looked = None if one.attention is None else one.attention.astype(float).round(4).tolist()
    return {
        "text": one.text,
        "words": list(one.words),
        "log_prob": round(one.log_prob, 4),
        "attention": looked,
    }


def _fields(accepts: Callable[[Offer], bool]) -> dict[str, Any]:
    return {"model": requests.OfModel(accepts), "photo": photo, "size": requests.whole(1, WIDEST, 4)}


CAPTION_ROOM = Room(
    name="caption",
    title="Captions",
    accepts=accepts,
    actions={
        "describe": Action(describe, {"model": requests.OfModel(accepts)}),
        "caption": Action(caption, _fields(accepts)),
    },
)
