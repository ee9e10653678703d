"""Feature maps as a memory of places (Xu et al. 2015, section 3.1.1)."""

from torch import Tensor, nn

from seq2scene.nets.text.dropout import Dropout


class Annotations(nn.Module):
    """Feature maps (B, D, y, x) as annotations of S = y x places, row by row: (B, S, output_size).

    size: the features of an annotation, made by a linear layer; None keeps the map's own. Dropout acts on the
    map's features. normalise: each place's features to mean 0 and variance 1 before (Ba et al. 2016), as
    trunks differ in scale, and large features drive attention and recurrence to where gradients explode.
    """

    def __init__(
        self, map_size: int, size: int | None = None, dropout: float = 0.0, normalise: bool = False
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(map_size, elementwise_affine=False) if normalise else nn.Identity()
        self.dropout = Dropout(dropout)
        self.projection = nn.Identity() if size is None else nn.Linear(map_size, size)
        self.output_size = map_size if size is None else size

    def forward(self, maps: Tensor) -> Tensor:
        return self.projection(self.dropout(self.norm(maps.flatten(2).transpose(1, 2))))
