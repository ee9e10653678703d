"""Objects cut out of photos, once for a whole split, into a store that training reads by rows (Text2Scene's
composites, Tan et al. 2019, whose authors kept a file for each); and the same objects at full resolution.

A window of twice the object's box lies around its centre, both in whole pixels; what lies beyond the photo is
black. Windows become squares: pictures are read bicubically, masks and classes at the nearest pixel.
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
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from pycocotools import mask as run_lengths

from seq2scene.caching import facts_of, kept, key
from seq2scene.compositing.patch_store import FACTS, PatchStore, packed
from seq2scene.data.coco_masks import Pieces
from seq2scene.data.progress import progress_bar
from seq2scene.errors import UserError
from seq2scene.json_text import to_json
from seq2scene.nets.vision.image_encoder import ImageEncoder
from seq2scene.scenes.boxes import on_square
from seq2scene.scenes.images import open_photo
from seq2scene.scenes.objects import FIRST_CLASS
from seq2scene.scenes.photos import Patches
from seq2scene.sequences.batching import prefetched

log = logging.getLogger(__name__)

VERSION = 2  # raise it when photos are cut otherwise or the layout changes
CHUNK = 64  # photos that are done together, or not at all
BATCH = {"cpu": 8, "cuda": 128}  # windows that an encoder is given; small ones stay in a CPU's cache
CONTEXT = 2  # a window's width and height, in those of the object's box
MARGIN = 2  # pixels around a patch that bicubic reading reaches
RECORD = "progress.json"  # of unfinished work
TOLD = 5  # photos that a message names


def store_patches(
    pieces: Pieces,
    photo_paths: Sequence[Path],
    folder: Path | str,
    encoder: ImageEncoder | None = None,
    side: int = 64,
    photo_side: int = 128,
    what: str = "photos",
    hint: str = "",
) -> PatchStore:
    """The store of all ``pieces`` and their photos, whose files are ``photo_paths``, one for each of
    ``pieces.images``; made under ``folder`` with a progress bar where it is not there yet.

    The label map of a photo shows the class of each pixel as ``pasting.covered`` does: later things
    over earlier ones, these over stuff, earlier stuff over later. encoder: its map of each window, averaged
    over the cells, is kept as ``features``; it sees the mean colour beyond the photo. side, photo_side:
    pixels of cuts and of photos, which lie on their squares at the bottom on the left. what: of messages.

    The store is known by a hash of all that goes into it, so that whatever changes is made anew. One process
    makes it while others that want it wait; work that was broken off goes on where it was. A photo that is
    damaged, or not of the size that the annotations say, is left out with its pieces, which a warning tells.

    Raises:
        UserError: photos are missing (``hint`` ends the message), none can be used, there are no pieces, or
            the folder cannot be written or has no room.
    """
    job = _Job(pieces, [Path(path) for path in photo_paths], encoder, side, photo_side)
    _check(job, hint)
    store = Path(folder) / "patches" / job.key()
    kept(store, lambda: job, lambda *each: _fill(*each, what), "choose another folder", resume=True)
    return PatchStore.open(store)


def full_patches(
    store: PatchStore, numbers: np.ndarray, photo_folder: Path | str, longest: int = 256
) -> Patches:
    """The objects ``numbers`` (N,) out of the photos themselves, -1 for none: at full resolution, unless a
    picture were longer than ``longest`` pixels. Pictures (N, 3, h, w) uint8, masks (N, 1, h, w) bool.

    Raises:
        UserError: a photo is missing, damaged, or not of the size that the store says.
    """
    there = np.flatnonzero(numbers >= 0)
    wanted = numbers[there]
    photos = store.photo[wanted]
    sizes = store.sizes[photos]
    masks = _masks([store.run(number) for number in wanted.tolist()], sizes)
    windows, shown = _around(masks, sizes, longest)
    wide, high = shown.max(0, initial=1).tolist()
    pictures = np.zeros((len(numbers), 3, high, wide), dtype=np.uint8)
    shapes = np.zeros((len(numbers), 1, high, wide), dtype=bool)
    for photo in np.unique(photos):
        picture = _upright(Path(photo_folder) / str(store.files[photo]), store.sizes[photo])
        for n in np.flatnonzero(photos == photo):
            columns, rows = shown[n].tolist()
            beyond = (0, 0), (0, high - rows), (0, wide - columns)
            pictures[there[n]] = np.pad(_seen(picture, windows[n], (columns, rows)), beyond, mode="edge")
            shapes[there[n], 0, :rows, :columns] = _nearest(
                run_lengths.decode(masks[n]), windows[n : n + 1], (columns, rows)
            )
    boxes = np.tile(np.float32([0.5, 0.5, 1, 1]), (len(numbers), 1))  # with an area, even where nothing is
    square = sizes.max(1, keepdims=True)
    own = store.boxes[wanted].astype(np.float64) * square
    own[:, 1] -= square[:, 0] - sizes[:, 1]
    boxes[there] = _within(own, windows, shown)
    ratios = np.ones(len(numbers), dtype=np.float32)
    ratios[there] = store.ratios[wanted]
    return Patches(*map(torch.from_numpy, (pictures, shapes, boxes, ratios)))


def _around(masks: list[dict], sizes: np.ndarray, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """Windows (N, 4) left, top, width and height around masks, and the sizes (N, 2) they are shown at."""
    seen = np.asarray(run_lengths.toBbox(masks), dtype=np.float64).reshape(-1, 4)
    room = max(longest - 2 * (MARGIN + 1), 1)
    zoom = np.minimum(room / seen[:, 2:].max(1, keepdims=True, initial=1), 1)
    around = np.ceil(MARGIN / zoom)
    first = np.maximum(seen[:, :2] - around, 0).astype(np.int64)
    extents = np.minimum(seen[:, :2] + seen[:, 2:] + around, sizes).astype(np.int64) - first
    return np.concatenate([first, extents], axis=1), np.maximum(np.round(extents * zoom), 1).astype(np.int64)


# Cutting


def _centred(boxes: np.ndarray) -> np.ndarray:
    """Boxes (A, 4) left, top, width and height -> centre x, y, width and height, as ``on_square`` counts: the
    first pixel's centre is at 0.
    """
    return np.concatenate([boxes[:, :2] + (boxes[:, 2:] - 1) / 2, boxes[:, 2:]], axis=1)


def _windows(boxes: np.ndarray) -> np.ndarray:
    """(A, 4) int64 left, top, width and height of the windows around boxes, ``_centred``."""
    extents = np.maximum((CONTEXT * boxes[:, 2:]).astype(np.int64), 1)
    return np.concatenate([np.floor(boxes[:, :2]).astype(np.int64) - extents // 2, extents], axis=1)


def _within(boxes: np.ndarray, windows: np.ndarray, shown: np.ndarray | int) -> np.ndarray:
    """Boxes, ``_centred``, in pixels of their windows, which are ``shown`` at other sizes."""
    zoom = shown / windows[:, 2:]
    centres = boxes[:, :2] + 0.5 - windows[:, :2]  # pixel 0 lies from 0 to 1
    return np.concatenate([centres * zoom, boxes[:, 2:] * zoom], axis=1).astype(np.float32)


def _masks(runs: list[bytes], sizes: np.ndarray) -> list[dict]:
    """As pycocotools takes them."""
    return [{"size": [h, w], "counts": run} for run, (w, h) in zip(runs, sizes.tolist(), strict=True)]


def _upright(path: Path, size: np.ndarray) -> Image.Image:
    """A photo; raises UserError where it is not of the size (width, height) that it should be."""
    photo = open_photo(path)
    if photo.size != tuple(size.tolist()):
        raise UserError(
            f"{path} has {photo.width} x {photo.height} pixels, not {size[0]} x {size[1]} as annotated"
        )
    return photo


def _seen(
    photo: Image.Image, window: np.ndarray, size: tuple[int, int], beyond: tuple[int, ...] = (0, 0, 0)
) -> np.ndarray:
    """A window of a photo as (3, rows, columns) of ``size`` (columns, rows), read bicubically."""
    left, top, width, height = window.tolist()
    whole = Image.new("RGB", (width, height), beyond)
    whole.paste(photo, (-left, -top))
    return np.asarray(whole.resize(size, Image.Resampling.BICUBIC)).transpose(2, 0, 1)


def _nearest(flat: np.ndarray, windows: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Windows (P, 4) of masks (y, x, P), each of its own, or of one map (y, x), as (P, rows, columns) of
    ``size`` (columns, rows), read at the nearest pixels; 0 beyond.
    """
    columns, rows = (
        first[:, None] + (2 * np.arange(pixels) + 1) * extent[:, None] // (2 * pixels)
        for first, extent, pixels in zip(windows[:, :2].T, windows[:, 2:].T, size, strict=True)
    )
    high, wide = flat.shape[:2]
    inside = ((rows >= 0) & (rows < high))[:, :, None] & ((columns >= 0) & (columns < wide))[:, None]
    at = rows.clip(0, high - 1)[:, :, None], columns.clip(0, wide - 1)[:, None]
    return flat[at if flat.ndim == 2 else (*at, np.arange(len(windows))[:, None, None])] * inside


