"""Photos turned into composites, from which an inpainter learns to recover the photos: the simulated scenes
of Text2Scene's authors (Tan et al. 2019). Each object is seen through the mask of another one of its class.

Everything here is tensor operations, on any device, on all photos of a batch at once.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
import torch.nn.functional as F
from torch import Tensor

from seq2scene.compositing.pasting import Rendering, occupied, overlaid, paste, stretched
from seq2scene.scenes.boxes import from_edges
from seq2scene.scenes.photos import Patches, Photos

RIM = 0.05  # width of noisy edges, as a share of the photo's square


@dataclass(frozen=True)
class Mending:
    """B composites and the photos to recover from them: pictures (B, 3, side, side) from 0 to 255 and labels
    (B, side, side) int64, the class of each pixel, 0 where nothing is annotated.
    """

    composite: Rendering
    pictures: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.pictures)


@dataclass(frozen=True)
class Stencils:
    """B photos with T objects each, and what ``mend`` needs to simulate composites of them.

    photos: with pictures uint8. classes: (B, T) int64, 0 after the last object. boxes: (B, T, 4) of the
    objects, centre x, y, width and height as shares of the photo's square. masks: (B, T, h, w) bool, of other
    objects of the same classes, whose boxes in pixels of the mask are ``middles`` (B, T, 4). paired: (B, T)
    bool, False if there is no other object; then the whole object is seen. colours: (B, T, 3, 4), see
    ``colour_maps``. speckles: (B, y, x) bool, pixels that turn white if they are near an edge; None: none.
    rows: (B,) int64 on the CPU, the number of each photo in its split.
    """

    photos: Photos
    classes: Tensor
    boxes: Tensor
    masks: Tensor
    middles: Tensor
    paired: Tensor
    colours: Tensor
    rows: Tensor
    speckles: Tensor | None = None

    def __len__(self) -> int:
        return len(self.classes)

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        return self._map(lambda field: field.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        return self._map(lambda field: field.pin_memory())

    def _map(self, change: Callable[[Any], Any]) -> Self:
        fields = {name: field for name, field in vars(self).items() if name != "rows" and field is not None}
        return replace(self, **{name: change(field) for name, field in fields.items()})


def mend(stencils: Stencils, side: int, first_stuff: int) -> Mending:
    """The simulated composites and their photos, both cropped to the box around everything in the composite
    and stretched to side x side (``pasting.stretched``). first_stuff: the first class number of stuff.

    An object shows those pixels of its mask that are also in the other's mask, stretched to its box, in the
    photo's colours, transformed by ``colours``.
    """
    photos, classes = stencils.photos.pictures.float(), stencils.classes
    own = stencils.photos.masks.unsqueeze(2)  # (B, T, 1, y, x)
    seen = (own & openings(stencils)).float()
    matrices, shifts = stencils.colours.split([3, 1], dim=3)
    # term by term, as matrix products may have less than single precision
    terms = [matrices[..., n, None, None] * photos[:, None, n, None] for n in range(3)]
    colours = (sum(terms) + shifts.unsqueeze(4)).clamp(0, 255)
    if stencils.speckles is not None:
        white = rims(seen.flatten(0, 1)).view_as(own) & stencils.speckles[:, None, None]
        colours = torch.where(white, 255.0, colours)
    composite = overlaid(classes, colours, seen, first_stuff)
    labels = overlaid(classes, colours[:, :, :0], own.float(), first_stuff).labels
    real = stretched(Rendering(photos, labels, composite.masks), side)  # of the composite's box
    return Mending(stretched(composite, side), real.pictures, real.labels)


def openings(stencils: Stencils) -> Tensor:
    """(B, T, 1, y, x) bool: the masks of the other objects, stretched to the boxes; all True if unpaired."""
    masks = stencils.masks.flatten(0, 1).unsqueeze(1)
    others = Patches(masks.expand(-1, 0, -1, -1), masks, stencils.middles.flatten(0, 1))
    size = stencils.photos.pictures.shape[2:]
    _, through = paste(others, stencils.boxes.flatten(0, 1), tuple(size), aspect="predicted")
    through = through.unflatten(0, stencils.classes.shape) > 0
    return through | ~stencils.paired[:, :, None, None, None]


def rims(masks: Tensor) -> Tensor:
    """(N, 1, y, x) bool: pixels near the edges of masks (N, 1, y, x), 0 or 1: those with a neighbour on the
    other side, dilated by a disc whose diameter is 5 % of the picture. The picture's border is not an edge.
    """
    edges = F.max_pool2d(masks, 3, 1, 1) + F.max_pool2d(-masks, 3, 1, 1)
    width = max(round(RIM * masks.shape[3]), 1)
    from_centre = torch.arange(width, device=masks.device, dtype=masks.dtype) - (width - 1) / 2
    disc = (from_centre.square() + from_centre.square().unsqueeze(1)).sqrt() <= (width - 1) / 2
    return F.conv2d(edges, disc.to(masks.dtype)[None, None], padding="same") > 0.5


def union_boxes(masks: Tensor) -> Tensor:
    """(B, 4) the boxes around all nonzero pixels of masks (B, 1, y, x), centre x, y, width and height as
    shares of the canvas; the whole canvas where a mask is empty.
    """
    size = masks.new_tensor([masks.shape[3], masks.shape[2]])
    return from_edges(*(edge / size for edge in occupied(masks)))


def put_back(pictures: Tensor, masks: Tensor) -> Tensor:
    """The inverse of ``stretched``: pictures (B, 3, side, side) in the box around all nonzero pixels of masks
    (B, 1, y, x), black around it: (B, 3, y, x).
    """
    height, width = pictures.shape[2:]
    whole = pictures.new_tensor([width / 2, height / 2, width, height]).expand(len(pictures), 4)
    patches = Patches(pictures, torch.ones_like(pictures[:, :1]), whole)
    colours, inside = paste(patches, union_boxes(masks), tuple(masks.shape[2:]), aspect="predicted")
    return colours * inside


# Colours


def colour_maps(given: Tensor, wanted: Tensor, grain: float = 1.0) -> Tensor:
    """N affine maps of colours, (N, 3, 4), that give the pixels ``given`` (N, 3, P) the mean and covariance
    of those ``wanted`` (N, 3, Q) with the least displacement (``transport``); both from 0 to 255.

    grain: variance, in squared grey levels, added to both so that noise in flat colours is not amplified.
    """
    (mean, covariance), (target_mean, target) = _moments(given, grain), _moments(wanted, grain)
    matrices = transport(covariance, target)
    shifts = target_mean - matrices @ mean
    return torch.cat([matrices, shifts], dim=2).to(torch.float32)


def transport(given: Tensor, wanted: Tensor) -> Tensor:
    """The symmetric matrices T (N, D, D) with T A T = B for covariances A, ``given``, of full rank, and B,
    ``wanted``: A^-1/2 (A^1/2 B A^1/2)^1/2 A^-1/2, the Monge-Kantorovitch map between two Gaussians (Pitie and
    Kokaram, CVMP 2007).
    """
    root, inverse = _power(given, 0.5), _power(given, -0.5)
    return inverse @ _power(root @ wanted @ root, 0.5) @ inverse


def _moments(pixels: Tensor, grain: float) -> tuple[Tensor, Tensor]:
    """Means (N, 3, 1) and covariances (N, 3, 3), in double precision."""
    pixels = pixels.double()
    mean = pixels.mean(2, keepdim=True)
    centred = pixels - mean
    covariance = centred @ centred.mT / pixels.shape[2]
    identity = torch.eye(pixels.shape[1], dtype=covariance.dtype, device=covariance.device)
    return mean, covariance + grain * identity


def _power(matrices: Tensor, exponent: float) -> Tensor:
    """Powers of symmetric matrices that are positive up to rounding."""
    values, vectors = torch.linalg.eigh(matrices)
    return (
        vectors * values.clamp(min=torch.finfo(values.dtype).tiny).pow(exponent).unsqueeze(1)
    ) @ vectors.mT
