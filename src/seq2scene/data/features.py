"""Feature maps of photos from a frozen image encoder, computed once: training never opens a photo again.

They are cached in blocks of a few thousand photos, each in a file that appears complete or not at all, so
interrupted work resumes where it was. A block is identified by a hash of the encoder, weights included, and
of its photos' paths, sizes and modification times, so that any change computes it again.
"""

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from seq2scene.arrays import Damaged, read_array
from seq2scene.caching import facts_of, kept, key, renewed
from seq2scene.json_text import to_json
from seq2scene.nets.vision.image_encoder import ImageEncoder
from seq2scene.progress import progress_bar
from seq2scene.scenes.images import read_photo
from seq2scene.sequences.batching import prefetched

VERSION = 2  # raise it when photos are opened differently or the layout changes
BLOCK = 2048  # photos
BATCH = 8  # small ones stay in a CPU's cache


class Features:
    """The maps of all photos of a split, mapped from disk: ``features[rows]`` is (B, D, y, x) float16."""

    def __init__(self, blocks: list[np.ndarray], size: int = BLOCK) -> None:
        self.blocks, self.size = blocks, size

    def __len__(self) -> int:
        return sum(map(len, self.blocks))

    def __getitem__(self, rows: np.ndarray) -> Tensor:
        shape = self.blocks[0].shape[1:]
        maps = np.empty((len(rows), *shape), dtype=np.float16)
        block, place = np.divmod(rows, self.size)
        for number in np.unique(block):
            here = block == number
            maps[here] = self.blocks[number][place[here]]
        return torch.from_numpy(maps)


def stored_features(
    encoder: ImageEncoder, photos: Sequence[Path], cache: Path | str, what: str = "photos", block: int = BLOCK
) -> Features:
    """The maps of ``photos`` in their order; those that the cache lacks are computed, with a progress bar.

    One process computes them while others wait; a damaged file of the cache is computed again.

    Raises UserError for photos that cannot be read and a cache that cannot be written.
    """
    folder = Path(cache) / "features"
    encoder_key = encoder.fingerprint()
    parts = [photos[first : first + block] for first in range(0, len(photos), block)]
    names = [key(to_json([VERSION, encoder_key, facts_of(part)])) for part in parts]
    blocks = [(folder / f"{name}.npy", part) for name, part in zip(names, parts, strict=True)]
    missing = [(file, part) for file, part in blocks if not file.is_file()]
    if missing:
        _make_all(encoder, missing, what)

    def load(file: Path, part: Sequence[Path]) -> np.ndarray:
        shape = len(part), encoder.output_size, *encoder.map_size
        make = partial(_make_all, encoder, [(file, part)], what)
        return renewed(file, lambda: None if file.is_file() else make(), partial(_load, shape=shape))

    return Features([load(*each) for each in blocks], block)


def _make_all(encoder: ImageEncoder, wanted: list[tuple[Path, Sequence[Path]]], what: str) -> None:
    with progress_bar() as progress:
        task, done = progress.add_task(f"features of {what}", total=sum(len(p) for _, p in wanted)), 0
        for file, part in wanted:

            def write(draft: Path, batches: Iterator[np.ndarray], size: int = len(part)) -> None:
                shape = size, encoder.output_size, *encoder.map_size
                maps, place = np.lib.format.open_memmap(draft, "w+", np.float16, shape), 0
                for batch in batches:
                    maps[place : place + len(batch)] = batch
                    place += len(batch)
                    progress.advance(task, len(batch))
                maps.flush()

            kept(file, partial(_encode, encoder, part), write)
            done += len(part)
            progress.update(task, completed=done)  # where another process made it, too


@torch.no_grad()
def _encode(encoder: ImageEncoder, photos: Sequence[Path]) -> Iterator[np.ndarray]:
    """Maps (B, D, y, x) float16, batch by batch, computed on a GPU if there is one; a thread opens the photos
    of the next batches meanwhile.
    """
    home = encoder.mean.device
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    batches = (photos[first : first + BATCH] for first in range(0, len(photos), BATCH))
    layout = torch.channels_last  # the faster one on a CPU
    opened = (torch.stack([read_photo(p, encoder.size, encoder.resize) for p in batch]) for batch in batches)
    encoder.to(device, memory_format=layout)
    try:
        for batch in prefetched(opened, 2):
            yield encoder(batch.to(device, memory_format=layout)).to("cpu", torch.float16).numpy()
    finally:
        encoder.to(home, memory_format=torch.contiguous_format)


def _load(file: Path, shape: tuple[int, ...]) -> np.ndarray:
    maps = read_array(file, "r")
    if maps.shape != shape or maps.dtype != np.float16:
        raise Damaged(f"{file} is damaged (it holds {maps.shape} {maps.dtype}, not {shape} float16)")
    return maps
