"""What the relational decoder is handed, keeps and notes: its memory, its state and its trace."""

from dataclasses import dataclass, replace
from typing import NamedTuple, Self

from torch import Tensor

from seq2scene.nets.scene.relational.object_block import Cache
from seq2scene.nets.scene.relational.text_reader import HeadMemory
from seq2scene.scenes.objects import Objects


@dataclass(frozen=True)
class Readings:
    """What B texts say. mask: (B, W) and lengths (B,) of their words. text: (B, H) of each as a whole.
    classes: (B, C, H), what is said of each class, and weights (B, C, W), where that was read, or None.
    pairs: the words for the questions about pairs, or None. given: the first objects of the scenes, which are
    placed as they are where a search is made to begin with their classes; None: there are none.
    """

    mask: Tensor
    lengths: Tensor
    text: Tensor
    classes: Tensor
    weights: Tensor | None
    pairs: HeadMemory | None
    given: Objects | None = None

    def __len__(self) -> int:
        return len(self.mask)

    def __getitem__(self, index: Tensor) -> Self:
        parts = {name: None if part is None else part[index] for name, part in vars(self).items()}
        return replace(self, **parts)


class Standing(NamedTuple):
    """What stands in N scenes of S things, the canvas first: the state of the decoder contract.

    features: (N, H) after the last one. counts: (N, C). classes: (N, S). tokens: (N, S, H). boxes: (N, S, 4).
    patches: (N, S), numbers of patches of photos, -1 for none. caches: of each layer.
    """

    features: Tensor
    counts: Tensor
    classes: Tensor
    tokens: Tensor
    boxes: Tensor
    patches: Tensor
    caches: tuple[Cache, ...]


class Positioned(NamedTuple):
    """The trace of a step: how it placed the N objects that it read, those chosen a step before. It means
    nothing where what it read is no object.

    places: (N, 2) float32 in canvas units. attributes: of each head (N,) int64, 0 where the class has none.
    patches: (N,) int64, the number of the patch of a photo, -1 for none. weights: (N, W) float32, where the
    text was read for the place; None without an attention for that. log_probs: (N,) float32, of the
    attributes and the place, 0 where what it read is no object.
    """

    places: Tensor
    attributes: dict[str, Tensor]
    patches: Tensor
    weights: Tensor | None
    log_probs: Tensor
