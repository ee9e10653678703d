"""Objects of layouts as annotations that a text decoder attends to (cf. Yin and Ordonez 2017)."""

import torch
from torch import Tensor, nn

from seq2scene.nets.text.dropout import Dropout
from seq2scene.scenes.boxes import areas
from seq2scene.sequences.caption_batch import Layouts


class ObjectAnnotations(nn.Module):
    """One annotation (B, S, output_size) per object: the embedding of its class plus a linear map of its box,
    through ReLU and a linear layer.

    The box features are centre x, y, width and height as fractions of the canvas, the area, and the log of
    the number of objects of the class, as means over objects cannot count.

    classes: number of classes. size: of the embedding. output_size: features of an annotation.
    """

    TOLD = 6  # features of a box

    def __init__(self, classes: int, size: int = 256, output_size: int = 256, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(classes, size, padding_idx=0)
        self.box = nn.Linear(self.TOLD, size)
        self.dropout = Dropout(dropout)
        self.projection = nn.Linear(size, output_size)
        self.output_size = output_size

    def forward(self, layouts: Layouts) -> Tensor:
        objects = self.embedding(layouts.classes) + self.box(self._facts(layouts))
        states = self.projection(self.dropout(objects.relu()))
        return states * layouts.mask.unsqueeze(2)

    def _facts(self, layouts: Layouts) -> Tensor:
        boxes, classes = layouts.boxes.to(self.box.weight.dtype), layouts.classes
        alike = (classes.unsqueeze(2) == classes.unsqueeze(1)).sum(dim=2, keepdim=True)
        return torch.cat([boxes, areas(boxes).unsqueeze(2), alike.to(boxes.dtype).log()], dim=2)
