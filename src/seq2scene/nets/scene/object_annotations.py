"""Objects of layouts and scenes as annotations that a text decoder attends to (cf. Yin and Ordonez 2017)."""

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seq2scene.errors import UserError
from seq2scene.nets.text.dropout import Dropout
from seq2scene.scenes.boxes import areas
from seq2scene.sequences.caption_batch import Layouts


class ObjectAnnotations(nn.Module):
    """One annotation (B, S, output_size) per object: the embedding of its class plus a linear map of its box
    and embeddings of its attributes, through ReLU and a linear layer; then Transformer layers, by which the
    objects of a scene read each other.

    The box features are centre x, y, width and height as fractions of the canvas, the area, and the log of
    the number of objects of the class, as means over objects cannot count.

    classes: number of classes. size: of the embedding. output_size: features of an annotation. heads: the
    number of values of each attribute that there is; None: there are none. attributes: names of those that
    are read; one that a scene lacks counts as 0, as in drawing. layers, attention_heads: of the Transformer.

    Raises UserError for an attribute without a head.
    """

    TOLD = 6  # features of a box

    def __init__(
        self,
        classes: int,
        size: int = 256,
        output_size: int = 256,
        dropout: float = 0.0,
        heads: Mapping[str, int] | None = None,
        attributes: Sequence[str] = (),
        layers: int = 0,
        attention_heads: int = 4,
    ) -> None:
        super().__init__()
        heads = heads or {}
        if unknown := [name for name in attributes if name not in heads]:
            raise UserError(
                f"model.annotations.attributes: objects have no {unknown[0]}; "
                + (f"choose of {', '.join(heads)}" if heads else "leave it empty")
            )
        if layers and output_size % attention_heads:
            raise UserError(
                f"model.annotations.output_size={output_size}: it must be divisible by "
                f"model.annotations.attention_heads={attention_heads}"
            )
        self.embedding = nn.Embedding(classes, size, padding_idx=0)
        self.box = nn.Linear(self.TOLD, size)
        self.attributes = nn.ModuleDict({name: nn.Embedding(heads[name], size) for name in attributes})
        self.dropout = Dropout(dropout)
        self.projection = nn.Linear(size, output_size)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                *(output_size, attention_heads, 2 * output_size, dropout, F.gelu),
                batch_first=True,
                norm_first=True,
            )
            for _ in range(layers)
        )
        self.output_size = output_size

    def forward(self, layouts: Layouts) -> Tensor:
        objects = self.embedding(layouts.classes) + self.box(self._facts(layouts))
        for name, embedding in self.attributes.items():
            values = layouts.attributes.get(name)
            objects = objects + embedding(torch.zeros_like(layouts.classes) if values is None else values)
        states, mask = self.projection(self.dropout(objects.relu())), layouts.mask
        hidden = ~mask & mask.any(1, keepdim=True)  # of an empty scene nothing, as a softmax needs something
        for layer in self.layers:
            states = layer(states, src_key_padding_mask=hidden)
        return states * mask.unsqueeze(2)

    def _facts(self, layouts: Layouts) -> Tensor:
        boxes, classes = layouts.boxes.to(self.box.weight.dtype), layouts.classes
        alike = (classes.unsqueeze(2) == classes.unsqueeze(1)).sum(dim=2, keepdim=True)
        return torch.cat([boxes, areas(boxes).unsqueeze(2), alike.to(boxes.dtype).log()], dim=2)
