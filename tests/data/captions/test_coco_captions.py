"""Photos with captions: each caption once in training, each photo once with all of them in evaluation."""

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from captioned_photos import TOLD, write_coco, write_karpathy
from seq2scene.data.captions.caption_files import Captioned, read_coco, read_karpathy
from seq2scene.data.captions.coco_captions import CocoCaptions
from seq2scene.errors import UserError
from seq2scene.nets.vision.image_encoder import ImageEncoder
from seq2scene.scenes.images import read_photo

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
        assert batch.images is None
        assert batch.references == tuple(data.references("train")[row] for row in batch.rows)
        for row, ids in zip(batch.rows.tolist(), batch.target.ids, strict=True):
            seen.append((row, data.learnt_language.decode(ids)))
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
            assert data.learnt_language.tokens(
                seen[row].target.ids[0]
            ) == data.learnt_language.tokenizer.split(told[0])
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
    other = coco(min_count=7)
    other.use(data.description())
    assert other.learnt_language.state() == data.learnt_language.state()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not JSON"),
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


def karpathy(root: Path, change: Callable[[list[dict[str, Any]]], Any], splits: str = "train") -> Captioned:
    """Twenty photos, of which all but two train, as they are read after a change of the file."""
    images = [
        {
            "imgid": n,
            "filename": f"{n}.jpg",
            "split": "train",
            "sentences": [{"raw": f"Dog {n}", "sentid": n}],
        }
        for n in range(20)
    ]
    images[18]["split"], images[19]["split"] = "restval", "test"
    change(images)
    (root / "dataset.json").write_text(json.dumps({"images": images}))
    return read_karpathy(root / "dataset.json", root, splits.split())


def test_photos_of_one_imgid_are_all_kept(tmp_path: Path) -> None:
    def number_again(images: list[dict[str, Any]]) -> None:
        for n, image in enumerate(images):
            image["imgid"] = n % 11

    told = karpathy(tmp_path, number_again, "train restval test")
    assert [photo.stem for photo in told.photos[:4]] == ["0", "11", "1", "12"]
    assert sorted(int(photo.stem) for photo in told.photos) == list(range(20))
    assert all(
        lines == (f"Dog {photo.stem}",) for photo, lines in zip(told.photos, told.captions, strict=True)
    )


def test_photos_and_sentences_that_say_nothing_are_left_out_and_counted(tmp_path: Path) -> None:
    def silence(images: list[dict[str, Any]]) -> None:
        images[2]["sentences"] = []
        images[3]["sentences"] = [{"raw": " "}]
        images[4]["sentences"].append({"raw": "\n"})
        del images[19]["sentences"]  # of a split that nobody asked for

    told = karpathy(tmp_path, silence)
    assert (len(told), told.uncaptioned, told.blank) == (16, 2, 2) and ("Dog 4",) in told.captions


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda images: images[3].pop("sentences"), "image 3: it has no list of sentences"),
        (lambda images: images[3].update(sentences={"raw": "Dog"}), "image 3: it has no list of sentences"),
        (lambda images: images[3]["sentences"][0].update(raw=7), "image 3: one of its sen.* {'raw': 7"),
        (lambda images: images[3]["sentences"][0].update(raw="\udc80"), "image 3: one of its sentences has"),
        (lambda images: images[3].update(imgid="3"), "image '3': its imgid is no whole number"),
        (lambda images: images[3].update(split=None), "image 3: its split is no text: None"),
        (lambda images: images[3].update(filename=3), "image 3: its filename is no text: 3"),
        (lambda images: images[3].update(filename="../3.jpg"), r"name '\.\./3\.jpg' leads out of"),
        (lambda images: images[3].update(filepath="/etc"), "name '/etc/3.jpg' leads out of"),
        (lambda images: images[3].update(filename="19.jpg"), "2 of its images are .*19.jpg"),
        (lambda images: images.append(5), 'entry 20 of "images": it is no object'),
        (lambda images: images[18].update(split="rest"), "a split restval; its splits are rest, test, train"),
    ],
    ids=range(12),
)  # fmt: skip
def test_what_is_wrong_with_a_file_of_karpathy_is_said_with_its_image(tmp_path, change, reason) -> None:
    with pytest.raises(UserError, match=f"{tmp_path}/dataset.json.*{reason}"):
        karpathy(tmp_path, change, "train restval")


def test_what_is_no_file_of_karpathy_is_named(tmp_path: Path) -> None:
    (tmp_path / "dataset.json").write_text('[{"images": []}]')
    with pytest.raises(UserError, match=r'dataset\.json is no file of Karpathy.* no list "images"'):
        read_karpathy(tmp_path / "dataset.json", tmp_path, ["train"])


def test_a_photo_is_looked_for_in_its_folder_alone(tmp_path: Path) -> None:
    write_coco(tmp_path)
    path = tmp_path / OFFICIAL["val"][0]
    path.write_text(path.read_text().replace(f"{2:012}.png", "../../secret.png"))
    with pytest.raises(UserError, match=r"captions_val2017\.json: the file name .*secret\.png' leads out of"):
        read_coco(path, tmp_path)


def test_photos_without_a_caption_are_told(coco, tmp_path: Path, caplog) -> None:
    path = tmp_path / OFFICIAL["train"][0]
    content = json.loads(path.read_text())
    for entry in content["annotations"][:3]:  # both of a photo, one of another
        entry["caption"] = ""
    path.write_text(json.dumps(content))
    with caplog.at_level(logging.INFO):
        data = coco()
    assert [len(lines) for lines in data.references("train")] == [1, 2, 2]
    told = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    assert told == ["train: left out: 1 photos without a caption and 3 captions without a word"]


def test_published_photos_are_all_there(shared_data: Path) -> None:
    folder, counts = shared_data / "coco_captions", {"train": (2291, 11460), "val": (533, 2667)}
    for split, (photos, captions) in counts.items():
        told = read_coco(folder / OFFICIAL[split][0], folder / OFFICIAL[split][1])
        assert (len(told), sum(map(len, told.captions))) == (photos, captions)
        assert min(map(len, told.captions)) == 5 and all(photo.is_file() for photo in told.photos)
        halves = [told.every_second(first) for first in (0, 1)]
        assert not set(halves[0].photos) & set(halves[1].photos)
        assert np.isclose(len(halves[0]), len(halves[1]), atol=1)


def test_photos_that_are_in_training_too_are_counted_and_told(coco, caplog) -> None:
    caplog.set_level("INFO")
    coco(val=OFFICIAL["train"], tests={"test": OFFICIAL["val"]})
    assert "val: 4 of 4 photos are in the training set too" in caplog.messages
    assert not [said for said in caplog.messages if said.startswith("test:")]
