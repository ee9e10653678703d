"""Stored features are what the encoder makes of the photos, made once, and anew when anything changes."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from captioned_photos import write_photos
from seq2scene.data import features
from seq2scene.data.features import stored_features
from seq2scene.errors import UserError
from seq2scene.nets.vision.image_encoder import ImageEncoder
from seq2scene.scenes.images import read_photo


@pytest.fixture(scope="module")
def encoder() -> ImageEncoder:
    return ImageEncoder("squeezenet1_1", "features.3", "none", 32)


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    return [tmp_path / "photos" / name for name in write_photos(tmp_path / "photos")]


@pytest.mark.parametrize("block", [1, 3, 100])
def test_they_are_what_the_encoder_makes_of_each_photo_to_half_precision(
    tmp_path: Path, encoder: ImageEncoder, photos: list[Path], block: int
) -> None:
    stored = stored_features(encoder, photos, tmp_path / "cache", block=block)
    rows = np.array([3, 0, 2, 3])
    expected = encoder(torch.stack([read_photo(photos[row], 32) for row in rows]))
    assert len(stored) == 4 and stored[rows].dtype == torch.float16
    torch.testing.assert_close(stored[rows].float(), expected, atol=1e-3, rtol=1e-3)


def test_made_once_no_photo_is_opened_again(
    tmp_path: Path, encoder: ImageEncoder, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = stored_features(encoder, photos, tmp_path / "cache")[np.arange(4)]
    monkeypatch.setattr(features, "read_photo", lambda *_: pytest.fail("a photo was opened"))
    assert torch.equal(stored_features(encoder, photos, tmp_path / "cache")[np.arange(4)], first)


def test_another_photo_order_or_encoder_is_never_answered_with_the_old_features(
    tmp_path: Path, encoder: ImageEncoder, photos: list[Path]
) -> None:
    cache, rows = tmp_path / "cache", np.arange(4)
    first = stored_features(encoder, photos, cache)[rows]
    assert torch.equal(stored_features(encoder, photos[::-1], cache)[rows], first.flip(0))
    squashing = ImageEncoder("squeezenet1_1", "features.3", "none", 32, resize="pad")
    assert not torch.equal(stored_features(squashing, photos, cache)[rows], first)
    os.replace(photos[1], photos[0])
    write_again = stored_features(encoder, [photos[0]], cache)
    torch.testing.assert_close(write_again[np.array([0])], first[1:2], atol=1e-3, rtol=1e-3)


def test_like_photos_of_two_folders_are_told_apart(
    tmp_path: Path, encoder: ImageEncoder, photos: list[Path]
) -> None:
    """Of one name, one size and one time."""
    for folder, grey in (("one", 0), ("two", 255)):
        (tmp_path / folder).mkdir()
        Image.new("L", (30, 30), grey).save(tmp_path / folder / "1.bmp")
        os.utime(tmp_path / folder / "1.bmp", ns=(0, 0))
    files = [tmp_path / folder / "1.bmp" for folder in ("one", "two")]
    assert files[0].stat().st_size == files[1].stat().st_size
    one, two = (stored_features(encoder, [file], tmp_path / "cache")[np.arange(1)] for file in files)
    assert not torch.equal(one, two)
    (tmp_path / "link").symlink_to("two")
    (tmp_path / "2.bmp").symlink_to("two/1.bmp")
    for file in ("link/1.bmp", "2.bmp"):
        stored_features(encoder, [tmp_path / file], tmp_path / "cache")
    assert len(list((tmp_path / "cache/features").glob("*.npy"))) == 2  # a link leads to what is known


def test_work_that_broke_off_goes_on_behind_its_last_whole_block(
    tmp_path: Path, encoder: ImageEncoder, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[Path] = []
    whole = photos[3].read_bytes()
    photos[3].write_bytes(whole[:40])
    stamp = photos[3].stat()
    monkeypatch.setattr(
        features, "read_photo", lambda path, *rest: opened.append(path) or read_photo(path, *rest)
    )
    with pytest.raises(UserError, match=photos[3].name):
        stored_features(encoder, photos, tmp_path / "cache", block=2)
    assert len(opened) == 4
    photos[3].write_bytes(whole)
    os.utime(photos[3], ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    stored = stored_features(encoder, photos, tmp_path / "cache", block=2)
    assert opened[4:] == photos[2:] and len(stored) == 4
    assert not list((tmp_path / "cache").rglob("*.draft"))


def test_a_damaged_file_of_the_cache_is_made_again(
    tmp_path: Path, encoder: ImageEncoder, photos: list[Path], caplog
) -> None:
    made = stored_features(encoder, photos, tmp_path / "cache")
    expected = made[np.arange(len(photos))]
    (file,) = (tmp_path / "cache/features").glob("*.npy")
    for size in (0, 300):
        os.truncate(file, size)
        again = stored_features(encoder, photos, tmp_path / "cache")
        assert f"{file} is damaged" in caplog.text and "made again" in caplog.text
        assert torch.equal(again[np.arange(len(photos))], expected)
        caplog.clear()


def test_a_missing_photo_is_named(tmp_path: Path, encoder: ImageEncoder, photos: list[Path]) -> None:
    photos[2].unlink()
    with pytest.raises(UserError, match=photos[2].name):
        stored_features(encoder, photos, tmp_path / "cache")
