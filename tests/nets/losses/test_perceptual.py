"""The perceptual distance: its layers, its zeros, its gradients."""

import pytest
import torch
from torchvision import models

from seq2scene.errors import UserError
from seq2scene.nets.losses.perceptual import VGG19_LAYERS, PerceptualDistance

LAYERS = {"features.1": 3.0, "features.4": 0.5}


@pytest.fixture
def distance() -> PerceptualDistance:
    torch.manual_seed(0)
    return PerceptualDistance("squeezenet1_1", LAYERS, "none")


def pictures(seed: int) -> torch.Tensor:
    return 255 * torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


def test_the_layers_are_behind_the_second_convolution_of_each_stage_of_vgg19() -> None:
    with torch.device("meta"):
        features = models.vgg19().features
        distance = PerceptualDistance(weights="none")
    places = [int(layer.split(".")[1]) for layer in VGG19_LAYERS]
    convolutions = [
        sum(isinstance(part, torch.nn.Conv2d) for part in features[: place + 1]) for place in places
    ]
    assert convolutions == [2, 4, 4 + 2, 8 + 2, 12 + 2]
    assert all(isinstance(features[place], torch.nn.ReLU) for place in places)
    # unused layers are dropped: two convolutions fewer than the 20,024,384 parameters of all
    assert sum(p.numel() for p in distance.parameters()) == 20_024_384 - 2 * 2_359_808


def test_a_picture_is_nowhere_but_at_itself_and_distances_are_weighted_sums(distance) -> None:
    made, real = pictures(0), pictures(1)
    assert torch.equal(distance(made, made), torch.zeros(2))
    whole = distance(made, real)
    parts = []
    for layer in LAYERS:
        distance.layers = {layer: LAYERS[layer]}
        parts.append(distance(made, real))
    torch.testing.assert_close(whole, sum(parts))
    assert all((part > 0).all() for part in parts)


def test_one_layer_is_the_mean_absolute_difference_of_normalised_pictures() -> None:
    torch.manual_seed(0)
    distance = PerceptualDistance("squeezenet1_1", {"features.0": 2.0}, "none")
    made, real = pictures(0), pictures(1)
    first = distance.trunk.features.get_submodule("0")
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    features = [first((p / 255 - mean) / deviation) for p in (made, real)]
    expected = 2 * (features[0] - features[1]).abs().mean((1, 2, 3))
    torch.testing.assert_close(distance(made, real), expected, atol=1e-4, rtol=1e-4)


def test_the_picture_made_learns_and_the_trunk_does_not(distance) -> None:
    made = pictures(0).requires_grad_()
    distance.train()
    distance(made, pictures(1)).sum().backward()
    assert made.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in distance.parameters()) and not distance.trunk.training


def test_none_switches_it_off() -> None:
    off = PerceptualDistance("none")
    assert torch.equal(off(pictures(0), pictures(1)), torch.zeros(2)) and not list(off.parameters())


def test_a_trunk_that_is_none_is_answered_with_some_that_are() -> None:
    with pytest.raises(UserError, match=r"perceptual\.trunk=vgg20 .*vgg19"):
        PerceptualDistance("vgg20", weights="none")
