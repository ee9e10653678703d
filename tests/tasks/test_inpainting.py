"""Inpainting: what its loss is made of, what it is scored by, and that it learns."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from seq2scene.compositing.simulated_composites import Stencils
from seq2scene.errors import UserError
from seq2scene.nets.losses.inpainting_losses import fields
from seq2scene.scenes.photos import Photos
from seq2scene.tasks.inpainting import LAYERS, InpaintingTask, build_distance

pytestmark = pytest.mark.slow

SIDE, NAMES = 16, ["dog", "cat", "sky"]
NONE = {"trunk": "none", "weights": "IMAGENET1K_V1", "layers": None}
SMALL = {"trunk": "squeezenet1_1", "weights": "none", "layers": {"features.1": 1.0, "features.4": 2.0}}


def make_task(**changes: Any) -> InpaintingTask:
    torch.manual_seed(0)
    config = {
        "model": {
            "_target_": "seq2scene.nets.vision.inpainter.Inpainter",
            "widths": [8, 12],
            "depths": [1, 1],
            "decoder_widths": [12, 12, 8],
            "scale": 128.0,
        },
        "loss": {"picture": 1.0, "perceptual": 1.0, "label": 10.0},
        "perceptual": NONE,
        "optimizer": {"_target_": "torch.optim.Adam", "lr": 0.01},
        "schedule": {"_target_": "seq2scene.tasks.schedules.constant", "interval": "epoch"},
    }
    return InpaintingTask({**config, **changes}, {"names": NAMES, "things": 2, "side": SIDE})


def make_batch(photos: int = 4, seed: int = 0) -> Stencils:
    """Photos whose left half is sky and whose right half a dog, of flat colours, seen through holes."""
    draw = np.random.default_rng(seed)
    masks = torch.zeros(photos, 2, 20, 20, dtype=torch.bool)
    masks[:, 0, :, 10:], masks[:, 1, :, :10] = True, True
    colours = torch.from_numpy(draw.integers(0, 256, (photos, 2, 3, 1, 1), dtype=np.uint8))
    pictures = torch.where(masks[:, :1], colours[:, 0], colours[:, 1])
    return Stencils(
        photos=Photos(pictures, masks),
        classes=torch.tensor([3, 5]).expand(photos, 2),
        boxes=torch.tensor([[0.75, 0.5, 0.5, 1.0], [0.25, 0.5, 0.5, 1.0]]).expand(photos, 2, 4),
        masks=torch.from_numpy(draw.random((photos, 2, 8, 8)) < 0.6),
        middles=torch.tensor([4.0, 4.0, 8.0, 8.0]).expand(photos, 2, 4),
        paired=torch.ones(photos, 2, dtype=torch.bool),
        colours=torch.eye(3, 4).repeat(photos, 2, 1, 1),
        rows=torch.arange(photos),
    )


def loader(batches: list[Stencils]) -> torch.utils.data.DataLoader:
    return torch.utils.data.DataLoader(batches, batch_size=None)


def make_trainer(**settings: Any) -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )


def fit(task: InpaintingTask, steps: int) -> pl.Trainer:
    trainer = make_trainer(max_steps=steps, max_epochs=-1)
    trainer.fit(task, loader([make_batch()]), loader([make_batch()]))
    return trainer


def test_the_loss_is_the_weighted_sum_of_colours_features_and_labels() -> None:
    task = make_task(loss={"picture": 2.0, "perceptual": 3.0, "label": 5.0}, perceptual=SMALL)
    task.on_fit_start()
    batch = make_batch()
    mending = task.mend(batch)
    found = fields(task(mending.composite), mending.pictures, mending.labels, task._distance[0])
    loss = task.loss(batch)
    expected = 2 * found["picture"].nll + 3 * found["perceptual"].nll + 5 * found["label"].nll
    torch.testing.assert_close(loss.total, expected)
    assert all(field.nll > 0 for field in found.values())
    assert loss.count == loss.normaliser == 4
    loss.total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in task.parameters())


def test_it_learns_to_fill_what_was_cut_out() -> None:
    task = make_task()
    metrics = fit(task, 150).callback_metrics
    assert metrics["val/error"] < 0.5 * metrics["val/composite_error"]
    assert metrics["val/psnr"] > metrics["val/composite_psnr"] + 5
    assert metrics["val/label_accuracy"] > metrics["val/composite_label_accuracy"] + 0.1


def test_what_goes_through_a_new_net_neither_fades_nor_grows() -> None:
    widths = {"widths": [32] * 4, "depths": [2] * 4, "decoder_widths": [32] * 5}
    task = make_task(model={**make_task().config["model"], **widths})
    seen = []
    for block in task.model.net.decoder:
        block.register_forward_hook(lambda *parts: seen.append(parts[2].square().mean().sqrt().item()))
    task(task.mend(make_batch()).composite)
    assert len(seen) == 5 and all(0.01 < size < 10 for size in seen)


def test_scores_are_means_over_photos_and_those_of_composites_need_no_net() -> None:
    task, batches = make_task().eval(), [make_batch(3), make_batch(2, seed=1)]
    (scores,) = make_trainer().test(task, loader(batches), verbose=False)
    true = [task.mend(batch) for batch in batches]
    for before, found in (
        ("", [task.inpaint(each.composite) for each in true]),
        ("composite_", [each.composite for each in true]),
    ):
        apart = torch.cat([f.pictures - t.pictures for f, t in zip(found, true, strict=True)])
        right = torch.cat([f.labels == t.labels for f, t in zip(found, true, strict=True)])
        assert scores[f"test/test/{before}error"] == pytest.approx(apart.abs().mean().item(), rel=1e-4)
        psnr = 10 * np.log10(255**2 / apart.square().mean().item())
        assert scores[f"test/test/{before}psnr"] == pytest.approx(psnr, rel=1e-4)
        accuracy = right.float().mean().item()
        assert scores[f"test/test/{before}label_accuracy"] == pytest.approx(accuracy, rel=1e-4)


def test_what_is_painted_lies_between_black_and_white() -> None:
    task, composite = make_task().eval(), make_task().mend(make_batch()).composite
    torch.nn.init.constant_(task.model.net.to_picture.bias, 9.0)
    made = task.inpaint(composite)
    assert (made.pictures == 255).all() and made.labels.shape == (4, SIDE, SIDE)


def test_the_trunk_is_in_no_checkpoint_and_learns_nothing() -> None:
    task, plain = make_task(perceptual=SMALL), make_task()
    before = task.state_dict().keys()
    fit(task, 1)
    assert task.state_dict().keys() == before == plain.state_dict().keys()
    assert sum(p.numel() for p in task.parameters()) == sum(p.numel() for p in plain.parameters())


def test_pixels_are_cut_out_exactly_whatever_the_precision() -> None:
    task, batch = make_task(), make_batch()
    with torch.autocast("cpu", torch.bfloat16):
        low = task.mend(batch)
    high = task.mend(batch)
    assert torch.equal(low.composite.pictures, high.composite.pictures)
    assert torch.equal(low.pictures, high.pictures) and torch.equal(low.labels, high.labels)


def test_a_photo_with_other_holes_is_another_composite_of_it() -> None:
    task, batch = make_task(), make_batch()
    other = replace(batch, masks=~batch.masks)
    one, another = task.mend(batch), task.mend(other)
    assert not torch.equal(one.composite.masks, another.composite.masks)


# The perceptual loss


def test_the_small_trunk_needs_no_layers_and_no_download() -> None:
    distance = build_distance({"trunk": "efficientnet_lite0", "weights": "IMAGENET1K_V1", "layers": None})
    assert list(distance.layers) == list(LAYERS["efficientnet_lite0"])
    one, other = 255 * torch.rand(2, 3, 64, 64), 255 * torch.rand(2, 3, 64, 64)
    assert torch.equal(distance(one, one), torch.zeros(2)) and (distance(one, other) > 0).all()
    sizes = [part.shape[2] for part in distance.trunk(one).values()]
    assert sizes == [32, 16, 8, 4]


def test_missing_weights_of_the_papers_trunk_are_told_with_what_to_do(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(UserError, match=r"perceptual\.weights=IMAGENET1K_V1.*fetch them.*trunk: none"):
        fit(make_task(perceptual={**NONE, "trunk": "vgg19"}), 1)


def test_another_trunk_must_say_which_layers() -> None:
    with pytest.raises(UserError, match=r"perceptual\.trunk=resnet18: set perceptual\.layers"):
        build_distance({**NONE, "trunk": "resnet18"})
