"""The composite task: what its loss adds, what it pastes, and that every choice trains and writes."""

import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from seq2scene.building import build
from seq2scene.compositing.patch_store import PatchStore
from seq2scene.data.scenes.coco_composite import CocoComposite
from seq2scene.errors import UserError
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.nets.losses.scene_losses import fields
from seq2scene.running.processes.trainers import filter_warnings, make_trainer
from seq2scene.scenes.batch import SceneBatch
from seq2scene.scenes.objects import FIRST_CLASS, PAD, Objects
from seq2scene.scenes.photos import Patches
from seq2scene.scenes.schema import Schema
from seq2scene.tasks.composites import CompositeTask
from seq2scene.tasks.loading import build_task, task_of
from test_configs import compose_plain

pytestmark = pytest.mark.slow

BLIND = ("score.3.bias", "look.2.bias")  # a softmax does not see what is added to all of its scores
LONG = {"_target_": "seq2scene.search.stepwise.Greedy", "max_ratio": 0.0, "max_extra": 11, "min_length": 11}
TINY_CANVAS = ["canvas.side=32", "canvas.stride=2", "canvas.widths=[4,4,8]"]


@pytest.fixture(scope="module")
def read(park_photos: Path):
    """What ``compose`` makes of a choice: the config and the data it describes, each made once."""

    @cache
    def make(*overrides: str) -> tuple[dict[str, Any], CocoComposite]:
        small = ["task=composite", "model=text2scene_mini", "debug=tiny_scenes", "data=coco_composite"]
        small += [f"data.root={park_photos}"]
        small += ["data.photos=.", "data.min_thing=0.001", "data.side=32", "data.min_count=1"]
        small += ["data.batch_size=4", f"data.cache={park_photos / 'cache'}", "patch_encoder.hidden=8"]
        small += ["trainer=cpu", "trainer.enable_progress_bar=false"]
        small += ["loss.object=20", "loss.contrast=0", "retrieval.whole={things: 0, stuff: 0}"]
        small += ["model.encoder.dropout=0", "model.decoder.dropout=0"]
        small += [] if any(one.startswith("canvas=") for one in overrides) else TINY_CANVAS
        config = compose_plain(park_photos, *small, *overrides)
        data = build(config["data"], "data")
        data.prepare_data()
        data.setup()
        return config, data

    return make


@pytest.fixture(scope="module")
def made(read):
    """A task and a batch of its training data."""

    def make(*overrides: str, **changes: Any) -> tuple[CompositeTask, SceneBatch]:
        config, data = read(*overrides)
        torch.manual_seed(1)
        task = build_task({**config, **changes}, data.description())
        return task, next(iter(data.train_dataloader()))

    return make


# Every choice


PLANES = ["canvas=class_planes", "canvas.side=32", "canvas.widths=[4,8]"]
CHOICES = {  # test_dropped_heads.py drops each head, and has each canvas and another grid
    "plain": [],
    "no appearance on another grid": ["~heads.appearance", "grid=28x28"],
    "heads of layouts, drawn, by scenes": ["heads=layout", "canvas=semantic", "loss.per=scene"],
    "class planes, attention regulariser": [*PLANES, "loss.object_attention=0.5"],
}