def _class_map(masks: np.ndarray, classes: np.ndarray, first_stuff: int) -> np.ndarray:
    """(y, x) uint8: the class that is seen of masks (y, x, P), as ``compositing.pasting.covered`` says."""
    steps = np.arange(len(classes))
    height = np.where(classes < first_stuff, len(steps) + steps, -steps)
    table = np.concatenate([[0], classes[height.argsort()]]).astype(np.uint8)
    rank = (1 + height.argsort().argsort()).astype(np.uint16)
    return table[(masks.T * rank[:, None, None]).max(0, initial=0)].T


# Making a store


@dataclass(frozen=True)
class _Job:
    """What goes into a store."""

    pieces: Pieces
    paths: list[Path]
    encoder: ImageEncoder | None
    side: int
    photo_side: int

    @cached_property
    def starts(self) -> np.ndarray:
        """(N + 1,) the first piece of each photo, and the end."""
        return np.searchsorted(self.pieces.image, np.arange(len(self.paths) + 1))

    def cut(self, photo: int) -> tuple[dict[str, np.ndarray], str]:
        """Of a photo and its pieces what the store holds; zeros, and why, where it cannot be used. ``large``:
        windows as the encoder reads them.
        """
        own = slice(*self.starts[photo : photo + 2])
        windows, size = _windows(_centred(self.pieces.boxes[own])), self.pieces.images.sizes[photo]
        parts = {name: np.zeros(shape, kind) for name, (kind, shape) in self.layout(1, len(windows)).items()}
        if self.encoder is not None:
            del parts["features"]
            parts["large"] = np.zeros((len(windows), 3, self.encoder.size, self.encoder.size), np.uint8)
        try:
            picture = _upright(self.paths[photo], size)
        except UserError as error:
            return parts, str(error)
        masks = run_lengths.decode(_masks(self.pieces.runs[own], size[None].repeat(len(windows), 0)))
        classes = _class_map(masks, self.pieces.category[own] + FIRST_CLASS, FIRST_CLASS + self.pieces.things)
        side, whole = (self.side, self.side), (self.photo_side, self.photo_side)
        square = np.array([0, size[1] - size.max(), size.max(), size.max()])
        parts["photo_pictures"][0] = _seen(picture, square, whole)
        parts["photo_masks"][:] = packed(_nearest(masks, square[None].repeat(len(windows), 0), whole))
        parts["masks"][:] = packed(_nearest(masks, windows, side))
        parts["labels"][:] = _nearest(classes, windows, side)
        for n, window in enumerate(windows):
            parts["pictures"][n] = _seen(picture, window, side)
        if self.encoder is not None:
            mean = tuple(self.encoder.mean.flatten().round().int().tolist())
            for n, window in enumerate(windows):
                parts["large"][n] = _seen(picture, window, parts["large"].shape[2:], mean)
        return parts, ""

    def layout(self, photos: int, pieces: int) -> dict[str, tuple[type, tuple[int, ...]]]:
        """Type and shape of the large arrays of so many photos and pieces."""
        byte, side, whole = np.uint8, self.side, self.photo_side
        layout = {
            "pictures": (byte, (pieces, 3, side, side)),
            "masks": (byte, (pieces, (side * side + 7) // 8)),
            "labels": (byte, (pieces, side, side)),
            "photo_masks": (byte, (pieces, (whole * whole + 7) // 8)),
            "photo_pictures": (byte, (photos, 3, whole, whole)),
        }
        if self.encoder is not None:
            layout["features"] = (np.float16, (pieces, self.encoder.output_size))
        return layout

    def key(self) -> str:
        told, encoder = self.pieces, self.encoder
        settings = [VERSION, self.side, self.photo_side, encoder and encoder.fingerprint()]
        said = [told.names, told.things, told.ids, told.images.files, told.licenses.of_images]
        said += [told.licenses.terms, facts_of(self.paths)]
        arrays = told.images.ids, told.images.sizes, told.image, told.category, told.boxes
        runs = (run + b"\n" for run in told.runs)
        return key(to_json([*settings, *said]), chain((values.tobytes() for values in arrays), runs))


def _check(job: _Job, hint: str) -> None:
    if not len(job.pieces.image):
        raise UserError("there is nothing to cut out of the photos: no object is annotated, or none is left")
    most = 256 - FIRST_CLASS
    if len(job.pieces.names) > most:
        raise UserError(f"a store of patches holds {most} categories at most, not {len(job.pieces.names)}")
    missing = [path for path in job.paths if not path.is_file()]
    if missing:
        folders = sorted({str(path.parent) for path in missing})
        raise UserError(
            f"{len(missing)} of {len(job.paths)} photos are not where they are looked for, in "
            f"{_some(folders)}: {_some([path.name for path in missing])}{hint}"
        )


def _fill(draft: Path, job: _Job, what: str) -> None:
    """Fills a draft, maybe a begun one, chunk by chunk, until it is a store."""
    began, photos = time.monotonic(), len(job.paths)
    before, lacking = _begin(job, draft)
    arrays = {name: np.lib.format.open_memmap(draft / f"{name}.npy", "r+") for name in job.layout(0, 0)}
    with progress_bar() as progress:
        task = progress.add_task(f"patches of {what}", total=photos, completed=before)
        for chunk, found, reasons in _chunks(job, before):
            pieces = slice(*job.starts[[chunk.start, chunk.stop]])
            for name, array in arrays.items():
                array[slice(chunk.start, chunk.stop) if name == "photo_pictures" else pieces] = found[name]
                array.flush()
            lacking |= reasons
            _record(draft, chunk.stop, lacking)
            progress.advance(task, len(chunk))
        if len(lacking) == photos:
            raise UserError(f"none of the {photos} photos can be used: {_some(list(lacking.values()))}")
        left_out = _finish(job, draft, lacking)
        (draft / RECORD).unlink()
        size = sum(file.stat().st_size for file in draft.iterdir())
        progress.console.print(
            f"{what}: {len(job.pieces.image) - left_out} patches of {photos - len(lacking)} photos in "
            f"{time.monotonic() - began:.1f} s, {size / 1e6:.1f} MB"
            + (f"; {before} photos were done before" if before else "")
        )
    if lacking:
        log.warning(
            "%s: %d of %d photos, and the %d patches in them, are left out: %s",
            *(what, len(lacking), photos, left_out, _some(list(lacking.values()))),
        )


def _begin(job: _Job, draft: Path) -> tuple[int, dict[str, str]]:
    """How many photos of a draft, maybe a new one, are done, and which of these are lacking and why."""
    try:
        record = json.loads((draft / RECORD).read_text(encoding="utf-8"))
        return record["done"], record["lacking"]
    except (OSError, ValueError):
        shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir()
    layout = job.layout(len(job.paths), len(job.pieces.image))
    size = sum(np.dtype(kind).itemsize * int(np.prod(shape)) for kind, shape in layout.values())
    free = shutil.disk_usage(draft).free
    if size > free:
        raise UserError(
            f"the patches take {size / 1e9:.1f} GB, and {draft.parent} has {free / 1e9:.1f} GB left: make "
            "room or choose another folder"
        )
    for name, (kind, shape) in layout.items():
        np.lib.format.open_memmap(draft / f"{name}.npy", "w+", kind, shape)
        with (draft / f"{name}.npy").open("r+b") as file:  # a full disk is then told
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
    _record(draft, 0, {})
    return 0, {}


def _record(draft: Path, done: int, lacking: dict[str, str]) -> None:
    new = draft / "progress.new"
    new.write_text(to_json({"done": done, "lacking": lacking}), encoding="utf-8")
    os.replace(new, draft / RECORD)


def _chunks(job: _Job, done: int) -> Iterator[tuple[range, dict[str, np.ndarray], dict[str, str]]]:
    """Chunk by chunk, from photo ``done`` on, what the arrays hold of it, and which photos it lacks."""
    photos = len(job.paths)
    chunks = [range(first, min(first + CHUNK, photos)) for first in range(done, photos, CHUNK)]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool, _at_work(job.encoder) as device:
        found = (list(pool.map(job.cut, chunk)) for chunk in chunks)
        for chunk, parts in zip(chunks, prefetched(found, 1), strict=True):
            whole = {name: np.concatenate([part[name] for part, _ in parts]) for name in parts[0][0]}
            if device is not None:
                whole["features"] = _features(job.encoder, whole.pop("large"), device)
            files = job.pieces.images.files
            yield chunk, whole, {files[n]: why for n, (_, why) in zip(chunk, parts, strict=True) if why}


@torch.no_grad()
def _features(encoder: ImageEncoder, windows: np.ndarray, device: torch.device) -> np.ndarray:
    """(P, 3, size, size) -> (P, F) float16."""
    batches = torch.from_numpy(windows).split(BATCH[device.type])
    layout = torch.channels_last  # the faster one on a CPU
    maps = [encoder(batch.to(device, memory_format=layout)).mean((2, 3)) for batch in batches]
    return torch.cat(maps).to("cpu", torch.float16).numpy()


def _finish(job: _Job, draft: Path, lacking: dict[str, str]) -> int:
    """Writes the small arrays of a draft -> how many pieces it lacks."""
    told, images, boxes = job.pieces, job.pieces.images, _centred(job.pieces.boxes)
    without = np.isin(np.asarray(images.files), list(lacking))[told.image]
    small = {
        "classes": np.where(without, 0, told.category + FIRST_CLASS),
        "boxes": on_square(told.boxes, images.sizes[told.image]),
        "ratios": (boxes[:, 2] / boxes[:, 3]).astype(np.float32),
        "middles": _within(boxes, _windows(boxes), job.side),
        "photo": told.image,
        "ids": np.asarray(told.ids),
        "runs": np.frombuffer(b"".join(told.runs), dtype=np.uint8),
        "run_ends": np.cumsum([0, *map(len, told.runs)]),
        "image_ids": images.ids,
        "files": np.asarray(images.files),
        "sizes": images.sizes,
        "licenses": np.asarray([-1 if number is None else number for number in told.licenses.of_images]),
    }
    for name, values in small.items():
        np.save(draft / f"{name}.npy", values)
    facts = {
        "names": told.names,
        "things": told.things,
        "side": job.side,
        "photo_side": job.photo_side,
        "features": job.encoder is not None,
        "terms": told.licenses.terms,
        "lacking": lacking,
    }
    (draft / FACTS).write_text(to_json(facts), encoding="utf-8")
    return int(without.sum())


def _some(told: list[str]) -> str:
    return ", ".join(told[:TOLD]) + (" ..." if len(told) > TOLD else "")


@contextmanager
def _at_work(encoder: ImageEncoder | None) -> Iterator[torch.device | None]:
    """The encoder on a GPU, if there is one, and back where it was."""
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
