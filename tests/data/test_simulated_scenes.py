"""Simulated scenes: which patch fits an object, what is drawn by chance, what the batches hold."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seq2scene.compositing.patch_store import PatchStore
from seq2scene.compositing.simulated_composites import Stencils, mend
from seq2scene.data.coco_composite import CocoComposite
from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.data.simulated_scenes import NONE, SimulatedScenes, best_fits, stored_fits
from seq2scene.errors import UserError


@pytest.fixture(scope="module")
def park(tmp_path_factory) -> Path:
    """Forty of the park's photos, in COCO's format."""
    return ensure_photos(tmp_path_factory.mktemp("park"), train=30, val=10)


def make(root: Path, **settings: Any) -> SimulatedScenes:
    cache = str(root / "cache")
    composites = CocoComposite(
        str(root), photos=".", min_thing=0.001, side=16, photo_side=24, cache=cache, heads={}
    )
    small = {"side": 16, "batch_size": 4, "eval_batch_size": 3, "cache": cache}
    return SimulatedScenes(composites, **{**small, **settings})


def ready(root: Path, **settings: Any) -> SimulatedScenes:
    data = make(root, **settings)
    data.prepare_data()
    data.setup()
    return data


@pytest.fixture(scope="module")
def data(park: Path) -> SimulatedScenes:
    return ready(park)


def batches(data: SimulatedScenes, split: str = "train", epoch: int = 0) -> list[Stencils]:
    loader = {"train": data.train_dataloader, "val": data.val_dataloader}[split]()
    loader.set_epoch(epoch)
    return list(loader)


def stores(data: SimulatedScenes) -> tuple[PatchStore, PatchStore]:
    return data.composites.stores["train"], data.composites.stores["val"]


# Which patch fits


@pytest.mark.parametrize("split", ["train", "val"])
@pytest.mark.parametrize("candidates", [1, 5, 1000])
def test_the_patch_that_fits_is_the_one_a_search_through_all_finds(
    data: SimulatedScenes, split: str, candidates: int
) -> None:
    """By masks as they are, one pair after the other."""
    patches = data.composites.stores["train"]
    store = data.composites.stores[split]
    fits = best_fits(store, patches, candidates)
    masks, others = (each.labelled_patches(np.arange(len(each))).masks.numpy() for each in (store, patches))
    for number in range(0, len(store), 7):
        same = np.flatnonzero(patches.classes == store.classes[number])
        same = same[same != number] if split == "train" else same
        if not len(same):
            assert fits[number] == NONE
            continue
        apart = np.log(patches.boxes[same, 2:]) - np.log(store.boxes[number, 2:])
        distance = np.square(apart).sum(1)
        near = same[distance <= np.sort(distance)[:candidates][-1] + 1e-6]
        assert fits[number] in near
        if len(near) > candidates:  # equally far, and not all of them are candidates
            continue
        overlap = [(masks[number] & others[n]).sum() / (masks[number] | others[n]).sum() for n in near]
        assert overlap[near.tolist().index(fits[number])] == pytest.approx(max(overlap))


def test_no_object_of_the_training_photos_fits_itself(data: SimulatedScenes) -> None:
    fits = data.fits["train"]
    known = fits != NONE
    assert (fits != np.arange(len(fits)))[known].all() and known.mean() > 0.8
    patches = stores(data)[0]
    assert (patches.classes[fits[known]] == patches.classes[known]).all()


def test_fits_are_found_once(data: SimulatedScenes, tmp_path: Path) -> None:
    patches, store = stores(data)
    first = stored_fits(store, patches, 3, tmp_path)
    (path,) = (tmp_path / "fits").glob("*.npy")
    np.save(path, first + 1)
    np.testing.assert_array_equal(stored_fits(store, patches, 3, tmp_path), first + 1)
    np.testing.assert_array_equal(stored_fits(store, patches, 4, tmp_path).shape, first.shape)
    assert len(list((tmp_path / "fits").glob("*.npy"))) == 2


def test_a_cache_that_cannot_be_written_is_told(data: SimulatedScenes, tmp_path: Path) -> None:
    (tmp_path / "fits").write_text("a file")
    with pytest.raises(UserError, match=r"cannot be written .*data\.cache"):
        stored_fits(*stores(data), 3, tmp_path)


# Batches


def test_every_photo_is_seen_once_in_an_epoch(data: SimulatedScenes) -> None:
    for split in ("train", "val"):
        rows = torch.cat([batch.rows for batch in batches(data, split)])
        assert sorted(rows.tolist()) == list(range(len(data.photo_ids(split))))


def test_a_batch_shows_each_object_and_the_patch_that_fits(data: SimulatedScenes) -> None:
    patches, objects = stores(data)[0], data.composites.splits["train"].objects
    for batch in batches(data):
        own = objects.patches[batch.rows][:, : batch.classes.shape[1]].numpy()
        assert torch.equal(batch.classes > 0, torch.from_numpy(own >= 0)) and (own[:, -1] >= 0).any()
        other = np.where(own >= 0, data.fits["train"][own], NONE)
        assert torch.equal(batch.paired, torch.from_numpy(other >= 0))
        assert torch.equal(batch.masks, patches.patches(other).masks[:, :, 0])
        there = own >= 0
        np.testing.assert_allclose(batch.boxes[torch.from_numpy(there)], patches.boxes[own[there]])


def test_chance_is_that_of_the_seed_and_the_epoch(park: Path, data: SimulatedScenes) -> None:
    def drawn(data: SimulatedScenes, epoch: int) -> dict[int, list[float]]:
        """The colour maps of each photo's objects."""
        return {
            row: colours.flatten().tolist()
            for batch in batches(data, epoch=epoch)
            for row, colours in zip(batch.rows.tolist(), batch.colours.sum(1), strict=True)
        }

    first = drawn(ready(park, transfer=0.5), 0)
    assert first == drawn(ready(park, transfer=0.5), 0)
    assert first != drawn(ready(park, transfer=0.5), 1)
    assert first != drawn(ready(park, transfer=0.5, seed=7), 0)


