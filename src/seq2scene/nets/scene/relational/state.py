"""The memory, state and trace of the relational decoder."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Self

from torch import Tensor

from seq2scene.nets.scene.relational.object_block import Cache
from seq2scene.nets.scene.relational.text_reader import HeadMemory
from seq2scene.scenes.objects import Objects


@dataclass(frozen=True)
class Readings:
    """The memory: readings of B texts. mask: (B, W) and lengths: (B,), of their words. text: (B, H), each
    text as a whole. classes: (B, C, H), what it says about each class, and weights: (B, C, W), the attention
    behind that, or None. pairs: the words for the queries of pairs, or None. given: the first objects of the
    scenes, placed unchanged when a search is forced to begin with their classes; None if there are none.
    changed: by the number of an object, from 0, other ``classes`` and ``weights`` by which a search chooses
    and describes it.
    """

    mask: Tensor
    lengths: Tensor
    text: Tensor
    classes: Tensor
    weights: Tensor | None
    pairs: HeadMemory | None
    given: Objects | None = None
    changed: Mapping[int, tuple[Tensor, Tensor]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.mask)

    def __getitem__(self, index: Tensor) -> Self:
        own = {name: part for name, part in vars(self).items() if name != "changed"}
        parts = {name: None if part is None else part[index] for name, part in own.items()}
        changed = {number: tuple(part[index] for part in parts) for number, parts in self.changed.items()}
        return replace(self, **parts, changed=changed)

    def at(self, number: int) -> Self:
        """The readings for the object of this number."""
        if number not in self.changed:
            return self
        classes, weights = self.changed[number]
        return replace(self, classes=classes, weights=weights)


class Standing(NamedTuple):
    """The state of the decoder contract: the anchors of N scenes, the canvas first, then the objects placed
    so far.

    features: (N, H) after the last one. counts: (N, C). classes: (N, S). tokens: (N, S, H). boxes: (N, S, 4).
    patches: (N, S), numbers of photo patches, -1 for none. caches: one per layer.
    """

    features: Tensor
    counts: Tensor
    classes: Tensor
    tokens: Tensor
    boxes: Tensor
    patches: Tensor
    caches: tuple[Cache, ...]


class Positioned(NamedTuple):
    """The trace of a step: the places and attributes of the N objects that it read, chosen in the previous
    step. Meaningless where a row read no object.

    places, extents: (N, 2) float32 in canvas units; the extents are those of the patch as pasted, if there is
    one. attributes: by head, (N,) int64, 0 if the class does not have it.
    patches: (N,) int64, the number of the photo patch, -1 for none. weights: (N, W) float32, the attention
    over words behind the place; None without attention. log_probs: (N,) float32, of the attributes and the
    place, 0 where a row read no object.
    """

    places: Tensor
    extents: Tensor
    attributes: dict[str, Tensor]
    patches: Tensor
    weights: Tensor | None
    log_probs: Tensor
