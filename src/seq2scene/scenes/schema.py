"""What the scenes of a data set consist of: the schema shared by data, nets, painters and metrics."""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, Self, TypeVar

import torch
from torch import Tensor

from seq2scene.errors import UserError
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.objects import EOS, FIRST_CLASS, PAD, Objects

Number = TypeVar("Number", int, Tensor)

SPECIALS = ("<pad>", "<sos>", "<eos>")


@dataclass(frozen=True)
class Head:
    """An attribute of objects: one of ``classes`` values, learnt with loss weight ``weight``, for the object
    classes ``only`` (None: all). values: their names, if the data names them.
    """

    classes: int
    weight: float = 1.0
    only: tuple[str, ...] | None = None
    values: tuple[str, ...] = ()


@dataclass(frozen=True)
class Appearance:
    """How objects look, as unit vectors of ``size`` numbers, learnt with loss weight ``weight``."""

    size: int
    weight: float = 1.0


Order = Literal["depth", "type"]


@dataclass(frozen=True)
class Schema:
    """Object classes, grid and attribute heads of a kind of scenes.

    names: of the object classes, from number ``FIRST_CLASS`` on. grid: where objects can be placed. heads:
    the attributes by name, in the order of a net's channels. max_objects: per scene, not counting END.
    sentences: the number per scene. canvas: (width, height) in canvas units. variants: for clip art, the
    attributes that an object's picture depends on. sizes: for clip art, (names, values of each of the
    variants, 2), the width and height of the opaque part of each unscaled picture. scales: for clip art, the
    scale at each value of the head ``size``. types: for clip art, the type of each class, 0 for what is
    behind everything; empty: those of Abstract Scenes. depths: whether the head ``size`` of clip art says how
    far an object is, not only how large it is. titles: readable names of the classes, if different.
    things: for objects cut out of photos, the number of thing classes, the rest being stuff; else None.
    appearance: of such objects, if learnt. most: for each class, the greatest number of its objects in a
    training scene; empty if not counted. order: in which objects are placed, see ``scenes.canonical_order``.
    """

    names: tuple[str, ...]
    grid: Grid
    heads: dict[str, Head]
    max_objects: int
    sentences: int
    canvas: tuple[float, float]
    sizes: Tensor | None = None
    scales: tuple[float, ...] = ()
    titles: tuple[str, ...] = ()
    things: int | None = None
    appearance: Appearance | None = None
    most: tuple[int, ...] = ()
    order: Order = "depth"
    variants: tuple[str, ...] = ("pose", "expression")
    types: tuple[int, ...] = ()
    depths: bool = True

    def __post_init__(self) -> None:
        for name, head in self.heads.items():
            for one in head.only or ():
                if one not in self.names:
                    raise UserError(f"heads.{name}.only: this data has no object class {one}")

    @property
    def classes(self) -> int:
        """The number of the object decoder's outputs: PAD, SOS, EOS and the object classes."""
        return FIRST_CLASS + len(self.names)

    def number(self, name: str) -> int:
        """The number of a class; raises KeyError."""
        return FIRST_CLASS + self.names.index(name) if name in self.names else _no_such(name)

    def name(self, number: int) -> str:
        return (SPECIALS + self.names)[number]

    def title(self, number: int) -> str:
        """The readable name of a class; titles may be tokenised, as "chef 's hat"."""
        return (SPECIALS + (self.titles or self.names))[number].replace(" '", "'")

    def has(self, head: str) -> Tensor:
        """(classes,) bool: which object classes have the head."""
        only = self.heads[head].only
        chosen = [only is None or name in only for name in self.names]
        return torch.tensor([False] * FIRST_CLASS + chosen)

    def counted(self, objects: Objects) -> Self:
        """The schema with ``most`` counted from ``objects``."""
        scene = torch.arange(len(objects)).unsqueeze(1) * self.classes
        flat = (scene + objects.classes).flatten()
        counts = flat.bincount(minlength=len(objects) * self.classes).view(len(objects), self.classes)
        return replace(self, most=tuple(counts.amax(0)[FIRST_CLASS:].tolist()))

    def limits(self) -> Tensor | None:
        """(classes,) how often each class may occur in a scene, END included; None if not counted."""
        return torch.tensor([0, 0, 1, *self.most]) if self.most else None

    def variant(self, attributes: Mapping[str, Number], none: Number) -> Number:
        """The number of an object's picture among those of its class, for clip art. none: the value of
        missing attributes, 0.
        """
        assert self.sizes is not None, "a schema of clip art"
        number = none
        for name, count in zip(self.variants, self.sizes.shape[1:-1], strict=True):
            number = number * count + attributes.get(name, none)
        return number

    def cells(self, objects: Objects) -> Tensor:
        """(B, T) the grid cell of each object, 0 where there is none."""
        return self.grid.cell(objects.places) * objects.present

    def with_end(self, objects: Objects) -> Objects:
        """The objects as a net can output them: at most ``max_objects`` per scene, then EOS, with the
        attributes that have a head.
        """
        steps = self.max_objects + 1
        width = max(steps - objects.classes.shape[1], 0)
        pad = torch.nn.functional.pad
        classes = pad(objects.cut(self.max_objects).classes, (0, width + 1))[:, :steps]
        counts = (classes >= FIRST_CLASS).sum(1, keepdim=True)
        classes = classes.where(torch.arange(steps, device=classes.device) < counts, PAD)
        classes = classes.scatter(1, counts, EOS)
        present = classes >= FIRST_CLASS
        places = pad(objects.places, (0, 0, 0, width))[:, :steps] * present.unsqueeze(2)
        attributes = {
            name: pad(values, (0, width))[:, :steps] * self.has(name).to(classes.device)[classes]
            for name, values in objects.attributes.items()
            if name in self.heads
        }
        extents = objects.extents
        if extents is not None:
            extents = pad(extents, (0, 0, 0, width))[:, :steps] * present.unsqueeze(2)
        patches = objects.patches
        if patches is not None:
            patches = pad(patches, (0, width), value=-1)[:, :steps].where(present, -1)
        return Objects(classes, places, attributes, extents, patches)

    def boxes(self, objects: Objects) -> Tensor:
        """(B, T, 4) centre x, y, width and height of each object in canvas units, 0 where there is none.

        The exact extents if the objects have them; else those of the clip art, by class, variant and size
        (missing attributes count as 0), or of the box that size and aspect stand for, clipped to the
        canvas. Without a size head the size is the middle one, without an aspect head the aspect is 1.
        """
        if objects.extents is not None:
            return torch.cat([objects.places, objects.extents], dim=2)
        if self.sizes is None:
            extents = self._box_extents(objects) * objects.present.unsqueeze(2)
            return torch.cat([objects.places, extents], dim=2)
        none = torch.zeros_like(objects.classes)
        size, variant = objects.attributes.get("size", none), self.variant(objects.attributes, none)
        sizes = self.sizes.to(objects.classes.device).view(len(self.names), -1, 2)
        which = (objects.classes - FIRST_CLASS).clamp(min=0)
        scale = torch.tensor(self.scales, device=which.device)[size]
        extents = sizes[which, variant] * scale.unsqueeze(2) * objects.present.unsqueeze(2)
        return torch.cat([objects.places, extents], dim=2)

    def _box_extents(self, objects: Objects) -> Tensor:
        """(B, T, 2) width and height, at most 1."""
        size = self._value("size", objects, sizes, (LEAST + MOST) / 2)
        aspect = self._value("aspect", objects, aspects, 1.0)
        area = size**2
        width = (area * aspect + 1e-10).sqrt()
        return torch.stack([width, area / (width + 1e-10)], dim=-1).clamp(0, 1)

    def _value(self, head: str, objects: Objects, table: Callable[[int], Tensor], other: float) -> Tensor:
        """(B, T) the value of each object's attribute, looked up in a ``table``, a function of the number of
        classes; ``other`` where the object does not have the head.
        """
        if head not in self.heads or head not in objects.attributes:
            return torch.full_like(objects.places[..., 0], other)
        device = objects.classes.device
        values = table(self.heads[head].classes).to(device)[objects.attributes[head]]
        if self.heads[head].only is None:
            return values
        return values.where(self.has(head).to(device)[objects.classes], other)

    def state(self) -> dict[str, Any]:
        """Plain containers and tensors, for checkpoints."""
        heads = {name: asdict(head) for name, head in self.heads.items()}
        appearance = None if self.appearance is None else asdict(self.appearance)
        return {**vars(self), "grid": asdict(self.grid), "heads": heads, "appearance": appearance}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Self:
        heads = {
            name: Head(
                h["classes"],
                h["weight"],
                None if h["only"] is None else tuple(h["only"]),
                tuple(h.get("values", ())),  # missing in older descriptions
            )
            for name, h in state["heads"].items()
        }
        plain = {
            **state,
            "grid": Grid(**state["grid"]),
            "heads": heads,
            "names": tuple(state["names"]),
            "canvas": tuple(state["canvas"]),
            "scales": tuple(state["scales"]),
            "titles": tuple(state["titles"]),
            "most": tuple(state.get("most", ())),  # missing in older descriptions
            "variants": tuple(state.get("variants", cls.variants)),
            "types": tuple(state.get("types", ())),
            "appearance": None if state["appearance"] is None else Appearance(**state["appearance"]),
        }
        return cls(**plain)


