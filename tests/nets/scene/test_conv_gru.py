"""Recurrence over maps and convolutions over constant planes."""

import torch
import torch.nn.functional as F

from seq2scene.nets.scene.conv_gru import ConvGRU, PlanesConv


def test_planes_cost_a_product_and_give_the_convolution():
    """Equal to the convolution of planes that are written out, at the border as inside."""
    torch.manual_seed(0)
    for shape in ((5, 7), (2, 3), (1, 4)):
        layer = PlanesConv(3, 4, 6).double()
        maps, planes = torch.randn(2, 3, *shape, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)
        whole = torch.cat([maps, planes[:, :, None, None].expand(-1, -1, *shape)], dim=1)
        expected = F.conv2d(whole, layer.weight, layer.bias, padding=1)
        torch.testing.assert_close(layer(maps, planes), expected)


def test_gradients_of_planes():
    layer = PlanesConv(2, 3, 2).double()
    maps = torch.randn(2, 2, 3, 3, dtype=torch.float64, requires_grad=True)
    planes = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(layer, (maps, planes))


def test_all_steps_equal_one_by_one_and_the_formula():
    torch.manual_seed(0)
    layer = ConvGRU(3, 4).double()
    torch.nn.init.normal_(layer.candidate_bias)
    frames, first = torch.randn(2, 5, 3, 6, 6).double(), torch.randn(2, 4, 6, 6).double()
    states = layer(frames, first)
    w_x, w_h = (each.weight.chunk(3) for each in (layer.inputs, layer.hidden))
    b = layer.inputs.bias.chunk(3)
    h = first
    for t in range(5):
        x = frames[:, t]
        z, r = (
            torch.sigmoid(F.conv2d(x, w_x[i], b[i], padding=1) + F.conv2d(h, w_h[i], padding=1))
            for i in (0, 1)
        )
        g = F.conv2d(x, w_x[2], b[2], padding=1) + r * F.conv2d(h, w_h[2], layer.candidate_bias, padding=1)
        h = z * h + (1 - z) * g.tanh()
        torch.testing.assert_close(states[:, t], h)


def test_parameters_of_the_paper():
    """The recurrence of the abstract-scene model: 1024 features in, 512 of state."""
    with torch.device("meta"):
        assert sum(p.numel() for p in ConvGRU(1024, 512).parameters()) == 21_235_712
