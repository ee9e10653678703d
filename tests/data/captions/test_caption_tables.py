"""Captions in tables that people write."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from own_files import PHOTOS, write_captions, write_photos
from seq2scene.data.captions.caption_files import read_captions_of
from seq2scene.data.captions.coco_captions import CocoCaptions
from seq2scene.errors import UserError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_photos(tmp_path / "photos")
    write_captions(tmp_path / "captions.csv")
    return tmp_path


def test_captions_are_those_of_their_photos(root: Path) -> None:
    told = '{"image": "a/../0.png", "captions": ["A", " b\\n c "]}\n'
    (root / "t.jsonl").write_text(told.replace("a/../", "./") + '{"image": "1.png", "caption": ""}\n')
    found = read_captions_of(root / "t.jsonl", root / "photos")
    assert found.photos == [root / "photos/0.png"] and found.captions == [("A", "b c")]
    assert (found.uncaptioned, found.blank) == (1, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("file,text\n0.png,a\n", "line 2: it has no image, but file, text; the first line"),
        ("image,caption\n0.png,a\n9.png,b\n", "line 3: there is no photo"),
        ("image,caption\n../0.png,a\n", "line 2: the file name '../0.png' leads out of"),
        (f"image,caption\n{300 * 'x'},a\n", "xxx... is no name of a file"),
        ("image,caption\n0.png,\n", "all its captions are empty"),
        ('{"image": "0.png", "captions": "a"}', "line 1: a row has either one caption"),
        ('{"image": "0.png", "captions": [1]}', "line 1: one of its captions is no text"),
    ],
)
def test_a_wrong_row_is_named(root: Path, text: str, said: str) -> None:
    (root / "t.csv").write_text(text)
    with pytest.raises(UserError) as refusal:
        read_captions_of(root / "t.csv", root / "photos")
    assert f"{root}/t.csv" in str(refusal.value) and said in str(refusal.value)


def test_one_table_makes_all_sets_and_no_photo_is_in_two(root: Path, caplog) -> None:
    encoder = SimpleNamespace(frozen=False, size=32, resize="crop")
    common = {
        "root": str(root),
        "cache": str(root / "cache"),
        "encoder": encoder,
        "store": False,
        "min_count": 1,
    }
    (root / "photos/new.png").touch()
    data = CocoCaptions(train=["captions.csv", "photos"], val=2, tests={"a": 0.1}, **common)
    with caplog.at_level("INFO"):
        data.setup()
    assert "left out: 1 photos without a caption" in caplog.text
    sets = {split: {data.image_path(split, row).name for row in range(n)} for split, n in SIZES.items()}
    assert {split: len(photos) for split, photos in sets.items()} == SIZES
    assert set.union(*sets.values()) == set(PHOTOS)
    assert len(next(iter(data.val_dataloader())).references) == 2


SIZES = {"train": 5, "val": 2, "a": 1}
