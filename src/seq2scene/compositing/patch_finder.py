"""Nearest-neighbour search for the patch of a class that a composite pastes (Text2Scene, Tan et al. 2019).

Which patches are excluded differs between the rows of a query, while faiss's selectors apply to a whole call.
So extra neighbours are requested, and excluded ones are masked.
"""

import importlib
import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self, get_args

import torch
from torch import Tensor

from seq2scene.arrays import TORN, Damaged
from seq2scene.caching import kept, key, renewed
from seq2scene.errors import UserError

Kind = Literal["exact", "approximate"]
NONE = -1
VERSION = 1  # raise it when approximate indexes are built or stored differently
PATCHES = "patches.pt"
SMALL = 4096  # patches; smaller classes are always searched exactly
PROBED = 32  # cells of an approximate index that a query probes at first
NEIGHBOURS = 16  # requested at first, in addition to the number of used patches
CHUNK = 2**17  # vectors compared at once in double precision, to bound memory


def library() -> Any:
    """faiss, imported on first use: most runs search no patches. Its log message on import is suppressed."""
    logging.getLogger("faiss.loader").setLevel(logging.WARNING)
    return importlib.import_module("faiss")


def box_vectors(boxes: Tensor) -> Tensor:
    """[log width, log height] (..., 2) of boxes (..., 4) that end in width and height: what patches are
    searched by if they have no appearance.

    The boxes of patches and of queries must share a unit, e.g. the photo's longer side.
    """
    return boxes[..., 2:].clamp(min=1e-6).log()