def test_one_object_of_so_many_gets_the_colours_of_its_patch(park: Path) -> None:
    same = torch.eye(3, 4)
    for transfer in (0.0, 1.0):
        for batch in batches(ready(park, transfer=transfer)):
            mapped = (batch.colours - same).abs().amax((2, 3)) > 1e-3
            assert torch.equal(mapped, batch.paired & (transfer == 1))
    maps = [batch.colours[batch.paired] for epoch in range(8) for batch in batches(ready(park), epoch=epoch)]
    share = ((torch.cat(maps) - same).abs().amax((1, 2)) > 1e-3).float().mean()
    assert share == pytest.approx(0.2, abs=0.04)


def test_an_object_gets_colours_as_its_patch_has_them(park: Path) -> None:
    data = ready(park, transfer=1.0)
    patches, batch = stores(data)[0], data.sample("train", np.arange(4))
    own = data.composites.splits["train"].objects.patches[:4][:, : batch.classes.shape[1]].numpy()
    own, maps = own[batch.paired.numpy()], batch.colours[batch.paired]
    given, wanted = (
        patches.patches(numbers).pictures[:, :, 4:12, 4:12].flatten(2).float()
        for numbers in (own, data.fits["train"][own])
    )
    mapped = maps[:, :, :3] @ given + maps[:, :, 3:]
    torch.testing.assert_close(mapped.mean(2), wanted.mean(2), atol=0.5, rtol=0)
    torch.testing.assert_close(mapped.var(2).sum(1), wanted.var(2).sum(1), atol=30, rtol=0.05)


def test_noise_falls_on_so_many_photos(park: Path) -> None:
    assert all(batch.speckles is None for batch in batches(ready(park)))
    for batch in batches(ready(park, noise=1.0)):
        assert batch.speckles.float().mean((1, 2)).sub(0.5).abs().max() < 0.15
    found = torch.cat([b.speckles.any(2).any(1) for b in batches(ready(park, noise=0.5))])
    assert 0.1 < found.float().mean() < 0.9


def test_photos_lose_pixels_and_keep_what_they_show(data: SimulatedScenes) -> None:
    """The composites are the photos with holes: wherever all around is seen and no colours are mapped."""
    for batch in batches(data, "val"):
        made = mend(batch, data.side, stores(data)[0].first_stuff)
        plain = (batch.colours == torch.eye(3, 4)).all(3).all(2).all(1)
        whole = made.composite.masks == 1
        alone = torch.nn.functional.max_pool2d((~whole).float(), 5, 1, 2) == 0
        apart = (made.composite.pictures - made.pictures).abs() * alone
        assert apart[plain].max() < 1e-3 if plain.any() else True
        assert 0.2 < whole.float().mean() < 1


def test_two_ranks_share_the_photos(park: Path, monkeypatch) -> None:
    found = []
    for rank in (0, 1):
        data = ready(park)
        monkeypatch.setattr(data, "_ranks", lambda rank=rank: {"rank": rank, "world": 2})
        found += [batch.rows for batch in batches(data, "val")]
    assert sorted(torch.cat(found).tolist()) == list(range(10))


# What is refused


@pytest.mark.parametrize("wrong", [{"transfer": 1.5}, {"noise": -0.1}, {"candidates": 0}, {"side": 0}])
def test_what_makes_no_sense_is_refused_by_its_key(park: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(UserError, match=rf"data\.{next(iter(wrong))}"):
        make(park, **wrong)


def test_other_classes_than_those_of_the_checkpoint_are_refused(park: Path, data: SimulatedScenes) -> None:
    told = data.description()
    assert told["side"] == 16 and len(told["names"]) > told["things"]
    other = make(park)
    other.use({**told, "names": told["names"][::-1]})
    with pytest.raises(UserError, match="classes of its objects are not those of the checkpoint"):
        other.prepare_data()


def test_files_may_lie_elsewhere_than_composites_say(park: Path, data: SimulatedScenes) -> None:
    moved = make(park)
    moved.composites.root = Path("nowhere")
    again = SimulatedScenes(moved.composites, root=str(park), cache=str(park / "cache"))
    again.setup()
    assert again.photo_ids("val") == data.photo_ids("val")