@pytest.mark.parametrize("choice", CHOICES)
def test_every_choice_trains_and_writes_scenes_of_patches(read, tmp_path, choice: str) -> None:
    config, data = read(*CHOICES[choice])
    filter_warnings()
    torch.manual_seed(1)
    task = build_task(config, data.description())
    before = torch.nn.utils.parameters_to_vector(task.parameters()).detach().clone()
    trainer = make_trainer(
        {**config["trainer"], "enable_model_summary": False},
        callbacks=[],
        logger=False,
        enable_checkpointing=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(task, datamodule=data)
    assert trainer.global_step == 2
    assert not torch.equal(before, torch.nn.utils.parameters_to_vector(task.parameters()))
    assert math.isfinite(trainer.callback_metrics[config["monitor"]["metric"]])
    written = task.eval().write(next(iter(data.val_dataloader())).texts).objects
    assert_patches_of_their_class(written, task.store)
    learnt = {name.removesuffix(".classes") for name in config["heads"]} - {"appearance"}
    assert written.attributes.keys() == learnt


def assert_patches_of_their_class(objects: Objects, store: PatchStore) -> None:
    """Of every object that there is a patch for."""
    present, known = objects.present, torch.from_numpy(store.classes)
    has = torch.isin(objects.classes, known) & present
    assert torch.equal(objects.patches >= 0, has)
    assert torch.equal(known[objects.patches[has]], objects.classes[has])


def test_a_canvas_of_another_size_than_the_photos_is_refused_with_both_keys(made) -> None:
    with pytest.raises(UserError, match=r"canvas\.side=32.*data\.photo_side=64"):
        made("data.photo_side=64")
    made("canvas=semantic", "data.photo_side=64")  # which shows no photos


def test_features_of_a_classifier_reach_the_patch_encoder(made) -> None:
    classifier = "{_target_: seq2scene.nets.vision.image_encoder.ImageEncoder, trunk: squeezenet1_1, "
    classifier += "layer: features, weights: none, size: 64}"
    task, batch = made(f"data.encoder={classifier}")
    assert task.model.patch_encoder.output[0].in_features == 8 + 512
    task.loss(batch).total.backward()
    assert without_gradient(task) == set()
    task.eval()
    features = batch.positives.features
    blind = replace(batch.positives, features=torch.zeros_like(features))
    assert not torch.allclose(task.model.embed(batch.positives), task.model.embed(blind))
    plain, _ = made()
    task.build_retrieval_index()
    with pytest.raises(UserError, match="its classes or patch features differ"):
        plain.build_retrieval_index(str(task.store.folder))


# The loss


def without_gradient(task: CompositeTask) -> set[str]:
    """The parameters that a backward pass has not reached."""
    return {
        name
        for name, p in task.named_parameters()
        if p.requires_grad and (p.grad is None or not p.grad.any()) and not name.endswith(BLIND)
    }


@pytest.mark.parametrize("heads", ["composite", "layout"])
def test_gradients_reach_everything(made, heads: str) -> None:
    task, batch = made(f"heads={heads}")
    task.loss(batch).total.backward()
    assert without_gradient(task) == set()


def test_the_triplet_loss_is_added_with_its_weight_and_margin(made) -> None:
    """10 * the mean of max(0, |Q - F| - |Q - F'| + 0.3) over objects that are not alone in their class."""
    task, batch = made("heads.appearance.weight=10")
    task.eval()
    loss, taught = task.loss(batch), task.model(batch.texts, batch.target, batch.photos)
    found = fields(taught, batch.target, task.schema)
    weights = {"object": 20.0, "place": 2.0, "size": 1.0, "aspect": 1.0}
    assert found.keys() == weights.keys()
    plain = sum(weight * found[name].nll.item() for name, weight in weights.items())
    positives, negatives = task.model.embed(batch.positives), task.model.embed(batch.negatives)
    assert len(positives) == len(taught.appearances) == int(batch.target.present.sum())
    for vectors in (positives, negatives, taught.appearances):
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors)))
    assert 0 < batch.paired.sum() < len(batch.paired) or batch.paired.all()
    near, far = ((taught.appearances - vectors).norm(dim=1) for vectors in (positives, negatives))
    each = (near - far + 0.3).clamp(min=0)[batch.paired]
    expected = plain + 10 * each.mean().item() * loss.normaliser.item()
    assert loss.total.item() == pytest.approx(expected, rel=1e-4)
    assert loss.nll.item() == pytest.approx(sum(field.nll.item() for field in found.values()), rel=1e-5)

    light, same = made("heads.appearance.weight=0")
    assert torch.equal(same.rows, batch.rows)
    assert light.eval().loss(same).total.item() == pytest.approx(plain, rel=1e-4)
    # no pair is farther apart than 2.3: + 2 * 10 a field
    wide, _ = made("heads.appearance.weight=10", loss={**task.config["loss"], "margin": 2.3})
    more = wide.eval().loss(batch).total.item() - plain
    assert more == pytest.approx(
        10 * (near - far + 2.3)[batch.paired].mean().item() * loss.normaliser.item(), rel=1e-3
    )


def test_objects_alone_in_their_class_teach_no_appearance(made) -> None:
    task, batch = made()
    task.eval()
    alone = replace(batch, paired=torch.zeros_like(batch.paired), negatives=batch.positives)
    plain, _ = made("heads.appearance.weight=0")
    assert task.loss(alone).total.item() == pytest.approx(plain.eval().loss(batch).total.item(), rel=1e-5)


