"""The nearest patch of a class: what a composite pastes (Text2Scene's composites, Tan et al. 2019).

Which patches a scene may not have differs from row to row, and faiss's own selectors hold for a whole call.
So more neighbours are asked for than are wanted, and those that are excluded are masked.
"""

import importlib
import logging
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Literal, Self, get_args

import torch
from torch import Tensor

from seq2scene.caching import kept, key
from seq2scene.errors import UserError

Kind = Literal["exact", "approximate"]
NONE = -1
VERSION = 1  # raise it when approximate indexes are built or stored otherwise
PATCHES = "patches.pt"
SMALL = 4096  # patches; a smaller class is searched exactly at once
PROBED = 32  # cells of an approximate index that a query looks into at first
NEIGHBOURS = 16  # asked for at first, beside those that are used already
CHUNK = 2**17  # vectors that are compared in double precision: what memory bears


def library() -> Any:
    """faiss, loaded when first asked for: most runs search no patches, and it tells which build it takes."""
    logging.getLogger("faiss.loader").setLevel(logging.WARNING)
    return importlib.import_module("faiss")


def box_vectors(boxes: Tensor) -> Tensor:
    """[log width, log height] of boxes (..., 4) that end in width and height -> (..., 2).

    The rule where patches have no appearance: one is chosen by its class and the size and shape of its box.
    Both the patches' boxes and those looked for must be in one unit, say shares of a photo's longer side.
    """
    return boxes[..., 2:].clamp(min=1e-6).log()


@dataclass(frozen=True)
class Shelf:
    """The patches of one class: numbers (a,) int64, ascending, the photo (a,) int64 that each comes from, and
    the faiss index of their vectors, in the same order.
    """

    numbers: Tensor
    photos: Tensor
    index: Any

    def nearest(self, vectors: Tensor, used: Tensor, banned: Tensor) -> Tensor:
        """(n,) the number of the nearest patch to each of the vectors (n, D) that is not among those used
        (n, U) nor of the banned photo (n,), NONE where there is none.
        """
        assert vectors.isfinite().all(), "vectors to look for must be finite"
        found = torch.full((len(vectors),), NONE)
        rows, effort = torch.arange(len(vectors)), 1
        while len(rows):
            wanted = vectors[rows]
            places, farthest, all_of_them = self._ask(wanted, effort, NEIGHBOURS + used.shape[1])
            numbers = self.numbers[places]
            taken = (numbers.unsqueeze(2) == used[rows].unsqueeze(1)).any(2)
            allowed = (places != NONE) & ~taken & (self.photos[places] != banned[rows].unsqueeze(1))
            distances = self._distances(wanted, places).masked_fill(~allowed, torch.inf)
            least = distances.amin(1)
            nearest = torch.where(distances == least.unsqueeze(1), numbers, self.numbers[-1]).amin(1)
            found[rows] = torch.where(least < torch.inf, nearest, NONE)
            if all_of_them:
                break
            rows, effort = rows[farthest <= least + _rounding(wanted, least)], 4 * effort
        return found

    def _ask(self, vectors: Tensor, effort: int, neighbours: int) -> tuple[Tensor, Tensor, bool]:
        """Places (n, k) of near patches on this shelf, NONE after the last; the squared distance (n,) that
        any other is away at least, as faiss says, infinite (taken on trust) where the index is approximate;
        whether these are all patches of the shelf.
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
        """Squared distances (n, k), in double precision: equal vectors are equally far."""
        rows = max(CHUNK // places.shape[1], 1)
        parts = []
        for wanted, near in zip(vectors.double().split(rows), places.clamp(min=0).split(rows), strict=True):
            there = torch.from_numpy(self.index.reconstruct_batch(near.flatten().numpy()))
            parts.append((wanted.unsqueeze(1) - there.view(*near.shape, -1)).square().sum(2))
        return torch.cat(parts)


class PatchFinder:
    """Finds of each class the patch whose vector is nearest by Euclidean distance.

    classes: (A,) int64 class numbers of the patches. vectors: (A, D) float32, appearances of unit length, or
    ``box_vectors``. photos: (A,) int64, from 0 on, which photo each comes from. kind: ``exact``, or
    ``approximate``, which looks at part of a class of more than a few thousand patches and takes a third of
    the time. repeat: whether a scene may have a patch twice, as in the paper.

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
        self.shelves: dict[int, Shelf] = {}
        for number, numbers in _by_class(classes).items():
            index = _index(vectors[numbers].float(), kind)
            self.shelves[number] = Shelf(numbers, photos[numbers], index)

    def find(self, classes: Tensor, vectors: Tensor, used: Tensor, banned: Tensor | None = None) -> Tensor:
        """(N,) int64 numbers of patches, on the device of ``classes``; -1 where no patch is left.

        classes: (N,) int64. vectors: (N, D) float32. used: (N, U) int64, the patches that are in each row's
        scene already, -1 for none; they come again if ``repeat``. banned: (N,) int64, a photo whose patches
        do not come, -1 for none. Of patches equally near the one of the lowest number comes. An exact finder
        is exact whatever is excluded; an approximate one gives -1, too, only where none is left.
        """
        _follow_torch()
        home, classes, used = classes.device, classes.cpu(), used.cpu()
        vectors = vectors.detach().to("cpu", torch.float32).contiguous()
        banned = torch.full_like(classes, NONE) if banned is None else banned.cpu()
        used = used[:, :0] if self.repeat else used
        found = torch.full_like(classes, NONE)
        for number in self.shelves.keys() & set(classes.tolist()):
            rows = (classes == number).nonzero().squeeze(1)
            found[rows] = self.shelves[number].nearest(vectors[rows], used[rows], banned[rows])
        return found.to(home)

    def save(self, folder: Path) -> None:
        """Writes all that ``load`` needs into the folder, which may exist. Raises OSError."""
        folder.mkdir(parents=True, exist_ok=True)
        try:
            for number, shelf in self.shelves.items():
                library().write_index(shelf.index, str(folder / f"{number}.faiss"))
            patches = {number: (shelf.numbers, shelf.photos) for number, shelf in self.shelves.items()}
            torch.save(patches, folder / PATCHES)
        except RuntimeError as error:  # what faiss and torch make of a full disk
            raise OSError(str(error)) from error

    @classmethod
    def load(cls, folder: Path, repeat: bool = True) -> Self:
        """The finder that was saved there. Raises UserError where there is none or a file is damaged."""
        finder = cls.__new__(cls)
        finder.repeat, finder.shelves = repeat, {}
        if not (folder / PATCHES).is_file():
            raise UserError(f"{folder}: no patch finder was saved here; give the folder of one")
        try:
            for number, patches in torch.load(folder / PATCHES, weights_only=True).items():
                finder.shelves[number] = Shelf(
                    *patches, library().read_index(str(folder / f"{number}.faiss"))
                )
        except (RuntimeError, EOFError, UnpicklingError) as error:
            raise UserError(f"{folder}: a file of this patch finder is damaged; delete the folder") from error
        return finder


