"""Work shared among forked processes, which inherit the memory of this one."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any, TypeVar

from seq2scene.errors import UserError

CHUNK = 32  # items sent to a process at a time

Item = TypeVar("Item")
Result = TypeVar("Result")
_work: Callable[[Any], Any] | None = None  # of a forked process


@contextmanager
def forked(
    work: Callable[[Item], Result], workers: int
) -> Iterator[Callable[[Sequence[Item]], Iterable[Result]]]:
    """A ``map`` of ``work`` shared by ``workers`` processes, in the order of the items; 1: this process
    alone.

    ``work`` and the data it holds are inherited, not sent; it may not use torch. Its exceptions are raised
    here. Raises UserError if a process is killed.
    """
    if workers == 1:
        yield lambda items: map(work, items)
        return
    try:
        with ProcessPoolExecutor(workers, get_context("fork"), _inherit, (work,)) as pool:
            yield lambda items: pool.map(_call, items, chunksize=CHUNK)
    except BrokenProcessPool as error:
        raise UserError(
            f"one of {workers} processes was killed, mostly for want of memory: set OMP_NUM_THREADS=1, so "
            "that there is one alone, or make room"
        ) from error


def _inherit(work: Callable[[Any], Any]) -> None:
    global _work
    _work = work


def _call(item: Any) -> Any:
    assert _work is not None, "inherited by the process"
    return _work(item)
