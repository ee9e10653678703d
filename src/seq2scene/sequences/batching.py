"""Which sentences meet in which batch, and the loader that makes those batches.

A training plan works in *steps*: one batch on each of W ranks. A step's sentences are cut from a
length-sorted order first and dealt to the ranks afterwards, so W ranks with batches of B see, step by step,
what one rank with batches of W * B sees.
"""

import atexit
import logging
import math
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
    """Batches of row numbers, a pure function of the epoch; equally many in every epoch."""

    def __len__(self) -> int:
        """Batches in an epoch, of this rank."""

    def batches(self, epoch: int) -> list[np.ndarray]:
        """The rows (int64) of each batch of this rank."""


class LengthBatches:
    """Training batches of sentences of like length, in an order shuffled by seed and epoch.

    The sentences are permuted and cut into pools of ``pool_batches`` batches. Each pool is sorted by target
    and then source length, ties in the permuted order, every second pool downwards so that pools join
    without a jump. Steps are cut from that order, dealt to the ranks, and shuffled.

    Every sentence is seen in every epoch, exactly once but for the up to W - 1 that are seen twice to make
    their number a multiple of W. All ranks get equally many batches, and in a step equally many sentences.

    ``by="sentences"``: ``size`` is the most sentences in a rank's batch. The batches differ by one sentence
    at most, so the last is no smaller than the others.
    ``by="tokens"``: ``size`` is the most padded tokens in a rank's batch, counted on the longer side. Every
    epoch has as many steps as epoch 0 needs, plus one per cent: where fewer are needed some are halved, and
    should more be needed ``size`` stretches by one per cent at a time.

    Raises UserError when the longest sentence alone has more than ``size`` tokens.
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
        order = self._order(rng)  # (units, world): a row is one sentence for each rank
        bounds = self._cut(order)
        rows = np.ascontiguousarray(order[:, self.rank])
        return [rows[bounds[step] : bounds[step + 1]] for step in rng.permutation(self._steps)]

    def _order(self, rng: np.random.Generator) -> np.ndarray:
        """All rows in their pools' length order, (units, world)."""
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
        """Where steps begin and end in ``order``: (steps + 1,)."""
        if self.by == "sentences":
            return np.arange(self._steps + 1) * len(order) // self._steps
        size = self.size
        bounds = self._cut_tokens(order, size)
        while len(bounds) - 1 > self._steps:
            size *= 1.01
            bounds = self._cut_tokens(order, size)
        while (missing := self._steps + 1 - len(bounds)) > 0:
            bounds = _halve_largest(bounds, missing)
        return bounds

    def _cut_tokens(self, order: np.ndarray, size: float) -> np.ndarray:
        """Greedy cuts: as many units as fit into ``size`` padded tokens."""
        longest = np.maximum(self._longest[order].max(axis=1), 1)
        bounds = [0]
        while bounds[-1] < len(longest):
            start = bounds[-1]
            width = np.maximum.accumulate(longest[start : start + int(size)])
            fitting = np.searchsorted(width * np.arange(1, len(width) + 1), size, side="right")
            bounds.append(start + int(fitting))
        return np.asarray(bounds)


class EvaluationBatches:
    """Batches for validation and test: over all ranks every sentence exactly once, the longest first.

    Each of the W ranks takes every W-th sentence of the sorted order. They have equally many batches,
    except where there are fewer sentences than ranks or batches hold one sentence: then some ranks have one
    batch less.
    """

    def __init__(
        self, source_lengths: np.ndarray, target_lengths: np.ndarray, size: int, rank: int = 0, world: int = 1
    ):
        order = np.lexsort((target_lengths, source_lengths))[::-1]
        mine = order[rank::world]
        batches = -(-len(order[::world]) // size)  # those of the rank with most sentences
        self._batches = [rows for rows in np.array_split(mine, batches) if len(rows)]

    def __len__(self) -> int:
        return len(self._batches)

    def batches(self, epoch: int) -> list[np.ndarray]:
        return self._batches


class Loader:
    """Iterates over the batches of one epoch at a time, and can go on in the middle of one.

    ``collate`` makes a batch of row numbers; ``prefetch`` batches are made ahead in a thread. Lightning
    tells ``sampler`` the epoch and keeps ``state_dict()`` in checkpoints. It asks for an iterator before it
    tells the epoch, so an iteration reads epoch and place only when its first batch is asked for.
    """

    batch_sampler = None  # Lightning asks

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
        self._skip = 0  # batches the next iteration leaves out, having been handed out before

    @property
    def sampler(self) -> "Loader":
        return self

    def set_epoch(self, epoch: int) -> None:
        """Another epoch starts at its beginning; the same one keeps a restored place."""
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
        """The place in the epoch: of ``total`` batches, ``done`` have been handed out."""
        return {"epoch": self.epoch, "done": self._done, "total": len(self)}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Makes the next iteration go on behind the ``done`` batches."""
        if state["total"] != len(self):
            log.warning(
                "the checkpoint counts %d batches in an epoch, now there are %d: some sentences of it "
                "are seen twice or not at all",
                *(state["total"], len(self)),
            )
        self.epoch = state["epoch"]
        self._skip = self._done = min(state["done"], len(self))


def collate_pairs(
    source: Corpus, target: Corpus, rows: np.ndarray, source_eos: bool = False, references: bool = False
) -> ParallelBatch:
    """The pairs of lines ``rows`` (B,) as a batch; targets end in EOS, sources only with ``source_eos``.

    With ``references`` the batch also brings the target lines as they stand in the file.
    """
    return ParallelBatch(
        cut_sentences(source, rows, source_eos),
        cut_sentences(target, rows, True),
        torch.from_numpy(rows),
        tuple(target.text.line(row) for row in rows) if references else (),
    )


def cut_sentences(corpus: Corpus, rows: np.ndarray, eos: bool) -> Sentences:
    """The lines ``rows`` (B,) of a corpus, padded, with their EOS or without."""
    starts = torch.from_numpy(corpus.offsets[rows])
    lengths = torch.from_numpy(corpus.offsets[rows + 1]) - starts - (0 if eos else 1)
    ids = pad_flat(torch.from_numpy(corpus.ids), starts, lengths, corpus.vocabulary.pad)
    return Sentences.of(ids, lengths)


def padding_efficiency(batches: list[np.ndarray], lengths: np.ndarray) -> float:
    """Real tokens / tokens with padding, of batches of rows into ``lengths``."""
    sizes = np.asarray([len(rows) for rows in batches])
    flat = lengths[np.concatenate(batches)]
    widths = np.maximum.reduceat(flat, np.cumsum(sizes) - sizes)
    return float(flat.sum() / max((widths * sizes).sum(), 1))


def prefetched(items: Iterable, depth: int) -> Iterator:
    """``items``, up to ``depth`` of them made ahead in a thread; it ends when the iteration is dropped."""
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
        if thread is not threading.current_thread():  # which may be the one that collects the garbage
            thread.join()

    atexit.register(stop)  # a thread that PyTorch is busy in when Python ends takes the process down with it
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
    """Bounds with up to ``most`` of the largest steps cut in two."""
    sizes = np.diff(bounds)
    largest = np.argsort(-sizes, kind="stable")[:most]
    largest = largest[sizes[largest] > 1]
    return np.union1d(bounds, bounds[largest] + sizes[largest] // 2)