def test_without_appearance_there_is_no_patch_encoder(made) -> None:
    task, batch = made("heads=layout")
    assert task.model.patch_encoder is None
    assert not [name for name, _ in task.named_parameters() if "patch_encoder" in name]
    assert (
        batch.positives is None
        and task.model(batch.texts, batch.target, batch.photos).appearances.shape[1] == 0
    )


# Writing


def test_without_appearance_the_patch_nearest_in_size_and_shape_comes(made) -> None:
    task, batch = made("heads=layout")
    task.eval().build_retrieval_index()
    store, objects = task.store, task.write(batch.texts).objects
    boxes, checked = task.schema.boxes(objects), 0
    for row, step in (objects.patches >= 0).nonzero().tolist():
        rivals = torch.from_numpy(store.boxes[store.classes == int(objects.classes[row, step])])
        wanted = boxes[row, step, 2:].log()
        own = torch.from_numpy(store.boxes[int(objects.patches[row, step])])
        distances = (rivals[:, 2:].log() - wanted).norm(dim=1)
        assert float((own[2:].log() - wanted).norm()) == pytest.approx(float(distances.min()), abs=1e-5)
        checked += 1
    assert checked > 0


def test_the_patch_nearest_in_appearance_comes(made) -> None:
    task, batch = made()
    task.eval().build_retrieval_index()
    decoder, seen = task.model.decoder, []
    nearest = decoder.retrieval

    def watched(objects: Objects, appearances: Tensor, used: Tensor) -> tuple[Tensor, Patches]:
        numbers, patches = nearest(objects, appearances, used)
        seen.append((objects.classes[:, 0], appearances, numbers))
        return numbers, patches

    decoder.retrieval = watched
    task.write(batch.texts)
    embedded = task.model._embed_all(nearest.store)
    known, checked = torch.from_numpy(nearest.store.classes), 0
    for classes, wanted, numbers in seen:
        for kind, vector, number in zip(classes, wanted, numbers.tolist(), strict=True):
            if number >= 0:
                distances = (embedded[known == kind] - vector).norm(dim=1)
                assert float((embedded[number] - vector).norm()) == pytest.approx(
                    float(distances.min()), abs=1e-5
                )
                checked += 1
    assert checked > 0


def test_no_patch_comes_twice_if_none_may(made) -> None:
    """Nor any where a class has no more of them."""
    task, batch = made("retrieval.repeat=false", val_search=LONG, search=LONG)
    task.eval().build_retrieval_index()
    classes, patches = (getattr(task.write(batch.texts).objects, name) for name in ("classes", "patches"))
    counts = torch.from_numpy(task.store.classes).bincount(minlength=task.schema.classes)
    for own, kinds in zip(patches, classes, strict=True):
        found = own[own >= 0]
        assert len(found.unique()) == len(found) > 0
        for kind in kinds[kinds >= FIRST_CLASS].unique():
            wanted = int((kinds == kind).sum())
            assert int((own[kinds == kind] >= 0).sum()) == min(wanted, int(counts[kind]))


def test_embedding_all_patches_leaves_the_encoder_in_training(made) -> None:
    task, _ = made()
    task.train().build_retrieval_index()
    assert task.model.patch_encoder.training


def test_a_checkpoint_alone_writes_the_same_scene(made, tmp_path: Path) -> None:
    """It says where its patches are; from another folder they are the same."""
    task, batch = made()
    with torch.no_grad():  # as if it had come from somewhere
        for parameter in task.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    path = tmp_path / "model.ckpt"
    torch.save({"state_dict": task.state_dict(), "hyper_parameters": dict(task.hparams)}, path)
    again = task_of(load_checkpoint(path))
    task.eval().build_retrieval_index()
    again.build_retrieval_index()
    ours, theirs = (one.write(batch.texts) for one in (task, again))
    assert ours.objects.present.any()
    assert_patches_of_their_class(theirs.objects, again.store)
    for name in ("classes", "places", "patches"):
        assert torch.equal(getattr(ours.objects, name), getattr(theirs.objects, name))
    assert torch.equal(ours.log_probs, theirs.log_probs)
    moved = tmp_path / "moved"
    moved.symlink_to(again.store.folder)
    again.build_retrieval_index(str(moved))
    assert torch.equal(again.write(batch.texts).objects.patches, ours.objects.patches)
    with pytest.raises(UserError, match="holds no patches to write composites from"):
        again.build_retrieval_index(str(tmp_path / "nowhere"))


