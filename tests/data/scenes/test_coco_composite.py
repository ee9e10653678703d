"""Composites: what is read of photos and captions, which segments stand where, what batches hold."""

import json
import logging
from collections import Counter
from dataclasses import fields
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.data.scenes.coco_composite import CocoComposite, Negatives
from seq2scene.data.scenes.coco_layout import CocoLayout
from seq2scene.errors import UserError
from seq2scene.nets.vision.image_encoder import ImageEncoder
from seq2scene.scenes.batch import SceneBatch
from seq2scene.scenes.objects import EOS, FIRST_CLASS, PAD, Objects

pytestmark = pytest.mark.slow

LOOKS = {"size": {"classes": 17}, "aspect": {"classes": 17}, "appearance": {"size": 8}}
LAYOUT = {"size": {"classes": 17}, "aspect": {"classes": 17}}
EVERYTHING = {"overlap": None, "min_thing": 0, "min_stuff": 0, "max_objects": 99}


@pytest.fixture(scope="module")
def park(tmp_path_factory) -> Path:
    """Forty of the park's photos, in COCO's format."""
    return ensure_photos(tmp_path_factory.mktemp("park"), train=30, val=10)


def make(root: Path, **settings: Any) -> CocoComposite:
    small = {"photos": ".", "min_thing": 0.001, "side": 32, "photo_side": 32, "heads": LOOKS}
    small |= {"batch_size": 4, "eval_batch_size": 3, "cache": str(root / "cache")}
    return CocoComposite(root=str(root), **{**small, **settings})


def ready(root: Path, **settings: Any) -> CocoComposite:
    data = make(root, **settings)
    data.prepare_data()
    data.setup()
    return data


@pytest.fixture(scope="module")
def data(park: Path) -> CocoComposite:
    return ready(park)


def batches(data: CocoComposite, split: str = "train", epoch: int = 0) -> list[SceneBatch]:
    loader = {"train": data.train_dataloader, "val": data.val_dataloader}[split]()
    loader.set_epoch(epoch)
    return list(loader)


def annotations(root: Path, kind: str, name: str = "train2017") -> dict[str, Any]:
    return json.loads((root / f"annotations/{kind}_{name}.json").read_text())


def test_part_of_the_training_photos_may_validate(park) -> None:
    everything = set(ready(park).splits["train"].numbers)
    data = ready(park, val_images=5)
    train, val = (set(data.splits[split].numbers) for split in ("train", "val"))
    assert val and train | val == everything and not train & val
    assert data.stores["val"] is data.stores["train"] and data.stores["test"] is not data.stores["train"]
    for batch in batches(data, "val"):
        assert {data.splits["val"].numbers[n] for n in data._of("val").scenes[batch.rows.numpy()]} <= val
    with pytest.raises(UserError, match=r"val_images=999: there are \d+ to draw from"):
        ready(park, val_images=999)


# Where things and stuff are


def write(root: Path) -> Path:
    """A photo of 100 x 80 pixels in which two things stand on grass, under the sky; its captions."""
    (root / "annotations").mkdir()
    images = [{"id": 7, "file_name": "7.jpg", "width": 100, "height": 80}]

    def caption(number: int, text: str) -> dict[str, Any]:
        return {"id": number, "image_id": 7, "caption": text}

    def segment(number: int, category: int, left: int, top: int, width: int, height: int) -> dict[str, Any]:
        right, bottom = left + width, top + height
        corners = [left, top, right, top, right, bottom, left, bottom]
        found = {"id": number, "image_id": 7, "category_id": category, "bbox": [left, top, width, height]}
        return {**found, "segmentation": [corners], "iscrowd": 0}

    found = {
        "instances": [segment(1, 18, 10, 20, 40, 30), segment(2, 3, 60, 30, 20, 40)],
        "stuff": [segment(3, 157, 0, 0, 100, 20), segment(4, 124, 0, 50, 100, 30)],
        "captions": [caption(1, "A dog."), caption(2, "A car!")],
    }
    categories = {
        "instances": [{"id": 18, "name": "dog"}, {"id": 3, "name": "car"}],
        "stuff": [
            {"id": 157, "name": "clouds", "supercategory": "sky"},
            {"id": 124, "name": "grass", "supercategory": "plant"},
        ],
        "captions": [],
    }
    for name in ("train2017", "val2017"):
        for kind, content in found.items():
            whole = {"images": images, "annotations": content, "categories": categories[kind]}
            (root / f"annotations/{kind}_{name}.json").write_text(json.dumps(whole))
        (root / name).mkdir()
        Image.new("RGB", (100, 80), (200, 100, 50)).save(root / name / "7.jpg")
    return root


