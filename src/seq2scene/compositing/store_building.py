"""All patches of a split cut out of their photos, once, into a store that training reads by rows
(Text2Scene's composites, Tan et al. 2019, whose authors kept one file per patch).
"""

import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from pycocotools import mask as run_lengths
from torch import nn

from seq2scene.caching import facts_of, kept, key, renewed
from seq2scene.compositing.patch_cutting import (
    centred,
    coco_masks,
    context_windows,
    crop,
    crop_nearest,
    in_window,
    label_map,
    open_annotated,
)
from seq2scene.compositing.patch_store import FACTS, PatchStore, packed
from seq2scene.errors import UserError
from seq2scene.json_text import to_json
from seq2scene.progress import progress_bar
from seq2scene.scenes.boxes import on_square
from seq2scene.scenes.objects import FIRST_CLASS
from seq2scene.sequences.batching import prefetched, usable_cores

log = logging.getLogger(__name__)

VERSION = 2  # raise it when patches are cut differently or the layout changes
CHUNK = 64  # photos whose patches are stored together
BATCH = {"cpu": 8, "cuda": 128}  # windows per batch of an encoder; small ones stay in a CPU's cache
RECORD = "progress.json"  # of an unfinished store
LISTED = 5  # photos that a message names


class Segments(Protocol):
    """A segments of N photos, those of a photo adjacent.

    images: the photos' ``ids`` (N,) int64, ``sizes`` (N, 2) int64, width and height, and ``files``, names.
    licenses: ``of_images``, the number of each photo's licence or None, and ``terms``, the name and address
    of each licence by its number. image: (A,) int64, the photo of each segment. category: (A,) int64, indices
    into ``names``, of which the first ``things`` are things, the rest stuff. boxes: (A, 4) float64 left, top,
    width and height in pixels. runs: masks as COCO's compressed run lengths. ids: of the annotations.
    """

    @property
    def images(self) -> Any: ...

    @property
    def licenses(self) -> Any: ...

    @property
    def image(self) -> np.ndarray: ...

    @property
    def category(self) -> np.ndarray: ...

    @property
    def boxes(self) -> np.ndarray: ...

    @property
    def runs(self) -> list[bytes]: ...

    @property
    def ids(self) -> list[str]: ...

    @property
    def names(self) -> tuple[str, ...]: ...

    @property
    def things(self) -> int: ...


def store_patches(
    segments: Segments,
    photo_paths: Sequence[Path],
    folder: Path | str,
    encoder: nn.Module | None = None,
    side: int = 64,
    photo_side: int = 128,
    what: str | None = "photos",
    hint: str = "",
) -> PatchStore:
    """The store of the patches of all ``segments`` and of their photos, made under ``folder`` unless it is
    already there, with a progress bar.

    photo_paths: the file of each of ``segments.images``. encoder: a frozen
    ``nets.vision.image_encoder.ImageEncoder``, whose map of each window, averaged over its cells, becomes
    ``features``; its windows show the mean colour beyond the photo. side, photo_side: pixels of patches and
    of photos, which lie at the bottom left of their squares. what: names the photos in messages; None: no
    bar, and no message when it is done. hint: ends the message about missing photos.

    The label map of a photo shows the class of each pixel in the order of ``pasting.overlaid``.

    A store is identified by a hash of everything it depends on, so any change makes a new one. One process
    makes it while others wait; interrupted work is resumed. A photo that is damaged, or whose size is not
    that of its annotations, is left out along with its patches, with a warning.

    Raises:
        UserError: photos are missing, none can be used, there are no segments, or the folder cannot be
            written or has too little space.
    """
    job = _Job(segments, [Path(path) for path in photo_paths], encoder, side, photo_side)
    _check(job, hint)
    store = Path(folder) / "patches" / job.key()
    advice = "choose another folder"
    write = partial(_fill, what=what)
    fill = partial(kept, store, lambda: job, write, advice, resume=True)
    return renewed(store, fill, PatchStore.open, advice)


