"""The attribute decoder of Text2Scene, which chooses the place and attributes of each object (Tan et al.
2019, section 3.3).
"""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2scene.nets.scene.conv_gru import PlanesConv
from seq2scene.nets.scene.object_decoder import ask, norm
from seq2scene.sequences.memory import Memory


class AttributeDecoder(nn.Module):
    """Maps the state of the scene and the chosen object to the logits of all places on the grid and, at each
    place, of all attributes.

    The query [onehot(o_t); c_t] attends to the words, giving c'. The map softmax(conv(relu(conv([h_t; c']))))
    reweights h_t to h', and convolutions of [h'; onehot(o_t); c'] give the logits. Without an attention of
    its own, c' is c_t, the context of the object decoder, if any.

    attributes: number of logits of all attributes together. appearance: size of the predicted appearance
    vectors; 0: none. stride: factor by which places are finer than h_t in each direction, by sub-pixel
    convolution (Shi et al. 2016); the places within a cell of h_t share its attributes. rescale: the map that
    reweights h_t has mean 1; in the paper it sums to 1, which shrinks h_t by the number of cells.
    """

    def __init__(
        self,
        classes: int,
        attributes: int,
        hidden_size: int,
        memory_size: int,
        context_size: int,
        attention: nn.Module | None,
        attention_size: int = 256,
        widths: tuple[int, ...] = (512, 256, 256),
        appearance: int = 0,
        stride: int = 1,
        batch_norm: bool = True,
        spatial: bool = True,
        rescale: bool = False,
    ) -> None:
        super().__init__()
        self.classes = classes
        self.attention = attention
        self.rescale = rescale
        read = context_size if attention is None else memory_size  # features of c'
        self.look = (
            nn.ModuleList(
                [
                    PlanesConv(hidden_size, read, attention_size),
                    norm(batch_norm, attention_size),
                    nn.Conv2d(attention_size, 1, 3, padding=1),
                ]
            )
            if spatial
            else None
        )
        self.first = PlanesConv(hidden_size, classes + read, widths[0])
        layers: list[nn.Module] = [norm(batch_norm, widths[0]), nn.ReLU()]
        for below, width in pairwise(widths):
            layers += [nn.Conv2d(below, width, 3, padding=1), norm(batch_norm, width), nn.ReLU()]
        self.rest = nn.Sequential(*layers)
        self.places = nn.Sequential(
            nn.Conv2d(widths[-1], stride**2, 3, padding=1), nn.PixelShuffle(stride), nn.Flatten()
        )
        self.attributes, self.appearance = (
            nn.Conv2d(widths[-1], size, 3, padding=1) if size else None for size in (attributes, appearance)
        )

    @staticmethod
    def query_size(classes: int, context_size: int) -> int:
        return classes + context_size

    def read(self, chosen: Tensor, context: Tensor | None, memory: Memory) -> tuple[Tensor, Tensor | None]:
        """The context c' (N, D) and its attention (N, W) or None, given chosen objects (N,) and c (N, D) or
        None; N = len(memory) * T, the steps or beams of a scene adjacent.
        """
        if self.attention is None:
            nothing = memory.states.new_empty(len(chosen), 0)
            return (nothing if context is None else context), None
        onehot = F.one_hot(chosen, self.classes).to(memory.states.dtype)
        query = onehot if context is None else torch.cat([onehot, context.to(onehot.dtype)], dim=1)
        return ask(self.attention, query, memory)

    def forward(self, maps: Tensor, chosen: Tensor, read: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """maps h_t (N, H, y, x), chosen (N,) objects, c' (N, D) -> logits of the places (N, cells of the
        grid) and of the attributes (N, attributes, y, x), and appearances (N, appearance, y, x), not
        normalised.
        """
        read = read.to(maps.dtype)
        if self.look is not None:
            convolve, normalise, score = self.look
            scores = score(normalise(convolve(maps, read)).relu())
            shares = scores.flatten(1).float().softmax(dim=1)
            if self.rescale:
                shares = shares * shares.shape[1]
            maps = maps * shares.view_as(scores).to(maps.dtype)
        planes = torch.cat([F.one_hot(chosen, self.classes).to(maps.dtype), read], dim=1)
        maps = self.rest(self.first(maps, planes))
        others = (maps[:, :0] if head is None else head(maps) for head in (self.attributes, self.appearance))
        return self.places(maps), *others