def test_golden_segments_lie_on_the_square_at_the_bottom_on_the_left(tmp_path) -> None:
    """A box from pixel 10 to 49 and 20 to 49 of 100 x 80 has its centre at 29.5 and 34.5, 20 further down on
    the square of 100 x 100.
    """
    data = ready(write(tmp_path))
    assert data.schema.names == ("dog", "car", "plant", "sky") and data.schema.things == 2
    target = data.splits["train"].objects
    named = [data.schema.name(number) for number in target.classes[0].tolist()]
    assert named == ["car", "dog", "plant", "sky"]  # things before stuff, the lowest first
    expected = [(0.695, 0.695), (0.295, 0.545), (0.495, 0.845), (0.495, 0.295)]
    torch.testing.assert_close(target.places[0], torch.tensor(expected))
    extents = torch.tensor([(0.2, 0.4), (0.4, 0.3), (1, 0.3), (1, 0.2)])
    torch.testing.assert_close(target.extents[0], extents)
    # sqrt(0.08) / step and so on: 0.28284, 0.34641, 0.54772 and 0.44721 in steps of 0.062375 from 0.001
    assert target.attributes["size"][0].tolist() == [5, 6, 9, 7]
    # 1/2, 4/3, 10/3 and 5 among 1/9, ..., 1/2, 1, 2, ..., 9
    assert target.attributes["aspect"][0].tolist() == [7, 8, 10, 12]


def test_things_are_where_layouts_have_them(park) -> None:
    """The order may differ, where layouts round bottom edges that are equal in pixels."""
    composites = ready(park, **EVERYTHING)
    layouts = CocoLayout(root=str(park), filtered=[], cache=str(park / "cache"))
    layouts.prepare_data()
    layouts.setup()
    ours, theirs = composites.splits["train"], layouts.splits["train"]
    things = composites.schema.things
    assert ours.numbers == theirs.numbers and ours.texts == theirs.texts
    assert composites.schema.names[:things] == layouts.schema.names
    is_thing = ours.objects.present & (ours.objects.classes < FIRST_CLASS + things)
    assert sum(map(len, described(ours.objects, is_thing))) > 100
    assert described(ours.objects, is_thing) == described(theirs.objects, theirs.objects.present)


def described(objects: Objects, chosen: Tensor) -> list[list[tuple[float, ...]]]:
    """Of each scene the chosen objects, sorted: class, place, extent and attributes."""
    attributes = [values.unsqueeze(2) for values in objects.attributes.values()]
    rows = torch.cat([objects.classes.unsqueeze(2), objects.places, objects.extents, *attributes], dim=2)
    return [sorted(map(tuple, rows[scene][chosen[scene]].tolist())) for scene in range(len(objects))]


def test_a_scene_has_the_segments_of_its_photo_and_its_captions(park, data) -> None:
    told = {}
    for entry in annotations(park, "captions")["annotations"]:
        told.setdefault(entry["image_id"], []).append(entry["caption"])
    split, store = data.splits["train"], data.stores["train"]
    assert split.numbers == sorted(split.numbers) and len(split.numbers) > 15
    for scene, number in enumerate(split.numbers):
        patches = split.objects.patches[scene]
        assert {int(n) for n in store.image_ids[store.photo[patches[patches >= 0]]]} == {number}
        assert [text for (text,) in split.texts[scene]] == told[number]
    assert torch.equal(split.objects.patches >= 0, split.objects.present)
    assert sorted(split.objects.patches[split.objects.present].tolist()) == list(range(len(store)))


def test_crowded_photos_are_not_trained_on_and_are_cut_short_for_evaluation(park) -> None:
    one = dict.fromkeys(("train", "val", "test"), "train2017")
    data = ready(park, max_objects=9, sources=one)
    counts = {split: data.splits[split].objects.present.sum(1) for split in ("train", "val")}
    assert 1 <= len(counts["train"]) < len(counts["val"]) == 30
    assert counts["train"].max() <= counts["val"].max() == 9
    assert data.stores["test"] is data.stores["val"] is not data.stores["train"]


# Batches


def test_a_batch_ends_its_scenes_and_brings_the_whole_truth_for_evaluation(data) -> None:
    for split, truth in (("train", False), ("val", True)):
        for batch in batches(data, split):
            counts = batch.target.present.sum(1)
            assert (batch.target.classes.gather(1, counts.unsqueeze(1)) == EOS).all()
            assert batch.target.classes.shape[1] == counts.max() + 1
            assert batch.target.extents is None  # what is written has the sizes of its classes
            assert (batch.truth is not None) is truth
            if truth:
                scenes = data._of("val").scenes[batch.rows]
                whole = data.splits["val"].objects[torch.from_numpy(scenes)]
                assert torch.equal(batch.truth.patches, whole.patches)


