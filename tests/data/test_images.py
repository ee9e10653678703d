"""Photos come out upright, in three colours, of the wanted size, or are refused by name."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from seq2scene.data.images import RESIZE, open_photo, read_photo, square
from seq2scene.errors import UserError

RED = (250, 0, 0)


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


@pytest.mark.parametrize("fault", ["absent", "text", "empty", "truncated"])
def test_what_is_no_whole_picture_is_refused_with_its_path(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "photo.jpg"
    noise = np.random.default_rng(0).integers(0, 255, (50, 50, 3)).astype(np.uint8)
    Image.fromarray(noise).save(path)
    content = {"text": b"no picture", "empty": b"", "truncated": path.read_bytes()[:1500]}
    path.unlink() if fault == "absent" else path.write_bytes(content[fault])
    with pytest.raises(UserError, match=str(path)):
        read_photo(path, 8)


def test_a_way_to_resize_that_does_not_exist_is_answered_with_those_that_do() -> None:
    with pytest.raises(UserError, match=r"image_encoder\.resize=zoom .* crop, squash, pad"):
        square(Image.new("RGB", (4, 4)), 4, "zoom")
