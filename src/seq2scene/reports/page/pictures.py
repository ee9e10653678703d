"""Pictures inside a page, as data URIs, as far as they fit."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

QUALITY = 82


@dataclass(frozen=True)
class Picture:
    """uri: a data URI. width, height: of the picture as it is embedded, in pixels."""

    uri: str
    width: int
    height: int
    text: str


class Pictures:
    """Embeds pictures until their data URIs together reach ``most`` characters; counts those left out."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.size = self.shown = self.left_out = 0

    def embed(self, path: Path, width: int, text: str) -> Picture | None:
        """An image file as WebP, at most ``width`` pixels wide; None if it does not fit any more.

        text: what it shows, for readers who do not see it. Raises OSError if the file is not an image.
        """
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        if image.width > width:
            image = image.resize((width, round(image.height * width / image.width)), Image.Resampling.LANCZOS)
        data = io.BytesIO()
        image.save(data, "WEBP", quality=QUALITY, method=2)
        uri = "data:image/webp;base64," + base64.b64encode(data.getvalue()).decode()
        if self.size + len(uri) > self.most:
            self.left_out += 1
            return None
        self.size, self.shown = self.size + len(uri), self.shown + 1
        return Picture(uri, image.width, image.height, text)
