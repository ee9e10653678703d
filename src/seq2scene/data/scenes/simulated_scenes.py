"""Simulated composites, the training data of an inpainter (Tan et al. 2019): photos whose objects are seen
through the masks of other patches of the same class, with the photos themselves as targets.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.spatial import KDTree

from seq2scene.arrays import read_array
from seq2scene.caching import kept, key, renewed
from seq2scene.compositing.patch_finder import box_vectors
from seq2scene.compositing.patch_store import PatchStore
from seq2scene.compositing.simulated_composites import Stencils, colour_maps
from seq2scene.data.scenes.coco_composite import CompositeModule
from seq2scene.data.text_module import TextModule
from seq2scene.errors import UserError
from seq2scene.sequences.batching import EvaluationBatches, LengthBatches, Loader

VERSION = 1  # raise it when fits are chosen differently
CHUNK = 256  # objects compared with their candidates at a time
NONE = -1


@dataclass(kw_only=True, eq=False)
class SimulatedScenes(TextModule):
    """The photos of a data set of composites, each object seen through the mask of the training patch of its
    class that fits best (``best_fits``). Random numbers depend on the seed and the photos of a batch alone,
    and so, in training, on the epoch. Photos without a caption are left out by ``composites``.
    """

    composites: CompositeModule
    root: str | None = None  # type: ignore[assignment]  # None, until __post_init__: that of composites
    fetch: str | None = field(default=None, init=False)  # that of composites
    side: int = 256  # pixels of the inpainter's input and output
    candidates: int = 100  # nearest by size and shape of their boxes; the authors' by learnt appearance
    transfer: float = 0.2  # probability of an object to take the colours of the patch
    noise: float = 0.0  # probability of a photo to have white specks along the edges of its objects
    batch_size: int = 16
    eval_batch_size: int = 16
    pool_batches: int = 50

    def __post_init__(self) -> None:
        if self.root is None:
            self.root = self.composites.root
        self.fetch = self.composites.fetch
        super().__post_init__()
        self.composites.root = self.root
        self._require_positive("side", "candidates")
        for name in ("transfer", "noise"):
            if not 0 <= getattr(self, name) <= 1:
                raise UserError(f"data.{name}={getattr(self, name)} must be a probability, from 0 to 1")
        self.fits: dict[str, np.ndarray] = {}
        self._known: tuple[str, ...] | None = None

    # What the model and generation must know

    def description(self) -> dict[str, Any]:
        """Plain containers; available after ``setup``."""
        store = self.composites.stores["train"]
        return {"names": list(store.names), "things": store.things, "side": self.side}

    def use(self, description: Mapping[str, Any]) -> None:
        """Takes the size of a checkpoint and requires its classes; call before ``setup``."""
        self.side, self._known = description["side"], tuple(description["names"])

    def photo_ids(self, split: str) -> list[int]:
        """The number of each photo in the data set."""
        return self.composites.splits[split].numbers

    def sample(self, split: str, rows: np.ndarray) -> Stencils:
        """The photos ``rows`` (B,) of a split; deterministic."""
        return self._collate(split)(rows)

    # Reading

    @property
    def knows_its_language(self) -> bool:
        return False  # training patches are needed by every split

    def _load(self, splits: list[str]) -> None:
        self.composites.setup()
        stores = self.composites.stores
        if self._known is not None and stores["train"].names != self._known:
            raise UserError(
                f"{self.composites.folder}: the classes of its objects are not those of the checkpoint"
            )
        for split in splits:
            if split not in self.fits:
                fits = stored_fits(stores[split], stores["train"], self.candidates, self.cache)
                self.fits[split] = fits
                alone = int(((fits == NONE) & (stores[split].classes > 0)).sum())
                if alone:
                    self._report("%s: %d objects have no other of their class, and stay whole", split, alone)

    # Batches

    def _training_loader(self) -> Loader:
        counts = self._counts("train")
        plan = LengthBatches(
            counts,
            counts,
            size=self.batch_size,
            pool_batches=self.pool_batches,
            seed=self.seed,
            **self._ranks(),
        )
        return self._loader(plan, self._collate("train"))

    def _evaluation_loader(self, split: str) -> Loader:
        counts = self._counts(split)
        plan = EvaluationBatches(counts, counts, self.eval_batch_size, **self._ranks())
        return self._loader(plan, self._collate(split))

    def _counts(self, split: str) -> np.ndarray:
        """The number of objects in each photo."""
        return self.composites.splits[split].objects.present.sum(1).numpy()

    def _collate(self, split: str) -> Callable[[np.ndarray], Stencils]:
        store, patches, fits = (
            self.composites.stores[split],
            self.composites.stores["train"],
            self.fits[split],
        )
        scenes = self.composites.splits[split]
        photos = np.searchsorted(store.image_ids, scenes.numbers)

        def collate(rows: np.ndarray) -> Stencils:
            which = torch.from_numpy(rows.copy())
            steps = int(scenes.objects.present[which].sum(1).max())
            objects = scenes.objects[which].cut(steps)
            own = objects.patch_numbers()
            other = np.where(own == NONE, NONE, fits[own])
            draw = np.random.default_rng([self.seed, *rows.tolist()])
            through = patches.patches(other)
            mapped = torch.from_numpy((draw.random(own.shape) < self.transfer) & (other != NONE))
            colours = torch.eye(3, 4).repeat(*own.shape, 1, 1)
            colours[mapped] = colour_maps(
                inner(store.patches(own[mapped.numpy()]).pictures), inner(through.pictures[mapped])
            )
            pictures = store.photos(photos[rows], own)
            return Stencils(
                photos=pictures,
                classes=objects.classes,
                boxes=torch.cat([objects.places, objects.extents], dim=2),
                masks=through.masks.squeeze(2),
                middles=through.boxes,
                paired=torch.from_numpy(other != NONE),
                colours=colours,
                rows=which,
                speckles=self._speckles(draw, len(rows), store.photo_side),
            )

        return collate

    def _speckles(self, draw: np.random.Generator, photos: int, side: int) -> torch.Tensor | None:
        """Random halves of the pixels of randomly chosen photos, as bool (photos, side, side)."""
        if self.noise == 0:
            return None
        chosen = draw.random((photos, 1, 1)) < self.noise
        half = draw.integers(0, 2, (photos, side, side), dtype=np.uint8).astype(bool)
        return torch.from_numpy(half & chosen)


def inner(pictures: torch.Tensor) -> torch.Tensor:
    """The pixels (P, 3, pixels) within the boxes of patches (P, 3, side, side): their middle half."""
    edge = pictures.shape[3] // 4
    return pictures[:, :, edge:-edge, edge:-edge].flatten(2)


# Which patch fits an object


def stored_fits(store: PatchStore, patches: PatchStore, candidates: int, cache: Path | str) -> np.ndarray:
    """``best_fits``, cached under the names of the two stores, which are hashes of their contents. One
    process computes them while others wait.

    Raises UserError if the cache cannot be written.
    """
    facts = f"{VERSION} {store.folder.name} {patches.folder.name} {candidates}"
    path = Path(cache) / "fits" / f"{key(facts)}.npy"
    return renewed(
        path, lambda: kept(path, partial(best_fits, store, patches, candidates), _save), read_array
    )


def _save(path: Path, fits: np.ndarray) -> None:
    with path.open("wb") as file:  # by its name np.save would give it another one
        np.save(file, fits)


def best_fits(store: PatchStore, patches: PatchStore, candidates: int) -> np.ndarray:
    """(A,) for each object of ``store`` the number of another patch of its class in ``patches``, -1 if there
    is none: of the ``candidates`` whose boxes are nearest in size and shape (``box_vectors``) the one whose
    mask has the greatest intersection over union, both as stored; of equals the nearest.
    """
    itself = store.folder == patches.folder
    fits = np.full(len(store), NONE)
    masks, others = _words(store), _words(patches)
    vectors, known = (box_vectors(torch.from_numpy(each.boxes)).numpy() for each in (store, patches))
    for kind in np.unique(store.classes[store.classes > 0]):
        wanted, pool = (np.flatnonzero(each.classes == kind) for each in (store, patches))
        if not len(pool):
            continue
        tree = KDTree(known[pool])
        nearest = 1 + np.arange(min(candidates + itself, len(pool)))
        for some in np.split(wanted, range(CHUNK, len(wanted), CHUNK)):
            near = pool[tree.query(vectors[some], nearest)[1]]  # (objects, candidates)
            overlap = _overlaps(masks[some], others[near])
            if itself:
                overlap[near == some[:, None]] = -1
            best = overlap.argmax(1)[:, None]
            fit = np.take_along_axis(near, best, 1)[:, 0]
            fits[some] = np.where(np.take_along_axis(overlap, best, 1)[:, 0] < 0, NONE, fit)
    return fits


def _words(store: PatchStore) -> np.ndarray:
    """The masks of a store, 64 pixels per word: (A, words) uint64."""
    packed = read_array(store.folder / "masks.npy")
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 8))).view(np.uint64)


def _overlaps(masks: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union (n, k) of masks (n, words) and others (n, k, words), as bits."""
    common = np.bitwise_count(masks[:, None] & others).sum(2, dtype=np.int64)
    either = np.bitwise_count(masks[:, None] | others).sum(2, dtype=np.int64)
    return common / np.maximum(either, 1)
