"""One thread in which all models work, and a bounded queue in front of it."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from math import ceil
from threading import Semaphore
from typing import Any, TypeVar

R = TypeVar("R")


class Busy(Exception):
    """The queue is full, or work took longer than its limit. seconds: when it is worth asking again."""

    def __init__(self, message: str, seconds: int) -> None:
        super().__init__(message)
        self.seconds = seconds


class Left(Exception):
    """The visitor who asked for the work has gone."""


class Worker:
    """waiting: how many pieces of work may wait for the one in progress. seconds: how long one may take,
    waiting included.
    """

    def __init__(self, waiting: int = 32, seconds: float = 60.0) -> None:
        self.waiting, self.seconds = waiting, seconds
        self._thread = ThreadPoolExecutor(1, "models")
        self._places = Semaphore(waiting + 1)
        self._mean = 0.1  # seconds of work, a moving average

    def submit(self, work: Callable[[], R]) -> "Future[R]":
        """Queues ``work``; cancelling the future before its turn skips it. Raises Busy if the queue is
        full.
        """
        if not self._places.acquire(blocking=False):
            seconds = min(max(ceil(self._mean * self.waiting / 2), 1), 30)
            raise Busy(f"{self.waiting} others are waiting: try again in {seconds} s", seconds)
        future = self._thread.submit(self._timed, work)
        future.add_done_callback(lambda _: self._places.release())
        return future

    async def run(self, work: Callable[[], R], gone: Callable[[], Any] | None = None) -> R:
        """The result of ``work`` when its turn has come.

        gone: a coroutine function that returns when the visitor has left; work whose turn has not come is
        then dropped. Raises Busy if the queue is full or the time is up, and Left.
        """
        result = asyncio.wrap_future(self.submit(work))
        left = [asyncio.ensure_future(gone())] if gone else []
        try:
            done, _ = await asyncio.wait(
                [result, *left], timeout=self.seconds, return_when=asyncio.FIRST_COMPLETED
            )
            if result in done:
                return result.result()
            if done:
                raise Left
            raise Busy(f"this took longer than {self.seconds:g} s: try again, with less text", 5)
        finally:
            for one in (result, *left):
                one.cancel()

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _timed(self, work: Callable[[], R]) -> R:
        start = time.monotonic()
        try:
            return work()
        finally:
            self._mean += 0.2 * (time.monotonic() - start - self._mean)