@pytest.mark.parametrize("split", ["train", "val"])
def test_photos_through_masks_show_the_objects_of_the_target(park, data, split) -> None:
    """Held against the JPEG files and the annotated masks, as far as so small a picture can be."""
    store, seen = data.stores[split], 0
    told = [text for (text,) in data.texts(split)]
    captions = annotations(park, "captions", data.files[split])["annotations"]
    for batch in batches(data, split):
        numbers = batch.target.patches
        for row in range(len(batch)):
            photo = int(store.photo[numbers[row, 0]])
            image = int(store.image_ids[photo])
            own = {entry["caption"] for entry in captions if entry["image_id"] == image}
            assert told[batch.rows[row]] in own
            with Image.open(park / data.files[split] / str(store.files[photo])) as file:
                square = Image.new("RGB", (320, 320))
                square.paste(file.convert("RGB"), (0, 320 - 256))
            small = torch.from_numpy(np.asarray(square.resize((32, 32), Image.Resampling.BICUBIC)).copy())
            picture = batch.photos.pictures[row].permute(1, 2, 0)
            assert (picture.int() - small.int()).abs().max() <= 2
            for step in range(numbers.shape[1] - 1):
                mask, number = batch.photos.masks[row, step], int(numbers[row, step])
                if number < 0:
                    assert not mask.any()
                    continue
                expected = store.photos(np.array([photo]), np.array([[number]]))
                assert torch.equal(mask, expected.masks[0, 0])
                masked = expected.pictures[0] * expected.masks[0]
                assert torch.equal(batch.photos.pictures[row] * mask, masked)
                seen += bool(mask.any())
    assert seen > 30


@pytest.mark.parametrize("split", ["train", "val"])
def test_patches_follow_the_order_of_what_is_present(data, split) -> None:
    store = data.stores[split]
    for batch in batches(data, split):
        numbers = batch.target.patches[batch.target.present].numpy()
        assert torch.equal(batch.target.patches >= 0, batch.target.present)
        classes = batch.target.classes[batch.target.present]
        assert (store.classes[numbers] == classes.numpy()).all()
        assert len(batch.positives) == len(batch.negatives) == len(batch.paired) == len(numbers)
        expected = store.labelled_patches(numbers)
        assert torch.equal(batch.positives.pictures, expected.pictures)
        assert torch.equal(batch.positives.masks, expected.masks)
        labels = batch.positives.labels.flatten(1)
        shown = (labels == classes.unsqueeze(1)) & batch.positives.masks.flatten(1)
        assert (
            shown.any(1) | ~batch.positives.masks.flatten(1).any(1)
        ).float().mean() > 0.9  # the rest is hidden


def test_the_other_of_a_pair_is_of_the_same_class_and_never_itself_unless_alone(data) -> None:
    store = data.stores["train"]
    counts, alone = np.bincount(store.classes), 0
    for batch in batches(data):
        numbers = batch.target.patches[batch.target.present].numpy()
        kinds = store.classes[numbers]
        assert np.array_equal(batch.paired.numpy(), counts[kinds] > 1)
        same = (batch.positives.pictures == batch.negatives.pictures).flatten(1).all(1)
        same &= (batch.positives.masks == batch.negatives.masks).flatten(1).all(1)
        assert not same[batch.paired].any() and same[~batch.paired].all()
        alone += int((~batch.paired).sum())
    assert alone < len(store) / 2


def test_all_others_of_a_class_are_equally_likely() -> None:
    classes = np.array([5, 3, 5, 4, 5, 3, 5])
    negatives, rng = Negatives(classes), np.random.default_rng(0)
    drawn = negatives.draw(np.tile(np.arange(7), 3000), rng).reshape(3000, 7)
    assert (classes[drawn] == classes).all()
    assert (drawn[:, 3] == 3).all()  # alone
    assert (drawn[:, 1] == 5).all() and (drawn[:, 5] == 1).all()
    for own in (0, 2, 4, 6):
        found = Counter(drawn[:, own].tolist())
        assert found.keys() == {0, 2, 4, 6} - {own}
        assert all(850 < count < 1150 for count in found.values())


def tensors(batch: SceneBatch) -> dict[str, Tensor]:
    """All that a batch holds, by name."""
    found = {"rows": batch.rows, "words": batch.texts.ids, "patches": batch.target.patches}
    found |= {"photos": batch.photos.pictures, "masks": batch.photos.masks, "paired": batch.paired}
    for name in ("positives", "negatives"):
        patches = getattr(batch, name)
        found |= {
            f"{name} {f.name}": getattr(patches, f.name) for f in fields(patches) if f.name != "features"
        }
    return found