# Teacher forcing against stepping


@dataclass
class TruePatches:
    """Returns the patches of the true objects (B, T), step by step, in such a way that they are pasted where
    they truly are, wherever the model would have them.
    """

    store: PatchStore
    schema: Schema
    numbers: Tensor

    def __call__(self, objects: Objects, appearances: Tensor, used: Tensor) -> tuple[Tensor, Patches]:
        numbers = self.numbers[:, used.shape[1] - 1]
        found = self.store.patches(numbers.numpy())
        placed = self.schema.boxes(objects)[:, 0]
        true = torch.from_numpy(self.store.boxes)[numbers.clamp(min=0)]
        stretch = (placed[:, 2:].prod(1, keepdim=True) / true[:, 2:].prod(1, keepdim=True)).sqrt()
        stretch = stretch.where(objects.present, 1)
        wide = (found.boxes[:, 2] / found.boxes[:, 3] / found.ratios).sqrt()  # as ``paste`` undoes it
        own = found.boxes[:, 2:].prod(1, keepdim=True).sqrt() * torch.stack([wide, 1 / wide], dim=1)
        zoom = own / true[:, 2:].prod(1, keepdim=True).sqrt()  # pixels of the patch in a whole canvas
        centres = found.boxes[:, :2] + (placed[:, :2] - true[:, :2]) * zoom
        return numbers, replace(found, boxes=torch.cat([centres, found.boxes[:, 2:] * stretch], dim=1))


def stepped(task: CompositeTask, batch: SceneBatch) -> tuple[Tensor, list[Tensor]]:
    """The object logits (B, T, classes) of a decoder that places the true objects one by one, and the
    canvases before each.
    """
    decoder = task.model.decoder
    memory = task.model.encode(batch.texts)
    state, logits, canvases = decoder.start(memory), [], []
    for previous in batch.target.previous().unbind(1):
        features, state, *_ = decoder.step(previous, state, memory)
        logits.append(decoder.output(features))
        canvases.append(state[1])
    return torch.stack(logits, dim=1), canvases


@torch.no_grad()
def test_teacher_forcing_equals_stepping_where_the_canvas_shows_no_photo(made) -> None:
    """Of scenes as the model writes them, since it places what it is given where it likes."""
    task, batch = made("canvas=semantic")
    task.eval().build_retrieval_index()
    written = task.write(batch.texts)
    taught = task.model(batch.texts, written.objects)
    classes = written.objects.classes
    logits, _ = stepped(task, replace(batch, target=written.objects))
    torch.testing.assert_close(logits[classes != PAD], taught.objects, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_teacher_forcing_is_stepping_with_the_true_patches(made) -> None:
    """What is pasted, out of a square of pixels and at the nearest pixel of its mask, is the photo through
    the masks but for their edges; what the net makes of it is far nearer than of an empty canvas.
    """
    task, batch = made("data.side=128", "canvas.side=64", "canvas.widths=[8,8,16]")
    task.eval()
    for parameter in task.model.decoder.canvas.parameters():
        parameter.mul_(2)  # an untrained net hardly sees what stands there
    store = PatchStore.open(task.description["patches"])
    numbers = batch.target.patches
    task.model.decoder.retrieval = TruePatches(store, task.schema, numbers)
    logits, canvases = stepped(task, batch)
    prefixes = task.model.decoder.canvas.prefixes(batch.target, batch.photos)
    real = batch.target.classes != PAD
    pasted, shown = torch.stack(canvases, dim=1)[real], prefixes[real]
    there = (pasted[:, 0] > 0) | (shown[:, 0] > 0)
    same = (pasted[:, 0] == shown[:, 0]) & there
    assert same.sum() > 0.95 * there.sum() > 1000
    colours = (pasted[:, 1:] - shown[:, 1:]).abs().mean(1)
    assert colours[same].mean() < 12  # of 255: patches are read from pixel to pixel, photos made smaller
    taught = task.model(batch.texts, batch.target, batch.photos).objects
    task.model.decoder.retrieval = TruePatches(store, task.schema, torch.full_like(numbers, -1))
    empty, _ = stepped(task, batch)
    off, blind = (logits[real] - taught).abs(), (empty[real] - taught).abs()
    assert blind.mean() > 1e-4 and off.mean() < 0.25 * blind.mean()