@dataclass(frozen=True)
class ClassIndex:
    """The patches of one class. numbers: (a,) int64, ascending. photos: (a,) int64, which each comes from.
    index: the faiss index of their vectors, in the same order.
    """

    numbers: Tensor
    photos: Tensor
    index: Any

    def nearest(self, vectors: Tensor, used: Tensor, banned: Tensor) -> Tensor:
        """(n,) the number of the patch nearest to each of the vectors (n, D), excluding patches used (n, U)
        and those of the banned photo (n,); NONE if no patch is left.
        """
        assert vectors.isfinite().all(), "query vectors must be finite"
        found = torch.full((len(vectors),), NONE)
        rows, effort = torch.arange(len(vectors)), 1
        while len(rows):
            wanted = vectors[rows]
            places, farthest, complete = self._neighbours(wanted, effort, NEIGHBOURS + used.shape[1])
            numbers = self.numbers[places]
            taken = (numbers.unsqueeze(2) == used[rows].unsqueeze(1)).any(2)
            allowed = (places != NONE) & ~taken & (self.photos[places] != banned[rows].unsqueeze(1))
            distances = self._distances(wanted, places).masked_fill(~allowed, torch.inf)
            least = distances.amin(1)
            nearest = torch.where(distances == least.unsqueeze(1), numbers, self.numbers[-1]).amin(1)
            found[rows] = torch.where(least < torch.inf, nearest, NONE)
            if complete:
                break
            rows, effort = rows[farthest <= least + _rounding(wanted, least)], 4 * effort
        return found

    def _neighbours(self, vectors: Tensor, effort: int, neighbours: int) -> tuple[Tensor, Tensor, bool]:
        """Places (n, k) of near patches in this index, NONE after the last; a lower bound (n,) on the squared
        distance of all others according to faiss, infinite (taken on trust) if the index is approximate;
        whether these are all patches of the class.
        """
        k, size = min(effort * neighbours, len(self.numbers)), len(self.numbers)
        faiss = library()
        if not isinstance(self.index, faiss.IndexIVF):
            distances, places = map(torch.from_numpy, self.index.search(vectors.numpy(), k))
            return places, distances[:, -1].double(), k == size
        probed = min(effort * PROBED, self.index.nlist)
        _, places = self.index.search(vectors.numpy(), k, params=faiss.SearchParametersIVF(nprobe=probed))
        trusted = torch.full((len(vectors),), torch.inf, dtype=torch.float64)
        return torch.from_numpy(places), trusted, k == size and probed == self.index.nlist

    def _distances(self, vectors: Tensor, places: Tensor) -> Tensor:
        """Squared distances (n, k), in double precision, so that equal vectors are equally far."""
        rows = max(CHUNK // places.shape[1], 1)
        distances = []
        for wanted, near in zip(vectors.double().split(rows), places.clamp(min=0).split(rows), strict=True):
            there = torch.from_numpy(self.index.reconstruct_batch(near.flatten().numpy()))
            distances.append((wanted.unsqueeze(1) - there.view(*near.shape, -1)).square().sum(2))
        return torch.cat(distances)


class PatchFinder:
    """Finds the patch of a class whose vector is nearest by Euclidean distance.

    classes: (A,) int64 class numbers of the patches. vectors: (A, D) float32, appearances of unit length, or
    ``box_vectors``. photos: (A,) int64, from 0 on, which photo each patch comes from. kind: ``exact``, or
    ``approximate``, which searches part of a class of more than a few thousand patches in a third of the
    time. repeat: whether a scene may contain a patch twice, as in the paper.

    Raises UserError for an unknown kind.
    """

    def __init__(
        self, classes: Tensor, vectors: Tensor, photos: Tensor, kind: Kind = "exact", repeat: bool = True
    ) -> None:
        _require_kind(kind)
        classes, vectors, photos = classes.cpu(), vectors.detach().cpu(), photos.cpu()
        assert len(classes) == len(vectors) == len(photos) and vectors.isfinite().all()
        _follow_torch()
        self.repeat = repeat
        self.indexes: dict[int, ClassIndex] = {}
        for number, numbers in _by_class(classes).items():
            index = _index(vectors[numbers].float(), kind)
            self.indexes[number] = ClassIndex(numbers, photos[numbers], index)

    def find(self, classes: Tensor, vectors: Tensor, used: Tensor, banned: Tensor | None = None) -> Tensor:
        """(N,) int64 numbers of patches, on the device of ``classes``; -1 if no patch is left.

        classes: (N,) int64. vectors: (N, D) float32. used: (N, U) int64, patches already in each row's scene,
        -1 for none; excluded unless ``repeat``. banned: (N,) int64, a photo whose patches are excluded, -1
        for none. Ties go to the lowest number. An exact finder is exact whatever is excluded; an approximate
        one, too, returns -1 only if no patch is left.
        """
        _follow_torch()
        home, classes, used = classes.device, classes.cpu(), used.cpu()
        vectors = vectors.detach().to("cpu", torch.float32).contiguous()
        banned = torch.full_like(classes, NONE) if banned is None else banned.cpu()
        used = used[:, :0] if self.repeat else used
        found = torch.full_like(classes, NONE)
        for number in self.indexes.keys() & set(classes.tolist()):
            rows = (classes == number).nonzero().squeeze(1)
            found[rows] = self.indexes[number].nearest(vectors[rows], used[rows], banned[rows])
        return found.to(home)

    def save(self, folder: Path) -> None:
        """Writes what ``load`` reads into the folder, which may exist. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for number, each in self.indexes.items():
                library().write_index(each.index, str(folder / f"{number}.faiss"))
            patches = {number: (each.numbers, each.photos) for number, each in self.indexes.items()}
            torch.save(patches, folder / PATCHES)
        except RuntimeError as error:  # raised by faiss and torch on a full disk
            raise OSError(str(error)) from error

    @classmethod
    def load(cls, folder: Path, repeat: bool = True) -> Self:
        """The finder saved in the folder. Raises UserError if there is none or a file is damaged."""
        finder = cls.__new__(cls)
        finder.repeat, finder.indexes = repeat, {}
        if not (folder / PATCHES).is_file():
            raise UserError(f"{folder}: no patch finder was saved here; give the folder of one")
        try:
            for number, (numbers, photos) in torch.load(folder / PATCHES, weights_only=True).items():
                index = library().read_index(str(folder / f"{number}.faiss"))
                finder.indexes[number] = ClassIndex(numbers, photos, index)
        except TORN as error:
            raise Damaged(f"{folder}: a file of this patch finder is damaged; delete the folder") from error
        return finder


def stored_finder(
    classes: Tensor,
    vectors: Tensor,
    photos: Tensor,
    cache: Path | str,
    kind: Kind = "exact",
    repeat: bool = True,
) -> PatchFinder:
    """A ``PatchFinder`` of these patches; an approximate one is cached under a hash of all that it is built
    from. One process builds it while others wait for it.

    Raises UserError for an unknown kind or a cache that cannot be written.
    """
    if _require_kind(kind) == "exact":  # built as fast as read
        return PatchFinder(classes, vectors, photos, kind, repeat)
    built_from = (values.cpu().contiguous().numpy() for values in (classes, vectors.detach().float(), photos))
    name = key(f"{VERSION} {tuple(vectors.shape)}", built_from)
    place = Path(cache) / "patch_finders" / name
    build = partial(PatchFinder, classes, vectors, photos, kind)
    make = partial(kept, place, build, lambda draft, finder: finder.save(draft))
    return renewed(place, make, partial(PatchFinder.load, repeat=repeat))


def _require_kind(kind: str) -> str:
    if kind not in get_args(Kind):
        raise UserError(f"retrieval.kind={kind} is not a choice; choose one of {', '.join(get_args(Kind))}")
    return kind


def _follow_torch() -> None:
    """Imported before torch, faiss has its own OpenMP, which would take all cores."""
    library().omp_set_num_threads(torch.get_num_threads())


def _by_class(classes: Tensor) -> dict[int, Tensor]:
    """The numbers of the patches of each class, ascending."""
    present, counts = classes.unique(return_counts=True)
    numbers = classes.argsort(stable=True).split(counts.tolist())
    return dict(zip(present.tolist(), numbers, strict=True))


def _index(vectors: Tensor, kind: Kind) -> Any:
    """A faiss index of vectors (a, D). An approximate one has sqrt(a) cells from k-means."""
    width = vectors.shape[1]
    faiss = library()
    flat = faiss.IndexFlatL2(width)
    if kind == "approximate" and len(vectors) >= SMALL:
        index = faiss.IndexIVFFlat(flat, width, round(len(vectors) ** 0.5), faiss.METRIC_L2)
        index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = 1, 64
        index.train(vectors.numpy())
        index.add(vectors.numpy())
        index.make_direct_map()  # to reconstruct vectors by place
        return index
    flat.add(vectors.numpy())
    return flat


def _rounding(vectors: Tensor, least: Tensor) -> Tensor:
    """A bound on faiss's error in the squared distance of a patch no farther than ``least``.

    For many queries at once faiss computes |q|^2 - 2 q v + |v|^2 in single precision. |v| is at most
    |q| + |q - v|, and the usual bound for a sum of products applies.
    """
    size = 2 * vectors.double().norm(dim=1) + least.sqrt()
    return (vectors.shape[1] + 3) * torch.finfo(torch.float32).eps * size.square()