def test_the_same_seed_and_epoch_give_the_same_batches_and_another_gives_others(park, data) -> None:
    ours, theirs = (batches(one, epoch=1) for one in (data, ready(park)))
    for mine, other in zip(ours, theirs, strict=True):
        for (name, values), same in zip(tensors(mine).items(), tensors(other).values(), strict=True):
            assert torch.equal(values, same), name
    first = torch.cat([batch.rows for batch in ours])
    for another in (batches(data, epoch=2), batches(ready(park, seed=5), epoch=1)):
        assert not torch.equal(first, torch.cat([batch.rows for batch in another]))


@pytest.mark.parametrize("split", ["train", "val"])
def test_two_ranks_share_what_one_sees(park, monkeypatch, split) -> None:
    whole = ready(park, batch_size=4)
    scenes = whole._of(split).scenes
    alone = Counter(scenes[torch.cat([b.rows for b in batches(whole, split)])].tolist())
    both, sizes = Counter(), []
    for rank in range(2):
        data = ready(park, batch_size=2)
        monkeypatch.setattr(data, "_ranks", partial(dict, rank=rank, world=2))
        own = batches(data, split)
        sizes.append(len(own))
        both.update(scenes[torch.cat([b.rows for b in own])].tolist())
    assert sizes[0] == sizes[1]
    assert both == alone


# Heads, features, checkpoints


def test_without_appearance_there_are_photos_and_no_patches(park) -> None:
    data = ready(park, heads=LAYOUT)
    assert data.schema.appearance is None and tuple(data.schema.heads) == ("size", "aspect")
    for batch in batches(data):
        assert batch.photos is not None
        assert batch.positives is None and batch.negatives is None and batch.paired is None


def test_heads_are_dropped_one_by_one(park) -> None:
    data = ready(park, heads={"aspect": {"classes": 9}})
    assert tuple(data.schema.heads) == ("aspect",) and data.schema.heads["aspect"].classes == 9
    assert data.splits["train"].objects.attributes["aspect"].max() < 9


def test_a_frozen_classifier_sees_every_patch(park) -> None:
    encoder = ImageEncoder("squeezenet1_1", "features", "none", size=64)
    data = ready(park, encoder=encoder)
    assert data.description()["features"] == encoder.output_size == 512
    batch = batches(data)[0]
    for patches in (batch.positives, batch.negatives):
        assert patches.features.shape == (len(patches), 512) and patches.features.dtype == torch.float16
        assert patches.features.isfinite().all() and patches.features.std() > 0
    assert data.stores["train"].folder != ready(park).stores["train"].folder


def test_a_checkpoint_brings_words_classes_heads_appearance_and_the_size_of_photos(park, data) -> None:
    known = data.description()
    assert Path(known["photos"]) == park / "train2017" and known["features"] == 0
    assert Path(known["patches"]) == data.stores["train"].folder
    again = make(park, heads=LAYOUT, min_count=99, photo_side=48)
    again.use(known)
    again.prepare_data()
    again.setup("test")
    assert again.schema == data.schema and again.appearance.size == 8 and "train" not in again.stores
    assert len(again.reader.language.vocabulary) == len(data.reader.language.vocabulary)
    (loader,) = again.test_dataloader()
    batch = next(iter(loader))
    assert batch.positives is not None and batch.photos.pictures.shape[2:] == (32, 32)


def test_a_second_start_cuts_and_reads_nothing(park, data, monkeypatch) -> None:
    monkeypatch.setattr("seq2scene.data.coco.segments_cache.read_segments", None)
    monkeypatch.setattr(
        "seq2scene.compositing.store_building._fill", lambda *_, **__: pytest.fail("cut anew")
    )
    assert ready(park).stores["train"].folder == data.stores["train"].folder


# What is refused


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"max_objects": 0}, r"data\.max_objects must be at least 1"),
        ({"photo_side": 0}, r"data\.photo_side must be at least 1"),
        ({"heads": {**LAYOUT, "pose": {"classes": 7}}}, r"heads\.pose: this data has no such attribute"),
        ({"heads": {"aspect": {"classes": 8}}}, r"heads\.aspect\.classes=8: an odd number"),
    ],
    ids=["max_objects", "photo_side", "heads", "aspect"],
)
def test_choices_without_a_meaning_are_refused(park, settings, reason) -> None:
    with pytest.raises(UserError, match=reason):
        make(park, **settings)