LEAST, MOST = 0.001, 0.999  # limits of the places and sizes of boxes, as fractions of a square canvas


def sizes(classes: int) -> Tensor:
    """(classes,) square roots of areas, evenly spaced from LEAST to MOST."""
    return LEAST + torch.arange(classes) * ((MOST - LEAST) / (classes - 1))


def size_classes(widths: Tensor, heights: Tensor, classes: int) -> Tensor:
    """Size classes of boxes: the nearest of ``sizes`` to the square root of the area."""
    step = (MOST - LEAST) / (classes - 1)
    roots = (widths * heights + 1e-10).sqrt()
    return ((roots - LEAST) / step + 0.5).floor().clamp(0, classes - 1).to(torch.int64)


def aspects(classes: int) -> Tensor:
    """(classes,) width over height: 1/n, ..., 1/2, 1, 2, ..., n for 2 n - 1 classes."""
    whole = torch.arange(1, classes // 2 + 2, dtype=torch.float32)
    return torch.cat([1 / whole.flip(0), whole[1:]])


def aspect_classes(widths: Tensor, heights: Tensor, classes: int) -> Tensor:
    """Aspect classes of boxes: the nearest of ``aspects`` to width over height, the lower one in ties."""
    ratios = (widths / (heights + 1e-10)).unsqueeze(-1)
    return (ratios - aspects(classes).to(ratios.device)).abs().argmin(-1)


def choose_heads(given: Mapping[str, Mapping[str, Any]], possible: Mapping[str, int]) -> dict[str, Head]:
    """The heads of a config, each checked against the number of classes in the data.

    Raises:
        UserError: a head is not in the data, has a different number of classes there, or is not a head.
    """
    heads = {}
    for name, settings in given.items():
        if name not in possible:
            raise UserError(f"heads.{name}: this data has no such attribute; it has {', '.join(possible)}")
        check_settings(name, settings, ("classes", "weight", "only"))
        only = settings.get("only")
        if only is not None and (not isinstance(only, list | tuple) or not only):
            raise UserError(f"heads.{name}.only={only} must be a list of object classes, or null for all")
        head = Head(settings["classes"], settings.get("weight", 1.0), None if only is None else tuple(only))
        if head.classes != possible[name]:
            raise UserError(f"heads.{name}.classes={head.classes}: this data has {possible[name]} of them")
        heads[name] = head
    return heads


def choose_appearance(settings: Mapping[str, Any] | None) -> Appearance | None:
    """The head ``appearance`` of a config; raises UserError if it is not one."""
    if settings is None:
        return None
    check_settings("appearance", settings, ("size", "weight"))
    return Appearance(**settings)


def check_settings(head: str, settings: Mapping[str, Any], known: tuple[str, ...]) -> None:
    """Raises UserError unless the ``settings`` of a head are the ``known`` ones, the first a positive whole
    number and the weight a non-negative number.
    """
    if not isinstance(settings, Mapping):
        raise UserError(f"heads.{head}={settings} is not a head; drop one with '~heads.{head}'")
    for name in settings:
        if name not in known:
            raise UserError(f"heads.{head}.{name} is not an option; options are {', '.join(known)}")
    count, weight = settings.get(known[0]), settings.get("weight", 1.0)
    if type(count) is not int or count < 1:
        raise UserError(f"heads.{head}.{known[0]}={count} must be a whole number of 1 or more")
    if type(weight) not in (int, float) or not 0 <= weight < float("inf"):
        raise UserError(f"heads.{head}.weight={weight} must be a number of 0 or more")


def _no_such(name: str) -> int:
    raise KeyError(name)
