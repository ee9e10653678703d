"""Photos come out upright, in three colours, of the wanted size, or are refused by name."""

import struct
import zlib
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from PIL import Image

from seq2scene.errors import UserError
from seq2scene.nets.vision.image_encoder import Resize
from seq2scene.scenes.images import as_photo, is_photo, open_photo, read_photo, square

RED = (250, 0, 0)
RESIZE = get_args(Resize)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I", "I;16"])
def test_every_kind_of_picture_becomes_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("photo.tif" if mode in ("CMYK", "YCbCr", "I", "PA") else "photo.png")
    if mode in ("I", "I;16"):
        Image.fromarray(np.full((4, 5), 204 * 257, dtype=np.int32 if mode == "I" else np.uint16)).save(path)
    elif mode == "PA":
        path = tmp_path / "photo.gif"
        Image.new("P", (5, 4)).save(path, transparency=0)
    else:
        Image.new("RGB", (5, 4), (204, 204, 204)).convert(mode).save(path)
    photo = open_photo(path)
    assert (photo.mode, photo.size) == ("RGB", (5, 4))
    if mode not in ("1", "PA"):
        assert np.abs(np.asarray(photo).astype(int) - 204).max() <= 3


P4 = Image.new("P", (4, 1))
P4.putpalette([0, 0, 0, 100, 0, 0, 0, 204, 0, 0, 0, 255])
P4.putdata([0, 1, 2, 3])


@pytest.mark.parametrize(
    ("picture", "suffix", "saved", "expected"),
    [
        (np.int32([0, 100, 204, 255]), "tif", {}, [0, 100, 204, 255]),
        (np.int32([0, 257 * 100, 257 * 204, 65535]), "tif", {}, [0, 100, 204, 255]),
        (np.int32([0, 0, 257, 514]), "pgm", {}, [0, 0, 1, 2]),
        (np.uint16([0, 257 * 100, 257 * 204, 65535]), "png", {}, [0, 100, 204, 255]),
        (np.uint16([0, 100, 204, 257]), "tif", {}, [0, 0, 1, 1]),
        (np.uint16([0, 100, 257, 65535]), "png", {"transparency": 100}, [0, 255, 1, 255]),
        (np.float32([0, 0.4, 0.8, 1]), "tif", {}, [0, 102, 204, 255]),
        (np.float32([0, 100, 204, 255]), "tif", {}, [0, 100, 204, 255]),
        (np.uint8([0, 100, 204, 255]), "png", {}, [0, 100, 204, 255]),
        (np.uint8([0, 100, 204, 255]), "png", {"transparency": 100}, [0, 255, 204, 255]),
        (Image.fromarray(np.uint8([[0, 255, 0, 255]])).convert("1"), "png", {}, [0, 255, 0, 255]),
        (np.uint8([[0, 255], [100, 0], [204, 128], [255, 255]]), "png", {}, [0, 255, 229, 255]),
        (P4, "png", {}, [(0, 0, 0), (100, 0, 0), (0, 204, 0), (0, 0, 255)]),
        (P4, "gif", {"transparency": 1}, [(0, 0, 0), (255, 255, 255), (0, 204, 0), (0, 0, 255)]),
        (P4, "png", {"transparency": b"\xff\x00\x80"}, [(0, 0, 0), (255,) * 3, (127, 229, 127), (0, 0, 255)]),
        (Image.new("CMYK", (4, 1), (0, 255, 255, 0)), "tif", {}, [(255, 0, 0)] * 4),
        (np.uint8([[1, 2, 3], [4, 5, 6]]), "png", {"transparency": (4, 5, 6)}, [(1, 2, 3), (255,) * 3]),
    ],
    ids=range(17),
)  # fmt: skip
def test_pictures_of_all_kinds_show_what_is_in_them(tmp_path, picture, suffix, saved, expected) -> None:
    picture = Image.fromarray(picture[None]) if isinstance(picture, np.ndarray) else picture
    picture.save(tmp_path / f"photo.{suffix}", **saved)
    shown = np.asarray(open_photo(tmp_path / f"photo.{suffix}"))[0].tolist()
    assert shown == [list(value) if isinstance(value, tuple) else [value] * 3 for value in expected]


@pytest.mark.parametrize(
    "greys", [np.int32([-5, 9]), np.int32([0, 70_000]), np.float32([0, np.nan])], ids=str
)
def test_greys_with_an_unknown_white_level_are_refused(tmp_path: Path, greys: np.ndarray) -> None:
    Image.fromarray(greys[None]).save(tmp_path / "photo.tif")
    with pytest.raises(UserError, match=r"photo\.tif has grey values from .* convert it to 8 or 16 bits"):
        open_photo(tmp_path / "photo.tif")