@dataclass(frozen=True)
class _Job:
    """Everything that a store depends on."""

    segments: Segments
    paths: list[Path]
    encoder: nn.Module | None
    side: int
    photo_side: int

    @cached_property
    def starts(self) -> np.ndarray:
        """(N + 1,) the first segment of each photo, and the end."""
        return np.searchsorted(self.segments.image, np.arange(len(self.paths) + 1))

    def cut(self, photo: int) -> tuple[dict[str, np.ndarray], str]:
        """What the store holds of a photo and its patches; zeros, and the reason, if the photo cannot be
        used. With an encoder, ``large`` are the windows as its input instead of ``features``.
        """
        these = slice(*self.starts[photo : photo + 2])
        windows, size = (
            context_windows(centred(self.segments.boxes[these])),
            self.segments.images.sizes[photo],
        )
        layout = self.layout(1, len(windows))
        rows: dict[str, Any] = {name: np.zeros(shape, kind) for name, (kind, shape) in layout.items()}
        if self.encoder is not None:
            del rows["features"]
            rows["large"] = np.zeros((len(windows), 3, self.encoder.size, self.encoder.size), np.uint8)
        try:
            picture = open_annotated(self.paths[photo], size)
        except UserError as error:
            return rows, str(error)
        masks = run_lengths.decode(coco_masks(self.segments.runs[these], size[None].repeat(len(windows), 0)))
        first_stuff = FIRST_CLASS + self.segments.things
        labels = label_map(masks, self.segments.category[these] + FIRST_CLASS, first_stuff)
        side, whole = (self.side, self.side), (self.photo_side, self.photo_side)
        square = np.array([0, size[1] - size.max(), size.max(), size.max()])
        rows["photo_pictures"][0] = crop(picture, square, whole)
        rows["photo_masks"][:] = packed(crop_nearest(masks, square[None].repeat(len(windows), 0), whole))
        rows["masks"][:] = packed(crop_nearest(masks, windows, side))
        rows["labels"][:] = crop_nearest(labels, windows, side)
        for n, window in enumerate(windows):
            rows["pictures"][n] = crop(picture, window, side)
        if self.encoder is not None:
            mean = tuple(self.encoder.mean.flatten().round().int().tolist())
            for n, window in enumerate(windows):
                rows["large"][n] = crop(picture, window, (self.encoder.size, self.encoder.size), mean)
        return rows, ""

    def layout(self, photos: int, patches: int) -> dict[str, tuple[type, tuple[int, ...]]]:
        """Type and shape of the large arrays for given numbers of photos and patches."""
        byte, side, whole = np.uint8, self.side, self.photo_side
        layout: dict[str, tuple[type, tuple[int, ...]]] = {
            "pictures": (byte, (patches, 3, side, side)),
            "masks": (byte, (patches, (side * side + 7) // 8)),
            "labels": (byte, (patches, side, side)),
            "photo_masks": (byte, (patches, (whole * whole + 7) // 8)),
            "photo_pictures": (byte, (photos, 3, whole, whole)),
        }
        if self.encoder is not None:
            layout["features"] = (np.float16, (patches, self.encoder.output_size))
        return layout

    def key(self) -> str:
        segments, encoder = self.segments, self.encoder
        images, licenses = segments.images, segments.licenses
        facts = [VERSION, self.side, self.photo_side, encoder and encoder.fingerprint()]
        facts += [segments.names, segments.things, segments.ids, images.files, licenses.of_images]
        facts += [licenses.terms, facts_of(self.paths)]
        arrays = images.ids, images.sizes, segments.image, segments.category, segments.boxes
        runs = (run + b"\n" for run in segments.runs)
        return key(to_json(facts), chain((values.tobytes() for values in arrays), runs))


def _check(job: _Job, hint: str) -> None:
    if not len(job.segments.image):
        raise UserError("there is nothing to cut out of the photos: no object is annotated, or none is left")
    most = 256 - FIRST_CLASS
    if len(job.segments.names) > most:
        raise UserError(f"a store of patches holds {most} categories at most, not {len(job.segments.names)}")
    missing = [path for path in job.paths if not path.is_file()]
    if missing:
        folders = sorted({str(path.parent) for path in missing})
        raise UserError(
            f"{len(missing)} of {len(job.paths)} photos are not where they are looked for, in "
            f"{_some(folders)}: {_some([path.name for path in missing])}{hint}"
        )


def _fill(draft: Path, job: _Job, what: str | None) -> None:
    """Fills a draft, new or interrupted, chunk by chunk, until it is a store."""
    began, photos = time.monotonic(), len(job.paths)
    before, lacking = _begin(job, draft)
    arrays = {name: np.lib.format.open_memmap(draft / f"{name}.npy", "r+") for name in job.layout(0, 0)}
    with progress_bar() as progress:
        progress.disable = what is None
        task = progress.add_task(f"patches of {what}", total=photos, completed=before)
        for chunk, found, reasons in _chunks(job, before):
            patches = slice(*job.starts[[chunk.start, chunk.stop]])
            for name, array in arrays.items():
                array[slice(chunk.start, chunk.stop) if name == "photo_pictures" else patches] = found[name]
                array.flush()
            lacking |= reasons
            _record(draft, chunk.stop, lacking)
            progress.advance(task, len(chunk))
        if len(lacking) == photos:
            raise UserError(f"none of the {photos} photos can be used: {_some(list(lacking.values()))}")
        left_out = _finish(job, draft, lacking)
        (draft / RECORD).unlink()
        size = sum(file.stat().st_size for file in draft.iterdir())
        if what is not None:
            progress.console.print(
                f"{what}: {len(job.segments.image) - left_out} patches of {photos - len(lacking)} photos in "
                f"{time.monotonic() - began:.1f} s, {size / 1e6:.1f} MB"
                + (f"; {before} photos were done before" if before else "")
            )
    if lacking:
        log.warning(
            "%s: %d of %d photos, and the %d patches in them, are left out: %s",
            *(what or "photos", len(lacking), photos, left_out, _some(list(lacking.values()))),
        )


def _begin(job: _Job, draft: Path) -> tuple[int, dict[str, str]]:
    """How many photos of a draft, new or interrupted, are done, and which of them were unusable and why."""
    try:
        record = json.loads((draft / RECORD).read_text(encoding="utf-8"))
        return record["done"], record["lacking"]
    except (OSError, ValueError):
        shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    layout = job.layout(len(job.paths), len(job.segments.image))
    size = sum(np.dtype(kind).itemsize * int(np.prod(shape)) for kind, shape in layout.values())
    free = shutil.disk_usage(draft).free
    if size > free:
        raise UserError(
            f"the patches take {size / 1e9:.1f} GB, and {draft.parent} has {free / 1e9:.1f} GB left: make "
            "room or choose another folder"
        )
    for name, (kind, shape) in layout.items():
        np.lib.format.open_memmap(draft / f"{name}.npy", "w+", kind, shape)
        with (draft / f"{name}.npy").open("r+b") as file:  # which reports a full disk
            if hasattr(os, "posix_fallocate"):  # macOS has none
                os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
    _record(draft, 0, {})
    return 0, {}


def _record(draft: Path, done: int, lacking: dict[str, str]) -> None:
    new = draft / "progress.new"
    new.write_text(to_json({"done": done, "lacking": lacking}), encoding="utf-8")
    os.replace(new, draft / RECORD)


def _chunks(job: _Job, done: int) -> Iterator[tuple[range, dict[str, np.ndarray], dict[str, str]]]:
    """Chunk by chunk, from photo ``done`` on: its photos, its rows of the arrays, and its unusable photos."""
    photos = len(job.paths)
    chunks = [range(first, min(first + CHUNK, photos)) for first in range(done, photos, CHUNK)]
    with ThreadPoolExecutor(usable_cores()) as pool, _at_work(job.encoder) as device:
        found = (list(pool.map(job.cut, chunk)) for chunk in chunks)
        for chunk, cut in zip(chunks, prefetched(found, 1), strict=True):
            whole = {name: np.concatenate([rows[name] for rows, _ in cut]) for name in cut[0][0]}
            if device is not None:
                whole["features"] = _features(job.encoder, whole.pop("large"), device)
            files = job.segments.images.files
            yield chunk, whole, {files[n]: why for n, (_, why) in zip(chunk, cut, strict=True) if why}


@torch.no_grad()
def _features(encoder: nn.Module, windows: np.ndarray, device: torch.device) -> np.ndarray:
    """(P, 3, size, size) -> (P, F) float16."""
    batches = torch.from_numpy(windows).split(BATCH[device.type])
    layout = torch.channels_last  # the faster one on a CPU
    maps = [encoder(batch.to(device, memory_format=layout)).mean((2, 3)) for batch in batches]
    return torch.cat(maps).to("cpu", torch.float16).numpy()


def _finish(job: _Job, draft: Path, lacking: dict[str, str]) -> int:
    """Writes the small arrays of a draft -> how many of its patches are of unusable photos."""
    segments, images, boxes = job.segments, job.segments.images, centred(job.segments.boxes)
    without = np.isin(np.asarray(images.files), list(lacking))[segments.image]
    small = {
        "classes": np.where(without, 0, segments.category + FIRST_CLASS),
        "boxes": on_square(segments.boxes, images.sizes[segments.image]),
        "ratios": (boxes[:, 2] / boxes[:, 3]).astype(np.float32),
        "middles": in_window(boxes, context_windows(boxes), job.side),
        "photo": segments.image,
        "ids": np.asarray(segments.ids),
        "runs": np.frombuffer(b"".join(segments.runs), dtype=np.uint8),
        "run_ends": np.cumsum([0, *map(len, segments.runs)]),
        "image_ids": images.ids,
        "files": np.asarray(images.files),
        "sizes": images.sizes,
        "licenses": np.asarray([-1 if number is None else number for number in segments.licenses.of_images]),
    }
    for name, values in small.items():
        np.save(draft / f"{name}.npy", values)
    facts = {
        "names": segments.names,
        "things": segments.things,
        "side": job.side,
        "photo_side": job.photo_side,
        "features": job.encoder is not None,
        "terms": segments.licenses.terms,
        "lacking": lacking,
    }
    (draft / FACTS).write_text(to_json(facts), encoding="utf-8")
    return int(without.sum())


def _some(texts: list[str]) -> str:
    return ", ".join(texts[:LISTED]) + (" ..." if len(texts) > LISTED else "")


@contextmanager
def _at_work(encoder: nn.Module | None) -> Iterator[torch.device | None]:
    """Moves the encoder to a GPU, if there is one, and back again."""
    if encoder is None:
        yield None
        return
    home = encoder.mean.device
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    encoder.to(device, memory_format=torch.channels_last)
    try:
        yield device
    finally:
        encoder.to(home, memory_format=torch.contiguous_format)
