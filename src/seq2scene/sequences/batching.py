"""How sentences are grouped into batches, and the loader that makes those batches.

A training plan works in *steps*: one batch on each of W ranks. A length-sorted order is first cut into steps,
whose sentences are then dealt to the ranks, so W ranks with batches of B see at each step what one rank with
batches of W * B sees.
"""

import atexit
import logging
import math
import os
import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, Protocol

import numpy as np
import torch

from seq2scene.errors import UserError
from seq2scene.sequences.batch import ParallelBatch, Sentences
from seq2scene.sequences.corpus import Corpus
from seq2scene.sequences.padding import pad_flat

log = logging.getLogger(__name__)


class Plan(Protocol):
    """Batches of row numbers, a pure function of the epoch; the same number in every epoch."""

    def __len__(self) -> int:
        """This rank's batches per epoch."""

    def batches(self, epoch: int) -> list[np.ndarray]:
        """The rows (int64) of each batch of this rank."""


class LengthBatches:
    """Training batches of sentences of similar length, in an order shuffled by seed and epoch.

    The sentences are permuted and cut into pools of ``pool_batches`` batches. Each pool is sorted by target
    and then source length, ties in permuted order, every second pool in descending order so that pools join
    smoothly. That order is cut into steps, which are dealt to the ranks and shuffled.

    Every sentence is seen exactly once per epoch, except for up to W - 1 that are seen twice to make their
    number a multiple of W. All ranks get the same number of batches, and in each step the same number of
    sentences.

    ``by="sentences"``: ``size`` is the maximum number of sentences in a rank's batch. Batches differ by at
    most one sentence, so there is no small last batch.
    ``by="tokens"``: ``size`` is the maximum number of tokens, padding included, in a rank's batch, counted on
    the longer side. Every epoch has as many steps as epoch 0 needs, plus one per cent: if fewer are needed,
    some are halved; if more are needed, ``size`` is raised by one per cent at a time.

    Raises UserError if the longest sentence alone has more than ``size`` tokens.
    """

    def __init__(
        self,
        source_lengths: np.ndarray,
        target_lengths: np.ndarray,
        size: int,
        by: Literal["sentences", "tokens"] = "sentences",
        pool_batches: int = 100,
        seed: int = 0,
        rank: int = 0,
        world: int = 1,
    ):
        assert len(source_lengths) == len(target_lengths) > 0
        self.source_lengths, self.target_lengths = source_lengths, target_lengths
        self.size, self.by, self.pool_batches = size, by, pool_batches
        self.seed, self.rank, self.world = seed, rank, world
        self._longest = np.maximum(source_lengths, target_lengths)
        if by == "tokens" and self._longest.max() > size:
            raise UserError(
                f"batches of {size} tokens cannot hold the longest sentence, {self._longest.max()} tokens: "
                "raise batch_size or lower max_length"
            )
        self._steps = self._count_steps()

    def __len__(self) -> int:
        return self._steps

    def batches(self, epoch: int) -> list[np.ndarray]:
        rng = np.random.default_rng([self.seed, epoch])
        order = self._order(rng)  # (units, world): each row has one sentence per rank
        bounds = self._cut(order)
        rows = np.ascontiguousarray(order[:, self.rank])
        return [rows[bounds[step] : bounds[step + 1]] for step in rng.permutation(self._steps)]

    def _order(self, rng: np.random.Generator) -> np.ndarray:
        """All rows in the length order of their pools, (units, world)."""
        sentences = len(self._longest)
        order = np.resize(rng.permutation(sentences), -(-sentences // self.world) * self.world)
        pool = np.arange(len(order)) // self._pool_size()
        direction = 1 - 2 * (pool % 2)
        keys = (self.source_lengths[order] * direction, self.target_lengths[order] * direction, pool)
        return order[np.lexsort(keys)].reshape(-1, self.world)

    def _pool_size(self) -> int:
        """Sentences in ``pool_batches`` steps."""
        if self.by == "sentences":
            return self.pool_batches * self.size * self.world
        return max(int(self.pool_batches * self.size * self.world / max(self._longest.mean(), 1)), 1)

    def _count_steps(self) -> int:
        units = -(-len(self._longest) // self.world)
        if self.by == "sentences":
            return -(-units // self.size)
        cuts = len(self._cut_tokens(self._order(np.random.default_rng([self.seed, 0])), self.size)) - 1
        return min(math.ceil(cuts * 1.01), units)

    def _cut(self, order: np.ndarray) -> np.ndarray:
        """The boundaries of steps in ``order``: (steps + 1,)."""
        if self.by == "sentences":
            return np.arange(self._steps + 1) * len(order) // self._steps
        size = float(self.size)
        bounds = self._cut_tokens(order, size)
        while len(bounds) - 1 > self._steps:
            size *= 1.01
            bounds = self._cut_tokens(order, size)
        while (missing := self._steps + 1 - len(bounds)) > 0:
            bounds = _halve_largest(bounds, missing)
        return bounds

    def _cut_tokens(self, order: np.ndarray, size: float) -> np.ndarray:
        """Greedy cuts: as many units per step as fit into ``size`` tokens with padding."""
        longest = np.maximum(self._longest[order].max(axis=1), 1)
        bounds = [0]
        while bounds[-1] < len(longest):
            start = bounds[-1]
            width = np.maximum.accumulate(longest[start : start + int(size)])
            fitting = np.searchsorted(width * np.arange(1, len(width) + 1), size, side="right")
            bounds.append(start + int(fitting))
        return np.asarray(bounds)


class EvaluationBatches:
    """Batches for validation and test: every sentence exactly once over all ranks, longest first.

    Each of the W ranks takes every W-th sentence of the sorted order. All have the same number of batches,
    unless there are fewer sentences than ranks or batches of one sentence; then some have one batch fewer.
    """

    def __init__(
        self, source_lengths: np.ndarray, target_lengths: np.ndarray, size: int, rank: int = 0, world: int = 1
    ):
        order = np.lexsort((target_lengths, source_lengths))[::-1]
        mine = order[rank::world]
        batches = -(-len(order[::world]) // size)  # of the rank with the most sentences
        self._batches = [rows for rows in np.array_split(mine, batches) if len(rows)]

    def __len__(self) -> int:
        return len(self._batches)

    def batches(self, epoch: int) -> list[np.ndarray]:
        return self._batches


class Loader:
    """Iterates over the batches of one epoch at a time, and can resume in the middle of one.

    ``collate`` turns row numbers into a batch; ``prefetch`` batches are made ahead of time in a thread.
    Lightning sets the epoch on ``sampler`` and saves ``state_dict()`` in checkpoints. It creates the iterator
    before it sets the epoch, so an iteration reads epoch and position only when its first batch is requested.
    """

    batch_sampler = None  # Lightning reads it

    def __init__(
        self,
        plan: Plan,
        collate: Callable[[np.ndarray], ParallelBatch],
        prefetch: int = 0,
        pin_memory: bool = False,
    ):
        self.plan, self.collate = plan, collate
        self.prefetch, self.pin_memory = prefetch, pin_memory
        self.epoch = 0
        self._done = 0  # batches handed out in this epoch
        self._skip = 0  # batches that the next iteration skips, as they were handed out before

    @property
    def sampler(self) -> "Loader":
        return self

    def set_epoch(self, epoch: int) -> None:
        """A new epoch starts at its beginning; the same epoch keeps a restored position."""
        if epoch != self.epoch:
            self.epoch, self._done, self._skip = epoch, 0, 0

    def __len__(self) -> int:
        return len(self.plan)

    def __iter__(self) -> Iterator[ParallelBatch]:
        self._done, self._skip = self._skip, 0
        batches = map(self._make, self.plan.batches(self.epoch)[self._done :])
        for batch in prefetched(batches, self.prefetch) if self.prefetch else batches:
            self._done += 1
            yield batch

    def _make(self, rows: np.ndarray) -> ParallelBatch:
        batch = self.collate(rows)
        return batch.pin_memory() if self.pin_memory else batch

    def state_dict(self) -> dict[str, int]:
        """The position in the epoch: ``done`` of ``total`` batches have been handed out."""
        return {"epoch": self.epoch, "done": self._done, "total": len(self)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Makes the next iteration start after the first ``done`` batches."""
        if state["total"] != len(self):
            log.warning(
                "the checkpoint had %d batches per epoch, now there are %d: some sentences of this epoch "
                "are seen twice or not at all",
                *(state["total"], len(self)),
            )
        self.epoch = state["epoch"]
        self._skip = self._done = min(state["done"], len(self))


def collate_pairs(
    source: Corpus, target: Corpus, rows: np.ndarray, source_eos: bool = False, references: bool = False
) -> ParallelBatch:
    """The pairs of lines ``rows`` (B,) as a batch; targets end in EOS, sources only with ``source_eos``.

    With ``references`` the batch also has the original target lines.
    """
    return ParallelBatch(
        cut_sentences(source, rows, source_eos),
        cut_sentences(target, rows, True),
        torch.from_numpy(rows),
        tuple(target.text.line(row) for row in rows) if references else (),
    )


def cut_sentences(corpus: Corpus, rows: np.ndarray, eos: bool) -> Sentences:
    """The lines ``rows`` (B,) of a corpus, padded, with or without EOS."""
    starts = torch.from_numpy(corpus.offsets[rows])
    lengths = torch.from_numpy(corpus.offsets[rows + 1]) - starts - (0 if eos else 1)
    ids = pad_flat(torch.from_numpy(corpus.ids), starts, lengths, corpus.vocabulary.pad)
    return Sentences.of(ids, lengths)


def padding_efficiency(batches: list[np.ndarray], lengths: np.ndarray) -> float:
    """Real tokens / tokens with padding, for batches of row numbers into ``lengths``."""
    sizes = np.asarray([len(rows) for rows in batches])
    flat = lengths[np.concatenate(batches)]
    widths = np.maximum.reduceat(flat, np.cumsum(sizes) - sizes)
    return float(flat.sum() / max((widths * sizes).sum(), 1))


def usable_cores() -> int:
    """The cores that this process may use; where no system tells, as on macOS, those of the machine."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def prefetched(items: Iterable, depth: int) -> Iterator:
    """``items``, up to ``depth`` of them computed ahead in a thread, which ends when the iterator is
    dropped.
    """
    ready: queue.Queue = queue.Queue(depth)
    stopped = threading.Event()

    def offer(item: object) -> None:
        while not stopped.is_set():
            try:
                return ready.put(item, timeout=0.1)
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                offer((item, None))
                if stopped.is_set():
                    return
            offer((None, StopIteration()))
        except BaseException as error:
            offer((None, error))

    thread = threading.Thread(target=work, daemon=True)

    def stop() -> None:
        stopped.set()
        if thread is not threading.current_thread():  # the garbage collector may run in it
            thread.join()

    atexit.register(stop)  # a thread inside PyTorch at interpreter exit crashes the process
    thread.start()
    try:
        while True:
            item, error = ready.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item
    finally:
        atexit.unregister(stop)
        stop()


def _halve_largest(bounds: np.ndarray, most: int) -> np.ndarray:
    """Boundaries with up to ``most`` of the largest steps cut in half."""
    sizes = np.diff(bounds)
    largest = np.argsort(-sizes, kind="stable")[:most]
    largest = largest[sizes[largest] > 1]
    return np.union1d(bounds, bounds[largest] + sizes[largest] // 2)


class EqualLengths:
    """Training batches of at most ``size`` sentences of one length, so that nothing is padded (Xu et al.
    2015, section 4.3), shuffled by seed and epoch.

    A step is cut first and then dealt to the W ranks. Every sentence is seen in every epoch; if the size of a
    step is not a multiple of W, up to W - 1 sentences are seen twice. The last batch of a length may be
    smaller.
    """

    def __init__(self, lengths: np.ndarray, size: int, seed: int = 0, rank: int = 0, world: int = 1) -> None:
        self.lengths, self.size, self.seed, self.rank, self.world = lengths, size, seed, rank, world
        self._groups = [np.flatnonzero(lengths == length) for length in np.unique(lengths)]
        self._steps = sum(-(-len(group) // (size * world)) for group in self._groups)

    def __len__(self) -> int:
        return self._steps

    def batches(self, epoch: int) -> list[np.ndarray]:
        rng = np.random.default_rng([self.seed, epoch])
        step = self.size * self.world
        steps = []
        for group in self._groups:
            order = rng.permutation(group)
            steps += [order[first : first + step] for first in range(0, len(order), step)]
        dealt = [np.resize(rows, -(-len(rows) // self.world) * self.world) for rows in steps]
        return [dealt[i][self.rank :: self.world] for i in rng.permutation(self._steps)]