def stored_finder(
    classes: Tensor,
    vectors: Tensor,
    photos: Tensor,
    cache: Path | str,
    kind: Kind = "exact",
    repeat: bool = True,
) -> PatchFinder:
    """The finder of these patches, see ``PatchFinder``; an approximate one is kept in the cache by a hash of
    all that it is built from. One process builds it while others that want it wait.

    Raises UserError for an unknown kind, a damaged file and a cache that cannot be written.
    """
    if _require_kind(kind) == "exact":  # built as fast as it is read
        return PatchFinder(classes, vectors, photos, kind, repeat)
    built_from = (values.cpu().contiguous().numpy() for values in (classes, vectors.detach().float(), photos))
    name = key(f"{VERSION} {tuple(vectors.shape)}", built_from)
    place = kept(
        Path(cache) / "patch_finders" / name,
        lambda: PatchFinder(classes, vectors, photos, kind),
        lambda draft, finder: finder.save(draft),
    )
    return PatchFinder.load(place, repeat)


def _require_kind(kind: str) -> str:
    if kind not in get_args(Kind):
        raise UserError(f"retrieval.kind={kind} is not a choice; choose one of {', '.join(get_args(Kind))}")
    return kind


def _follow_torch() -> None:
    """faiss may have an OpenMP of its own (where it is imported before torch), which would take all cores."""
    library().omp_set_num_threads(torch.get_num_threads())


def _by_class(classes: Tensor) -> dict[int, Tensor]:
    """The patches of each class, ascending."""
    present, counts = classes.unique(return_counts=True)
    parts = classes.argsort(stable=True).split(counts.tolist())
    return dict(zip(present.tolist(), parts, strict=True))


def _index(vectors: Tensor, kind: Kind) -> Any:
    """A faiss index of (a, D). An approximate one has sqrt(a) cells, found by k-means."""
    width = vectors.shape[1]
    faiss = library()
    flat = faiss.IndexFlatL2(width)
    if kind == "approximate" and len(vectors) >= SMALL:
        index = faiss.IndexIVFFlat(flat, width, round(len(vectors) ** 0.5), faiss.METRIC_L2)
        index.cp.min_points_per_centroid, index.cp.max_points_per_centroid = 1, 64
        index.train(vectors.numpy())
        index.add(vectors.numpy())
        index.make_direct_map()  # vectors by their places
        return index
    flat.add(vectors.numpy())
    return flat


def _rounding(vectors: Tensor, least: Tensor) -> Tensor:
    """How far faiss may be off in the squared distance of a patch that is no farther than ``least``.

    Of many queries at once it takes |q|^2 - 2 q v + |v|^2 in single precision and loses the last bits; |v| is
    at most |q| + |q - v|, and the usual bound of a sum of products holds.
    """
    size = 2 * vectors.double().norm(dim=1) + least.sqrt()
    return (vectors.shape[1] + 3) * torch.finfo(torch.float32).eps * size.square()
