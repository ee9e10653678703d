"""The image encoder: maps of the promised size, frozen when it should be, reproducible."""

from pathlib import Path
from zipfile import ZipFile

import pytest
import torch
from torch import nn

from seq2scene.errors import UserError
from seq2scene.nets.vision.image_encoder import ImageEncoder
from seq2scene.nets.vision.trunks import LITE, find_weights, load_trunk

SMALL = {"trunk": "squeezenet1_1", "layer": "features.5", "weights": "none", "size": 64}


def photos(count: int, size: int) -> torch.Tensor:
    return torch.randint(256, (count, 3, size, size), generator=torch.Generator().manual_seed(0)).byte()


@pytest.mark.parametrize(
    ("trunk", "layer", "size", "expected"),
    [
        (LITE, "_blocks.10", 224, (112, 14, 14)),
        (LITE, "_blocks.15", 224, (320, 7, 7)),
        ("vgg19", "features.35", 224, (512, 14, 14)),
        ("resnet18", "layer4", 96, (512, 3, 3)),
    ],
)
def test_maps_have_the_size_that_is_promised(
    trunk: str, layer: str, size: int, expected: tuple[int, ...]
) -> None:
    with torch.device("meta"):
        encoder = ImageEncoder(trunk, layer, "none", size)
    assert (encoder.output_size, *encoder.map_size) == expected
    assert encoder.cells == expected[1] * expected[2]


@pytest.mark.slow
def test_the_paper_reads_vgg_after_its_last_convolution_and_before_the_pooling() -> None:
    with torch.device("meta"):
        features = load_trunk("vgg19", "features.35", "none").features
    kinds = [type(layer) for layer in features.children()]
    assert kinds.count(nn.Conv2d) == 16 and kinds.count(nn.MaxPool2d) == 4
    assert kinds[-2:] == [nn.Conv2d, nn.ReLU]


@pytest.mark.slow
def test_the_weights_come_with_the_project_and_are_trained() -> None:
    """A trained classifier, reassembled, is confident; a random one is not."""
    photo = torch.zeros(1, 3, 224, 224, dtype=torch.uint8)
    photo[0, 0, 60:160, 60:160] = 220  # a red thing on black
    given = (photo / 255 - 0.498) / 0.502
    sure = []
    for weights in ("IMAGENET1K_V1", "none"):
        classifier = load_trunk(LITE, "_fc", weights).eval()
        sure.append(classifier(given)["features"].softmax(1).max().item())
    assert sure[0] > 20 * sure[1]


def test_photos_are_normalised_as_the_trunk_was_trained() -> None:
    encoder = ImageEncoder(**SMALL)
    seen = []
    encoder.trunk.register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    white = torch.full((1, 3, 64, 64), 255, dtype=torch.uint8)
    encoder(white)
    expected = [(1 - m) / d for m, d in zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)]
    torch.testing.assert_close(seen[0][0, :, 5, 5], torch.tensor(expected))


def test_a_batch_is_its_photos_alone() -> None:
    encoder, given = ImageEncoder(**SMALL), photos(3, 64)
    alone = torch.cat([encoder(given[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(encoder(given), alone, atol=1e-5, rtol=1e-5)


def test_frozen_it_learns_nothing_and_otherwise_all_but_batch_statistics() -> None:
    frozen = ImageEncoder("resnet18", "layer2", "none", 32).train()
    before = frozen.fingerprint()
    assert not frozen(photos(2, 32)).requires_grad and frozen.fingerprint() == before
    learning = ImageEncoder("resnet18", "layer2", "none", 32, frozen=False).train()
    learning(photos(2, 32)).sum().backward()
    assert all(p.grad is not None for p in learning.parameters())
    assert learning.fingerprint() == before  # batch statistics stay


def test_chance_is_the_same_each_time_and_takes_no_random_numbers_from_others() -> None:
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first = ImageEncoder(**SMALL)
    assert torch.equal(torch.rand(1), expected)
    assert first.fingerprint() == ImageEncoder(**SMALL).fingerprint()


@pytest.mark.parametrize("change", [{"size": 96}, {"resize": "squash"}, {"layer": "features.4"}])
def test_its_fingerprint_tells_what_its_maps_depend_on(change: dict) -> None:
    assert ImageEncoder(**SMALL).fingerprint() != ImageEncoder(**{**SMALL, **change}).fingerprint()


def test_its_fingerprint_tells_the_weights() -> None:
    encoder = ImageEncoder(**SMALL)
    before = encoder.fingerprint()
    with torch.no_grad():
        next(encoder.parameters())[0, 0, 0, 0] += 1
    assert encoder.fingerprint() != before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trunk": "vgg20"}, r"image_encoder\.trunk=vgg20 .*efficientnet_lite0.*vgg19"),
        (
            {"layer": "top"},
            r"image_encoder\.layer=top is not a layer of efficientnet_lite0; .*_blocks",
        ),
        ({"weights": "V7"}, r"image_encoder\.weights=V7 is not a choice .*IMAGENET1K_V1"),
        ({"weights": "none.pth"}, r"image_encoder\.weights=none\.pth: there is no such file"),
    ],
)
def test_a_wrong_choice_is_answered_with_good_ones(options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        ImageEncoder(**options)


def test_weights_of_another_trunk_are_refused(tmp_path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"layer": torch.zeros(2)}, path)
    with pytest.raises(UserError, match=f"image_encoder.weights={path}: these weights do not fit {LITE}"):
        ImageEncoder(weights=str(path))


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"size": 0}, "image_encoder.size=0: give a whole number of pixels"),
        ({"size": 2}, r"image_encoder.size=2: too small for features\.5 of squeezenet1_1"),
        ({"size": "64"}, "image_encoder.size=64: give a whole number"),
        ({"weights": __file__}, r"image_encoder\.weights=.*: not a file of weights"),
    ],
    ids=["none", "small", "text", "weights"],
)
def test_an_encoder_that_cannot_be_is_refused_at_once(given, reason) -> None:
    with pytest.raises(UserError, match=reason):
        ImageEncoder(**{**SMALL, **given})


def test_weights_cut_within_a_number_are_refused(tmp_path: Path) -> None:
    """``torch.load`` reports those by struct.error."""
    with ZipFile(tmp_path / "resnet18.pth", "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02X\x01")
        archive.writestr("archive/version", "3")
    with pytest.raises(UserError, match=r"resnet18\.pth: not a file of weights, or a damaged one"):
        find_weights("resnet18", str(tmp_path / "resnet18.pth"))
