"""Layouts with captions: read as the layout task reads them, batched as captions of photos are."""

from pathlib import Path
from typing import Any

import pytest
import torch

from seq2scene.data.captions.layout_captions import CocoLayoutCaptions
from seq2scene.data.scenes.coco_layout import CocoLayout
from seq2scene.errors import UserError
from small_layouts import NAMES, TRAIN, VAL, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "train", TRAIN)
    write(tmp_path, "val", VAL)
    return tmp_path


def made(root: Path, **options: Any) -> CocoLayoutCaptions:
    given = {"min_count": 1, "batch_size": 2, "tokenizer": "whitespace", **options}
    return CocoLayoutCaptions(root=str(root), cache=str(root / "cache"), **given)


def set_up(root: Path, **options: Any) -> CocoLayoutCaptions:
    data = made(root, **options)
    data.prepare_data()
    data.setup()
    return data


def test_an_epoch_of_training_sees_every_caption_once_with_its_layout(root: Path) -> None:
    data, layouts = set_up(root), CocoLayout(root=str(root))
    layouts.read(["train"])
    truth = layouts.splits["train"]
    seen = []
    for batch in data.train_dataloader():
        assert batch.images is None and batch.features is None
        assert batch.references == tuple(data.references("train")[row] for row in batch.rows)
        for place, row in enumerate(batch.rows.tolist()):
            mask = batch.layouts.mask[place]
            count = int(mask.sum())
            assert count == min(int(truth.objects.present[row].sum()), 9) and mask[:count].all()
            assert torch.equal(batch.layouts.classes[place, :count], truth.objects.classes[row, :count])
            boxes = layouts.schema.boxes(truth.objects)[row, :count]
            assert torch.equal(batch.layouts.boxes[place, :count], boxes)
            seen.append((truth.numbers[row], data.learnt_language.decode(batch.target.ids[place])))
    told = [
        (number, text.lower()) for number, (_, _, texts) in TRAIN.items() for text in texts if number != 8
    ]
    assert sorted(seen) == sorted(told)


def test_evaluation_sees_every_layout_once_with_all_its_captions(root: Path) -> None:
    data = set_up(root)
    (batch,) = data.test_dataloader()[0]
    assert batch.references == (tuple(VAL[1][2]),) == tuple(data.references("test"))
    assert data.image_name("test", 0) == "1"
    assert batch.layouts.classes.tolist() == [[3 + NAMES.index("dog")]]
    torch.testing.assert_close(batch.layouts.boxes[0, 0], torch.tensor([0.295, 0.695, 0.4, 0.2]))
    assert batch.to("meta").layouts.boxes.is_meta


def test_a_layout_is_cut_after_so_many_objects(root: Path) -> None:
    data = set_up(root, max_objects=2)
    whole = data.scenes.splits["train"].objects.present.sum(1)
    shown = torch.cat([data.images_of("train", [row])["layouts"].mask.sum(1) for row in range(len(whole))])
    assert shown.tolist() == whole.clamp(max=2).tolist() and whole.max() > 2


def test_images_that_validate_are_none_to_train_on(root: Path) -> None:
    data = set_up(root, val_images=2, seed=3)
    names = [
        {data.image_name(split, row) for row in range(len(data.references(split)))} for split in data.files
    ]
    assert not names[0] & names[1] and names[0] | names[1] == {"3", "5", "9"} and names[2] == {"1"}


def test_what_a_captioner_knows_is_enough_to_test_it_and_other_classes_are_refused(root: Path) -> None:
    known = set_up(root).description()
    (root / "annotations" / "captions_train2017.json").unlink()
    data = made(root, min_count=100)
    data.use(known)
    data.prepare_data()
    data.setup("test")
    assert data.learnt_language.state() == known["language"]
    assert data.description()["schema"]["names"] == NAMES
    write(root, "val", VAL, ("dog", "person", "car"))
    other = made(root)
    other.use(known)
    with pytest.raises(UserError, match=r"instances_val2017\.json: its categories are not those"):
        other.setup("test")
