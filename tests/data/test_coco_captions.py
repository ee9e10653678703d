"""Photos with captions: each caption once in training, each photo once with all of them in evaluation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from captioned_photos import TOLD, write_coco, write_karpathy
from seq2scene.data.caption_files import read_coco, read_karpathy
from seq2scene.data.coco_captions import CocoCaptions
from seq2scene.data.images import read_photo
from seq2scene.errors import UserError
from seq2scene.nets.image_encoder import ImageEncoder

OFFICIAL = {
    split: [f"annotations/captions_{split}2017.json", f"images/{split}2017"] for split in ("train", "val")
}
KARPATHY = {
    "train": ["dataset.json", "photos", "train", "restval"],
    "val": ["dataset.json", "photos", "val"],
    "tests": {"test": ["dataset.json", "photos", "test"]},
}


@pytest.fixture(scope="module")
def encoder() -> ImageEncoder:
    return ImageEncoder("squeezenet1_1", "features.3", "none", 32)


@pytest.fixture
def coco(tmp_path: Path, encoder: ImageEncoder):
    write_coco(tmp_path)

    def make(**options: Any) -> CocoCaptions:
        given = {**OFFICIAL, "encoder": encoder, "min_count": 1, "batch_size": 3, **options}
        data = CocoCaptions(root=str(tmp_path), cache=str(tmp_path / "cache"), **given)
        data.prepare_data()
        data.setup()
        return data

    return make


def test_an_epoch_of_training_sees_every_caption_once_with_its_photo(coco) -> None:
    data = coco()
    seen = []
    for batch in data.train_dataloader():
        assert batch.images is None and batch.references == ()
        for row, ids in zip(batch.rows.tolist(), batch.target.ids, strict=True):
            seen.append((row, data.language.decode(ids)))
    assert len(seen) == 8
    colours = ["red", "green", "blue", "grey"]
    assert all(colours[row] in text for row, text in seen)
    assert len(set(seen)) == 8


def test_evaluation_sees_every_photo_once_with_all_its_captions(coco) -> None:
    data = coco(eval_batch_size=1)
    for split, photos in (("val", (0, 2)), ("test", (1, 3))):
        (loader,) = [data.val_dataloader()] if split == "val" else data.test_dataloader()
        seen = {int(batch.rows): batch for batch in loader}
        assert sorted(seen) == [0, 1]
        for row, photo in enumerate(photos):
            told = tuple(" ".join(text.split()) for text in TOLD[photo])
            assert seen[row].references == (told,) == (data.references(split)[row],)
            assert data.language.tokens(seen[row].target.ids[0]) == data.language.tokenizer.split(told[0])
            assert data.image_path(split, row).name == f"{photo:012}.png"


def test_stored_features_and_photos_bring_the_same(coco, encoder: ImageEncoder) -> None:
    stored, opened = next(iter(coco().train_dataloader())), next(iter(coco(store=False).train_dataloader()))
    assert torch.equal(stored.rows, opened.rows) and opened.features is None
    torch.testing.assert_close(stored.features.float(), encoder(opened.images), atol=1e-3, rtol=1e-3)


def test_an_encoder_that_learns_is_given_photos(coco) -> None:
    data = coco(encoder=ImageEncoder("squeezenet1_1", "features.3", "none", 32, frozen=False))
    batch = next(iter(data.train_dataloader()))
    assert batch.features is None
    expected = read_photo(data.image_path("train", int(batch.rows[0])), 32)
    assert torch.equal(batch.images[0], expected)


def test_a_batch_moves_whole(coco) -> None:
    batch = next(iter(coco(store=False).train_dataloader())).to("meta")
    assert batch.images.is_meta and batch.target.ids.is_meta and not batch.rows.is_meta


def test_batches_of_one_length_have_no_padding(coco) -> None:
    data = coco(batch_by="length")
    batches = list(data.train_dataloader())
    assert all(batch.target.mask.all() for batch in batches) and data.padding_efficiency == {"target": 1.0}
    assert sum(map(len, batches)) == 8


def test_karpathys_splits_are_taken_by_name(tmp_path: Path, encoder: ImageEncoder) -> None:
    write_karpathy(tmp_path)
    data = CocoCaptions(**KARPATHY, encoder=encoder, root=str(tmp_path), cache=str(tmp_path), min_count=1)
    data.setup()
    assert [len(data.references(split)) for split in ("train", "val", "test")] == [2, 1, 1]
    assert data.references("test") == [tuple(TOLD[3])]
    assert data.image_path("val", 0) == tmp_path / "photos" / f"{2:012}.png"


def test_the_description_brings_the_language_to_another_module(coco) -> None:
    data = coco()
    assert data.description()["maps"] == [data.encoder.output_size, *data.encoder.map_size]
    other = coco(min_count=100)
    other.use(data.description())
    assert other.language.state() == data.language.state()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "no JSON"),
        ('{"images": []}', 'no list "annotations"'),
        ("[]", 'no list "images"'),
    ],
)
def test_a_file_that_is_no_annotations_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "captions.json"
    path.write_text(content)
    with pytest.raises(UserError, match=f"{path}.*{message}"):
        read_coco(path, tmp_path)


def test_a_missing_file_is_named_with_what_to_do(tmp_path: Path, encoder: ImageEncoder) -> None:
    data = CocoCaptions(
        **OFFICIAL, encoder=encoder, root=str(tmp_path), cache=str(tmp_path), fetch="put it there"
    )
    with pytest.raises(UserError, match=r"captions_train2017\.json: there is no such file; put it there"):
        data.prepare_data()


def test_one_photo_is_no_validation_and_test_set_too(coco, tmp_path: Path) -> None:
    path = tmp_path / "annotations" / "captions_val2017.json"
    content = json.loads(path.read_text())
    content["annotations"] = [told for told in content["annotations"] if told["image_id"] == 10]
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"captions_val2017\.json: one photo .* give data\.tests"):
        coco()
    tests = {"mine": OFFICIAL["train"]}
    assert len(coco(tests=tests).references("val")) == 1


def test_a_split_that_karpathy_does_not_have_is_refused(tmp_path: Path) -> None:
    write_karpathy(tmp_path)
    with pytest.raises(UserError, match="no captions of the images wanted"):
        read_karpathy(tmp_path / "dataset.json", tmp_path, ["holdout"])


def test_published_photos_are_all_there(shared_data: Path) -> None:
    folder, counts = shared_data / "coco_captions", {"train": (2291, 11460), "val": (533, 2667)}
    for split, (photos, captions) in counts.items():
        told = read_coco(folder / OFFICIAL[split][0], folder / OFFICIAL[split][1])
        assert (len(told), sum(map(len, told.captions))) == (photos, captions)
        assert min(map(len, told.captions)) == 5 and all(photo.is_file() for photo in told.photos)
        halves = [told.every_second(first) for first in (0, 1)]
        assert not set(halves[0].photos) & set(halves[1].photos)
        assert np.isclose(len(halves[0]), len(halves[1]), atol=1)
