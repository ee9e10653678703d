"""The scene as a picture seen by an ImageNet trunk: what was painted, and a trunk that stays as it is."""

import pytest
import torch
from torchvision import models

from seq2scene.errors import UserError
from seq2scene.nets.scene.picture_canvas import PictureCanvas
from seq2scene.nets.vision.trunks import DEVIATION, MEAN
from seq2scene.scenes.objects import Objects
from small_clip_art import noise_pixels, random_objects, schema_of, to_png

SIDE = 64
PICTURES = {name: to_png(pixels) for name, pixels in noise_pixels().items()}
SMALL = {"trunk": "squeezenet1_1", "layer": "features", "weights": "none", "side": SIDE}


def canvas(**settings) -> PictureCanvas:
    torch.manual_seed(0)
    return PictureCanvas(schema_of(), (7, 6), PICTURES, **{**SMALL, **settings})


def at(objects: Objects, step: int) -> Objects:
    """What each scene places in one step."""
    one = slice(step, step + 1)
    attributes = {name: values[:, one] for name, values in objects.attributes.items()}
    return Objects(objects.classes[:, one], objects.places[:, one], attributes)


def test_what_is_seen_before_each_step_is_what_was_painted_one_by_one() -> None:
    net, objects = canvas(), random_objects(3, 5, seed=2)
    seen = net.prefixes(objects)
    now = net.blank(torch.zeros(3, 2))
    assert seen.shape == (3, 5, 3, SIDE, SIDE)
    for step in range(5):
        torch.testing.assert_close(seen[:, step], now)
        now = net.place(now, at(objects, step))
    assert not torch.allclose(now, net.blank(torch.zeros(3, 2)))


def test_features_have_the_size_asked_for_and_a_batch_is_its_pictures_alone() -> None:
    net, objects = canvas(), random_objects(2, 3)
    pictures = net.prefixes(objects).flatten(0, 1)
    features = net(pictures)
    assert features.shape == (6, net.output_size, 6, 7) == (6, 512, 6, 7)
    alone = torch.cat([net(picture.unsqueeze(0)) for picture in pictures])
    torch.testing.assert_close(features, alone, atol=1e-5, rtol=1e-4)


def test_the_trunk_sees_pictures_normalised_as_imagenet_was() -> None:
    net = canvas()
    seen = []
    net.trunk.register_forward_pre_hook(lambda trunk, inputs: seen.append(inputs[0]))
    grey = torch.full((1, 3, SIDE, SIDE), 0.5)
    net(grey)
    expected = [(0.5 - mean) / deviation for mean, deviation in zip(MEAN, DEVIATION, strict=True)]
    torch.testing.assert_close(seen[0][0, :, 3, 3], torch.tensor(expected))


def test_a_frozen_trunk_does_not_change_in_training_and_one_that_learns_does() -> None:
    """Batch statistics included, which no gradient moves."""
    pictures = torch.rand(4, 3, 32, 32)
    options = {"trunk": "resnet18", "layer": "layer1", "side": 32}
    frozen, learning = canvas(**options).train(), canvas(**options, frozen=False).train()
    for net in (frozen, learning):
        before = {name: value.clone() for name, value in net.trunk.state_dict().items()}
        features = net(pictures)
        assert features.requires_grad is (net is learning)
        same = [torch.equal(value, before[name]) for name, value in net.trunk.state_dict().items()]
        assert all(same) if net is frozen else not all(same)
    assert torch.equal(frozen(pictures), frozen.eval()(pictures))
    learning(pictures).sum().backward()
    assert all(p.grad is not None for p in learning.trunk.parameters())
    assert not any(p.requires_grad for p in frozen.parameters())


def test_weights_that_are_not_at_hand_are_refused_with_their_address(monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    address = r"https://download\.pytorch\.org/models/squeezenet1_1-\w+\.pth"
    message = rf"canvas\.weights=IMAGENET1K_V1.*{tmp_path}.*fetch.*{address}.*canvas=semantic"
    with pytest.raises(UserError, match=message):
        canvas(weights="IMAGENET1K_V1")


def test_weights_may_come_from_a_file_and_those_of_another_trunk_are_refused(tmp_path) -> None:
    path = tmp_path / "weights.pth"
    torch.manual_seed(5)
    given = models.get_model("squeezenet1_1").state_dict()
    torch.save(given, path)
    trunk = canvas(weights=str(path)).trunk.state_dict()
    assert trunk and all(torch.equal(value, given[name]) for name, value in trunk.items())
    with pytest.raises(UserError, match=rf"canvas\.weights={path}: these weights do not fit squeezenet1_0"):
        canvas(trunk="squeezenet1_0", weights=str(path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trunk": "resnet51"}, r"canvas\.trunk=resnet51 .*resnet50"),
        ({"layer": "layer3"}, r"canvas\.layer=layer3 is not a layer of squeezenet1_1; .*features"),
        ({"weights": "IMAGENET1K_V9"}, r"canvas\.weights=IMAGENET1K_V9 .*IMAGENET1K_V1.*none"),
        ({"weights": "gone.pth"}, r"canvas\.weights=gone\.pth: there is no such file"),
    ],
    ids=["trunk", "layer", "weights", "file"],
)
def test_a_wrong_choice_is_answered_with_good_ones(options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        canvas(**options)


def test_missing_clip_art_is_refused_by_name() -> None:
    pictures = {name: png for name, png in PICTURES.items() if name != "hb0_4s"}
    with pytest.raises(UserError, match=r"lacks hb0_4s\.png"):
        PictureCanvas(schema_of(), (7, 6), pictures, **SMALL)
