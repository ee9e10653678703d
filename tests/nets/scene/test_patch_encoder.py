"""The embedding of patches: the numbers of 102 planes without the planes, unit vectors, every weight used."""

import pytest
import torch
import torch.nn.functional as F

from seq2scene.nets.scene.patch_encoder import LabelConv, PatchEncoder


def make_patches(count=3, classes=8, side=32, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    labels = torch.randint(0, classes, (count, side, side), generator=generator)
    masks = torch.randint(0, 2, (count, 1, side, side), generator=generator).to(dtype)
    pictures = 255 * torch.rand(count, 3, side, side, generator=generator, dtype=dtype)
    return labels, masks, pictures


def encoder(features=5) -> PatchEncoder:
    torch.manual_seed(0)
    return PatchEncoder(classes=8, features=features, hidden=6, size=4, scale=128.0)


def test_the_released_patch_encoder_has_995968_parameters() -> None:
    assert sum(p.numel() for p in PatchEncoder().parameters()) == 995_968


@pytest.mark.parametrize(("shift", "scale"), [(128.0, 1.0), (0.0, 1.0), (128.0, 64.0)])
def test_the_first_convolution_is_the_dense_one(shift, scale) -> None:
    torch.manual_seed(0)
    net = LabelConv(8, 6, shift, scale).double()
    labels, masks, pictures = make_patches(side=10, dtype=torch.float64)
    planes = torch.cat([255 * masks, pictures], dim=1)
    volume = 255 * F.one_hot(labels, 8).permute(0, 3, 1, 2)
    volume[:, :3] = 0
    volume = (torch.cat([volume, planes], dim=1) - shift) / scale
    found = []
    for made in (net(labels, planes), F.conv2d(volume, net.weight, net.bias, stride=2)):
        net.zero_grad()
        made.sin().sum().backward()
        found.append((made, net.weight.grad.clone(), net.bias.grad.clone()))
    for cheap, dense in zip(*found, strict=True):
        torch.testing.assert_close(cheap, dense, atol=1e-9, rtol=1e-9)


def test_gradients_of_the_first_convolution() -> None:
    torch.manual_seed(0)
    net = LabelConv(5, 2, 128.0, 100.0).double()
    labels, masks, pictures = make_patches(2, 5, 4, torch.float64)

    def changed(weight, bias, planes):
        return torch.func.functional_call(net, {"weight": weight, "bias": bias}, (labels, planes))

    inputs = [net.weight.detach().clone(), net.bias.detach().clone(), torch.cat([masks, pictures], dim=1)]
    assert torch.autograd.gradcheck(changed, [value.requires_grad_() for value in inputs])


@pytest.mark.parametrize("features", [0, 5])
def test_embeddings_are_unit_vectors_and_reach_every_weight(features) -> None:
    net, patches = encoder(features), make_patches()
    vectors = net(*patches, torch.randn(3, features) if features else None)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))
    vectors[:, 0].sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in net.parameters())


def test_labels_mask_and_colours_all_tell_patches_apart() -> None:
    net, (labels, masks, pictures) = encoder(0), make_patches()
    plain = net(labels, masks, pictures, None)
    other = (10 - labels).clamp(max=7)
    for changed in ((other, masks, pictures), (labels, 1 - masks, pictures), (labels, masks, 255 - pictures)):
        assert (net(*changed, None) - plain).norm(dim=1).min() > 1e-4


def test_a_batch_is_its_patches_alone() -> None:
    net, patches, features = encoder(), make_patches(), torch.randn(3, 5)
    together = net(*patches, features)
    for n in range(3):
        alone = net(*(part[n : n + 1] for part in patches), features[n : n + 1])
        torch.testing.assert_close(alone[0], together[n])
