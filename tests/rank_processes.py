"""Functions run by the ranks of a distributed job, forked from the server of ``entry_points``."""

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import timedelta
from functools import partial
from tempfile import TemporaryDirectory
from typing import TypeVar

from torch import distributed

from entry_points import forks

Found = TypeVar("Found")
TIMEOUT = timedelta(seconds=120)  # how long a rank waits for another that failed


def in_ranks(function: Callable[[int], Found], world: int = 2) -> list[Found]:
    """The results of ``function(rank)`` in each of ``world`` ranks connected by gloo."""
    with TemporaryDirectory() as folder, ProcessPoolExecutor(world, mp_context=forks) as pool:
        join = partial(_as_rank, function, f"file://{folder}/meeting", world)
        return list(pool.map(join, range(world)))


def _as_rank(function: Callable[[int], Found], meeting: str, world: int, rank: int) -> Found:
    distributed.init_process_group("gloo", meeting, TIMEOUT, world_size=world, rank=rank)
    try:
        found = function(rank)
        distributed.barrier()  # no process takes the part of two ranks
        return found
    finally:
        distributed.destroy_process_group()