def test_a_classifier_that_learns_is_refused(park) -> None:
    with pytest.raises(UserError, match=r"data\.encoder\.frozen=false"):
        make(park, encoder=ImageEncoder("squeezenet1_1", "features", "none", size=64, frozen=False))


def test_photos_that_are_missing_are_named_with_how_to_get_them(tmp_path) -> None:
    root = write(tmp_path)
    (root / "train2017/7.jpg").unlink()
    with pytest.raises(UserError, match=r"1 of 1 photos are not where .*train2017: 7\.jpg; .*get it so"):
        ready(root, fetch="get it so")


def test_a_damaged_photo_is_left_out_and_counted(tmp_path, caplog) -> None:
    root = ensure_photos(tmp_path, train=8, val=4)
    whole = ready(root, cache=str(tmp_path / "whole"))
    lost = root / "train2017" / str(whole.stores["train"].files[0])
    lost.write_bytes(lost.read_bytes()[:100])
    with caplog.at_level(logging.WARNING):
        data = ready(root)
    (said,) = [record.getMessage() for record in caplog.records if "left out" in record.getMessage()]
    photos, patches = len(whole.splits["train"].numbers), (whole.stores["train"].photo == 0).sum()
    assert f"train2017: 1 of {photos} photos, and the {patches} patches in them, are left out" in said
    assert data.splits["train"].numbers == whole.splits["train"].numbers[1:]
    numbers = data.splits["train"].objects.patches
    assert (data.stores["train"].classes[numbers[numbers >= 0]] > 0).all()
    for batch in batches(data):
        assert (batch.target.classes != PAD).any(1).all()
        assert torch.equal(batch.target.patches >= 0, batch.target.present)


def test_things_without_a_box_in_their_photo_are_left_out_as_of_layouts_and_told(tmp_path, caplog) -> None:
    root = write(tmp_path)
    path = root / "annotations/instances_train2017.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["bbox"] = [0, 0, 0, 0]
    path.write_text(json.dumps(content))
    with caplog.at_level(logging.INFO):
        objects = ready(root, sources=dict.fromkeys(("train", "val", "test"), "train2017"))
    told = [record.getMessage() for record in caplog.records if "things and parts" in record.getMessage()]
    assert "left out: 0 crowds, 1 objects that have no box inside their image" in told[0]
    assert objects.splits["train"].objects.present.sum().item() == 3
    layouts = CocoLayout(root=str(root), cache=str(root / "cache"))
    assert layouts._read("train").objects.present.sum() == 1


def test_a_thing_of_which_a_sliver_is_inside_has_a_window_of_a_pixel(tmp_path) -> None:
    root = write(tmp_path)
    path = root / "annotations/instances_train2017.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["bbox"] = [99.9, 20, 40, 30]
    path.write_text(json.dumps(content))
    store = ready(root).stores["train"]
    assert len(store) == 4 and np.isfinite(store._middles).all()


@pytest.mark.parametrize("name", ["../val2017/7.jpg", "/etc/7.jpg"])
def test_a_photo_is_looked_for_in_its_folder_alone(tmp_path, name) -> None:
    root = write(tmp_path)
    path = root / "annotations/instances_train2017.json"
    path.write_text(path.read_text().replace("7.jpg", name))
    with pytest.raises(UserError, match=rf"instances_train2017\.json: the file name '{name}' leads out of"):
        ready(root)


def test_photos_without_segments_or_captions_are_refused(tmp_path) -> None:
    root = write(tmp_path)
    with pytest.raises(UserError, match=r"nothing is left .* data\.min_thing=0\.9"):
        ready(root, min_thing=0.9, min_stuff=0.9)
    path = root / "annotations/captions_train2017.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "annotations": []}))
    with pytest.raises(UserError, match=r"no photo of train2017 has a caption"):
        ready(root)


def test_files_of_other_classes_are_refused(tmp_path) -> None:
    root = write(tmp_path)
    path = root / "annotations/instances_val2017.json"
    content = json.loads(path.read_text())
    content["categories"][0]["name"] = "cat"
    path.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"the classes of val2017 are not those of the training photos"):
        ready(root)


# The published files


def test_published_photos_become_composites(shared_data, tmp_path) -> None:
    data = ready(shared_data / "coco_composite", photos="images", min_thing=0.01, cache=str(tmp_path))
    assert data.schema.classes == 98 and data.schema.things == 80
    assert [len(data.splits[split].numbers) for split in ("train", "val")] == [299, 59]
    assert data.stores["train"].lacking == {}
    batch = batches(data)[0]
    assert len(batch) == 4 and batch.photos.pictures.shape == (4, 3, 32, 32)
