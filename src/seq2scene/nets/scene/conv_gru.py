"""The convolutional GRU (Ballas et al. 2016), a recurrence over maps, as used in Text2Scene."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class ConvGRU(nn.Module):
    """h' = z h + (1 - z) g with [z, r] = sigmoid(W_x * x + W_h * h), g = tanh(U_x * x + r (U_h * h)), where *
    is a 3 x 3 convolution. Xavier-uniform weights, zero biases.

    N rows, H features, maps of any size, which padding preserves.
    """

    def __init__(self, input_size: int, hidden_size: int) -> None:
        super().__init__()
        self.inputs = nn.Conv2d(input_size, 3 * hidden_size, 3, padding=1)
        self.hidden = nn.Conv2d(hidden_size, 3 * hidden_size, 3, padding=1, bias=False)
        self.candidate_bias = nn.Parameter(torch.zeros(hidden_size))
        for layer in (self.inputs, self.hidden):
            for gate in layer.weight.data.chunk(3):  # three convolutions, initialised separately
                nn.init.xavier_uniform_(gate)
        nn.init.zeros_(self.inputs.bias)

    def step(self, inputs: Tensor, h: Tensor) -> Tensor:
        """One step, from the input part of the gates (N, 3 H, y, x), as computed by ``inputs``, and h (N, H,
        y, x).
        """
        zr_input, g_input = inputs.tensor_split([2 * h.shape[1]], dim=1)
        zr_hidden, g_hidden = self.hidden(h).tensor_split([2 * h.shape[1]], dim=1)
        z, r = (zr_input + zr_hidden).sigmoid().chunk(2, dim=1)
        g = (g_input + r * (g_hidden + self.candidate_bias.view(-1, 1, 1))).tanh()
        return g + z * (h - g)

    def forward(self, frames: Tensor, h: Tensor) -> Tensor:
        """All steps: frames (N, T, C, y, x), initial state (N, H, y, x) -> states (N, T, H, y, x).

        The input convolution is one call over all steps; only the state convolution is in the loop.
        """
        inputs = self.inputs(frames.flatten(0, 1)).unflatten(0, frames.shape[:2]).unbind(1)
        states = []
        for each in inputs:
            h = self.step(each, h)
            states.append(h)
        return torch.stack(states, dim=1)


class PlanesConv(nn.Conv2d):
    """A 3 x 3 convolution over maps and over planes that are constant over the map: [maps; planes].

    The response to a constant plane depends only on which of the nine taps fall inside the map, so a matrix
    product replaces the convolution over planes, exactly.
    """

    def __init__(self, map_size: int, plane_size: int, output_size: int) -> None:
        super().__init__(map_size + plane_size, output_size, 3, padding=1)
        self.map_size = map_size

    def forward(self, maps: Tensor, planes: Tensor) -> Tensor:
        """maps (N, map_size, y, x), planes (N, plane_size) -> (N, output_size, y, x)."""
        over_maps, over_planes = self.weight.tensor_split([self.map_size], dim=1)
        by_tap = F.linear(planes, over_planes.permute(0, 2, 3, 1).flatten(0, 2))  # (N, output_size * 9)
        height, width = maps.shape[2:]
        spread = by_tap.unflatten(1, (-1, 9)) @ taps_inside(height, width, by_tap)
        return F.conv2d(maps, over_maps, self.bias, padding=1) + spread.unflatten(2, (height, width))


def taps_inside(height: int, width: int, like: Tensor) -> Tensor:
    """(9, height * width), 1 where a tap of the 3 x 3 kernel at a cell lies inside the map, else 0."""
    rows, columns = (
        torch.stack([place + shift for shift in (-1, 0, 1)]).ge(0)
        & torch.stack([place + shift for shift in (-1, 0, 1)]).lt(len(place))
        for place in (torch.arange(height, device=like.device), torch.arange(width, device=like.device))
    )  # (3, height), (3, width)
    return (rows[:, None, :, None] & columns[None, :, None, :]).reshape(9, -1).to(like.dtype)
