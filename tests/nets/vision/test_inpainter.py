"""The inpainter: its size, its inputs, its losses."""

import math

import pytest
import torch

from seq2scene.nets.losses.inpainting_losses import fields
from seq2scene.nets.losses.perceptual import PerceptualDistance
from seq2scene.nets.vision.inpainter import Inpainted, Inpainter, shrunk

NOTHING = PerceptualDistance("none")


def count(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_the_released_network_has_23834368_and_37061989_parameters() -> None:
    with torch.device("meta"):
        net = Inpainter()
    assert count(net.encoder) == 23_834_368
    assert count(net.decoder) + count(net.to_picture) + count(net.to_labels) == 37_061_989


def tiny(**settings) -> Inpainter:
    torch.manual_seed(0)
    plain = {"classes": 5, "widths": (4, 6), "depths": (2, 3), "decoder_widths": (7, 6, 4), "scale": 128.0}
    return Inpainter(**{**plain, **settings})


def make_composites(pictures=3, side=12, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, 5, (pictures, side, side), generator=generator)
    colours = 255 * torch.rand(pictures, 3, side, side, generator=generator, dtype=dtype)
    return labels, (labels > 0).unsqueeze(1).to(dtype), colours


@pytest.mark.parametrize("side", [12, 16, 15])
def test_photos_have_the_size_of_composites_and_use_every_weight(side) -> None:
    net = tiny()
    made = net(*make_composites(side=side))
    assert made.pictures.shape == (3, 3, side, side) and made.labels.shape == (3, 5, side, side)
    (made.pictures.square().mean() + made.labels.square().mean()).backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in net.parameters())


def test_a_net_that_says_nothing_paints_middle_grey() -> None:
    """The picture is 255 (y + 1) / 2."""
    net = tiny()
    for p in net.to_picture.parameters():
        torch.nn.init.zeros_(p)
    assert (net(*make_composites()).pictures == 127.5).all()


def test_the_planes_are_classes_what_is_free_and_colours() -> None:
    seen = {}
    net = tiny(shift=128.0, scale=1.0)
    net.encoder[0].register_forward_pre_hook(lambda _, given: seen.update(planes=given[0]))
    labels, masks, colours = make_composites(1)
    net(labels, masks, colours)
    planes = seen["planes"] + 128
    for number in range(5):
        assert torch.equal(planes[0, number], 255.0 * (labels[0] == number))
    assert torch.equal(planes[0, 5], 255.0 * (labels[0] == 0))
    torch.testing.assert_close(planes[0, 6:], colours[0])


def test_the_decoder_sees_the_input_as_means_over_pixels() -> None:
    planes = torch.arange(16.0).view(1, 1, 4, 4)
    assert torch.equal(shrunk(planes, torch.zeros(1, 1, 2, 2)), torch.tensor([[[[2.5, 4.5], [10.5, 12.5]]]]))


def test_a_batch_is_its_composites_alone() -> None:
    net, batch = tiny(), make_composites()
    together = net(*batch)
    for n in range(3):
        alone = net(*(part[n : n + 1] for part in batch))
        torch.testing.assert_close(alone.pictures[0], together.pictures[n], atol=1e-3, rtol=1e-5)
        torch.testing.assert_close(alone.labels[0], together.labels[n])


def test_gradients() -> None:
    net = tiny(classes=5, widths=(2,), depths=(1,), decoder_widths=(2, 2)).double()
    labels, masks, colours = make_composites(1, 4, torch.float64)
    colours.requires_grad_()
    assert torch.autograd.gradcheck(lambda c: tuple(vars(net(labels, masks, c)).values()), [colours])


def test_what_is_learnt_of_a_grey_photo_is_known() -> None:
    """All pixels 10 too dark, and uniform probabilities over five classes."""
    made = Inpainted(torch.full((2, 3, 4, 4), 90.0), torch.zeros(2, 5, 4, 4))
    found = fields(made, torch.full((2, 3, 4, 4), 100.0), torch.ones(2, 4, 4, dtype=torch.int64), NOTHING)
    assert {name: field.count.item() for name, field in found.items()} == dict.fromkeys(found, 2)
    sums = {name: field.nll.item() for name, field in found.items()}
    assert sums == pytest.approx({"picture": 20, "perceptual": 0, "label": 2 * math.log(5)})


def test_the_sums_are_those_of_the_photos_alone() -> None:
    labels, _, real = make_composites()
    distance = PerceptualDistance("squeezenet1_1", {"features.1": 2.0}, "none")
    made = Inpainted(real.flip(0), torch.randn(3, 5, 12, 12, generator=torch.Generator().manual_seed(0)))
    together = fields(made, real, labels, distance)
    for name, field in together.items():
        alone = [
            fields(
                Inpainted(made.pictures[n : n + 1], made.labels[n : n + 1]),
                real[n : n + 1],
                labels[n : n + 1],
                distance,
            )[name].nll
            for n in range(3)
        ]
        torch.testing.assert_close(field.nll, torch.stack(alone).sum())
        assert field.nll > 0
