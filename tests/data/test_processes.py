"""Work shared among processes: in order, with what they inherit, and with an end in any case."""

import os
import signal

import pytest

from seq2scene.data.processes import forked
from seq2scene.errors import UserError


@pytest.mark.parametrize("workers", [1, 3])
def test_results_come_in_order_and_know_what_is_known_here(workers: int) -> None:
    known = [number**2 for number in range(100)]
    with forked(lambda item: (known[item], os.getpid()), workers) as each:
        squares, owners = zip(*each(range(100)), strict=True)
    assert list(squares) == known
    assert ({*owners} == {os.getpid()}) == (workers == 1)


@pytest.mark.parametrize("workers", [1, 2])
def test_what_a_process_refuses_is_refused_here(workers: int) -> None:
    def refuse(item: int) -> None:
        raise UserError(f"annotation {item}")

    with pytest.raises(UserError, match="annotation 5"), forked(refuse, workers) as each:
        list(each([5, 6]))


def test_a_process_that_is_killed_ends_the_work_with_what_to_do() -> None:
    with (
        pytest.raises(UserError, match=r"one of 2 processes was killed.*OMP_NUM_THREADS=1"),
        forked(lambda item: os.kill(os.getpid(), signal.SIGKILL), 2) as each,
    ):
        list(each(range(5)))
