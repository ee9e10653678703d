"""The caption lab reads photos of limited size, upright, and refuses anything else in words."""

import base64
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageFile
from starlette.testclient import TestClient

from seq2scene.app.caption_room import MOST_BYTES, MOST_PIXELS
from seq2scene.app.server import create_app
from seq2scene.models.captioner import Captioner
from seq2scene.models.explanation import beam_like
from small_labs import small_table

TABLE = small_table()
MODEL: Captioner = TABLE.loaded["captions"]


@pytest.fixture(scope="module")
def page() -> Iterator[TestClient]:
    with TestClient(create_app(TABLE), base_url="http://localhost") as client:
        yield client


def ask(page: TestClient, content: bytes | str, status: int = 200) -> dict:
    photo = content if isinstance(content, str) else base64.b64encode(content).decode()
    response = page.post("/api/caption/caption", json={"model": "captions", "photo": photo, "size": 3})
    assert response.status_code == status, response.text
    return response.json()


def picture(width: int = 96, height: int = 64) -> Image.Image:
    """A red half and a blue one, side by side."""
    pixels = np.zeros((height, width, 3), np.uint8)
    pixels[:, : width // 2, 0], pixels[:, width // 2 :, 2] = 255, 255
    return Image.fromarray(pixels)


def saved(image: Image.Image, form: str = "PNG", **options) -> bytes:
    buffer = BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def turned(image: Image.Image, orientation: int) -> bytes:
    """A JPEG file whose pixels lie on their side, as its EXIF data say."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return saved(image, "JPEG", exif=exif)


def claiming(width: int, height: int) -> bytes:
    """A PNG file of a few bytes that claims to have so many pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP"])
def test_captions_are_the_models_own_with_a_map_for_each_word_and_the_end(page, form):
    content = saved(picture(), form)
    found = ask(page, content)
    own = MODEL.caption(
        Image.open(BytesIO(content)), n_best=3, search=beam_like(MODEL.search, 3), keep_attention=True
    )
    assert [one["text"] for one in found["captions"]] == [one.text for one in own]
    best = found["captions"][0]
    np.testing.assert_allclose(best["attention"], own[0].attention, atol=1e-4)
    assert len(best["attention"]) == len(best["words"]) + 1
    assert all(len(row) == MODEL.encoder.cells for row in best["attention"])


def test_the_photo_comes_back_as_the_model_sees_it(page):
    seen = ask(page, saved(picture()))["photo"].removeprefix("data:image/jpeg;base64,")
    square = np.array(Image.open(BytesIO(base64.b64decode(seen))))
    assert square.shape == (64, 64, 3)
    assert square[32, 5].argmax() == 0 and square[32, 58].argmax() == 2


def test_photos_are_turned_upright(page):
    """Orientation 6: the camera's right is the photo's bottom."""
    seen = ask(page, turned(picture(), 6))["photo"].removeprefix("data:image/jpeg;base64,")
    square = np.array(Image.open(BytesIO(base64.b64decode(seen))))
    assert square[5, 32].argmax() == 0 and square[58, 32].argmax() == 2


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (claiming(30_000, 30_000), "pixels"),
        (claiming(2**31 - 1, 2**31 - 1), "pixels"),
        (claiming(5000, 4000), "5000 x 4000 pixels"),
        (claiming(64, 64), "damaged"),
        (saved(picture(), "JPEG")[:-200], "damaged"),
        (saved(picture(), "GIF"), "JPEG, PNG or WebP"),
        (saved(picture(), "TIFF"), "JPEG, PNG or WebP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "JPEG, PNG or WebP"),
        (b"GIF89a" + b"\0" * 40, "JPEG, PNG or WebP"),
        (b"", "JPEG, PNG or WebP"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 100, "photo"),
        ("not base64!", "base64"),
        ("a", "base64"),
        ("😀", "base64"),
    ],
)
def test_anything_but_a_photo_of_reasonable_size_is_refused_in_words(page, content, complaint):
    assert complaint in ask(page, content, 400)["error"]


def test_files_that_are_too_large_are_refused_unread(page):
    assert "KiB" in ask(page, "A" * (4 * MOST_BYTES // 3 + 8), 413)["error"]


@pytest.mark.parametrize("photo", [None, 3, ["x"], {"a": 1}])
def test_a_photo_is_base64_text(page, photo):
    response = page.post("/api/caption/caption", json={"model": "captions", "photo": photo})
    assert response.status_code == 400 and "base64" in response.json()["error"]


def test_the_limit_of_pixels_is_checked_before_any_is_decoded(page, monkeypatch):
    content = saved(picture())
    monkeypatch.setattr("seq2scene.app.caption_room.MOST_PIXELS", 96 * 64 - 1)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("decoded"))
    assert "96 x 64 pixels" in ask(page, content, 400)["error"]
    assert MOST_PIXELS > 4000 * 3000
