"""One thread, a bounded queue, and visitors who leave."""

import asyncio
from functools import partial
from threading import Event

import pytest

from seq2scene.app.worker import Busy, Left, Worker


def test_work_is_done_in_turn_and_a_full_queue_says_when_to_return() -> None:
    go, done = Event(), []

    async def visit() -> None:
        worker = Worker(waiting=2)
        first = asyncio.ensure_future(worker.run(go.wait))
        others = [asyncio.ensure_future(worker.run(partial(done.append, n))) for n in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Busy) as busy:
            await worker.run(list)
        assert busy.value.seconds >= 1
        go.set()
        await asyncio.gather(first, *others)
        assert await worker.run(list) == []  # there is room again
        worker.close()

    asyncio.run(visit())
    assert done == [0, 1]


def test_the_work_of_a_visitor_who_left_is_skipped() -> None:
    go, done = Event(), []

    async def gone() -> None:
        return None

    async def visit() -> None:
        worker = Worker(waiting=1)
        first = asyncio.ensure_future(worker.run(go.wait))
        await asyncio.sleep(0)
        with pytest.raises(Left):
            await worker.run(partial(done.append, "left"), gone)
        second = asyncio.ensure_future(worker.run(partial(done.append, "stayed")))
        await asyncio.sleep(0)
        go.set()
        await asyncio.gather(first, second)
        worker.close()

    asyncio.run(visit())
    assert done == ["stayed"]


def test_waiting_has_an_end() -> None:
    go = Event()

    async def visit() -> None:
        worker = Worker(seconds=0.05)
        with pytest.raises(Busy, match="longer than"):
            await worker.run(go.wait)
        go.set()
        worker.close()

    asyncio.run(visit())