def test_what_is_transparent_is_white(tmp_path: Path) -> None:
    pixels = np.array([[[255, 0, 0, 0], [255, 0, 0, 255]]], dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    assert np.asarray(open_photo(tmp_path / "photo.png")).tolist() == [[[255, 255, 255], [255, 0, 0]]]


def test_a_photo_taken_sideways_is_turned(tmp_path: Path) -> None:
    picture = Image.new("RGB", (40, 20))
    picture.paste(RED, (0, 0, 20, 20))  # its left half, which is the top once it is turned by a quarter
    exif = Image.Exif()
    exif[0x0112] = 6
    picture.save(tmp_path / "photo.jpg", exif=exif, quality=95)
    photo = np.asarray(open_photo(tmp_path / "photo.jpg"))
    assert photo.shape == (40, 20, 3)
    assert photo[:16, :, 0].min() > 200 and photo[24:, :, 0].max() < 50


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_a_photo_is_turned_once_whatever_file_it_is_in(tmp_path: Path, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    picture = Image.new("RGB", (40, 20))
    picture.paste(RED, (20, 0, 40, 20))
    picture.save(tmp_path / f"photo.{suffix}", exif=exif)
    photo = np.asarray(open_photo(tmp_path / f"photo.{suffix}"))
    assert photo.shape == (40, 20, 3) and photo[:16, :, 0].min() > 200
    assert np.array_equal(photo, np.asarray(as_photo(open_photo(tmp_path / f"photo.{suffix}"))))


def test_odd_exif_data_do_not_keep_a_photo_from_being_turned(tmp_path: Path) -> None:
    """The unit of the resolution is a number, here it is a text, which cannot be written again."""
    orientation = struct.pack("<HHII", 0x0112, 3, 1, 6)
    unit = struct.pack("<HHI4s", 0x0128, 2, 4, b"abc")
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + orientation + unit + bytes(4)
    Image.new("RGB", (40, 20)).save(tmp_path / "photo.jpg", exif=exif)
    assert open_photo(tmp_path / "photo.jpg").size == (20, 40)


@pytest.mark.parametrize("how", RESIZE)
@pytest.mark.parametrize("size", [(1, 50), (50, 1), (1, 1), (37, 91)])
def test_a_photo_of_any_shape_becomes_a_square(size: tuple[int, int], how: str) -> None:
    photo = square(Image.new("RGB", size, RED), 16, how)
    assert photo.shape == (3, 16, 16) and photo.dtype == torch.uint8
    assert list(RED) in (photo[:, 8, 8].tolist(), photo[:, 7, 7].tolist())


def test_cropping_keeps_the_middle_squashing_all_and_padding_all_in_proportion() -> None:
    picture = Image.new("RGB", (40, 20), RED)
    picture.paste((0, 0, 250), (10, 0, 30, 20))  # the middle half
    assert square(picture, 20, "crop")[0].max() == 0
    squashed = square(picture, 20, "squash")
    assert squashed[0, :, :4].min() > 200 and squashed[2, :, 7:13].min() > 200
    padded = square(picture, 20, "pad")
    assert (padded[:, :5] == 127).all() and (padded[:, 15:] == 127).all()
    assert padded[0, 6:14, :4].min() > 200 and padded[2, 6:14, 7:13].min() > 200


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "gif", "bmp"])
def test_a_damaged_photo_is_shown_or_refused_by_its_name(tmp_path: Path, kind: str) -> None:
    """Bytes at chance, most of them near the beginning, where all is told of what follows."""
    draw, path = np.random.default_rng(0), tmp_path / f"photo.{kind}"
    exif = Image.Exif()
    exif[0x0112], exif[0x0128], exif[0x010F] = 6, 2, "maker"
    Image.fromarray(draw.integers(0, 256, (20, 30, 3), dtype=np.uint8)).save(path, exif=exif)
    whole, refused = np.frombuffer(path.read_bytes(), dtype=np.uint8), 0
    for _ in range(150):
        damaged = whole.copy()
        places = draw.integers(0, min(len(whole), draw.choice([100, 400, len(whole)])), draw.integers(1, 9))
        damaged[places] = draw.integers(0, 256, len(places))
        path.write_bytes(damaged[: draw.choice([len(whole), len(whole), len(whole) // 2])].tobytes())
        try:
            assert open_photo(path).mode == "RGB"
        except UserError as error:
            refused += 1
            assert str(path) in str(error)
    assert refused > 20


@pytest.mark.parametrize("fault", ["absent", "text", "empty", "truncated", "folder", "loop", "bomb"])
def test_what_is_no_whole_picture_is_refused_with_its_path(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "photo.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (50, 50, 3)).astype(np.uint8)
    Image.fromarray(noise).save(path)
    content = {"text": b"no picture", "empty": b"", "truncated": path.read_bytes()[:1500]}
    content["bomb"] = header_of_png(50_000, 50_000)
    if fault in content:
        path.write_bytes(content[fault])
    else:
        path.unlink()
    if fault == "folder":
        path.mkdir()
    if fault == "loop":
        path.symlink_to(path.name)
    with pytest.raises(UserError, match=str(path)):
        read_photo(path, 8)


def header_of_png(width: int, height: int) -> bytes:
    """What a small file says of a picture that fills the memory."""
    part = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + part + struct.pack(">I", zlib.crc32(part))


def test_a_file_is_a_photo_if_it_begins_as_one(tmp_path: Path) -> None:
    Image.new("RGB", (50, 50), RED).save(tmp_path / "photo.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "photo.jpg").read_bytes()[:700])
    (tmp_path / "._photo.jpg").write_bytes(b"\0\x05\x16\x07\0\x02\0\0Mac OS X        ")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "paper.pdf").write_bytes(b"%PDF-1.7\n")
    found = {path.name for path in tmp_path.iterdir() if is_photo(path)}
    assert found == {"photo.jpg", "cut.jpg"}
