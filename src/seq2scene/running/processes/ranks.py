"""Starts the other ranks of a job on this machine, each from the job's own composed overrides.

Lightning starts them from ``sys.argv``: under a sweep every child would run the whole sweep again, and under
a sampling sweeper the ranks of one job would train different trials. Here a child runs this one job alone,
and finds its place through the environment variables that Lightning and torch.distributed document.
"""

import atexit
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch

from seq2scene.errors import UserError
from seq2scene.running.processes.children import (
    CHILD,
    FAREWELL,
    GRACE,
    PATIENCE,
    leave_group,
    start_children,
    watching,
)
from seq2scene.running.processes.launchers import launched
from seq2scene.running.processes.stopping import SIGNALS, Stopped, deferral

OBEDIENCE = 3.0  # seconds that a child may take to end after a stop signal when it is not training
LOST = re.compile("by peer|remote process exit")  # in the errors of gloo and NCCL


@contextmanager
def ranks(program: Sequence[str], count: int) -> Iterator[None]:
    """Runs the body as rank 0 of ``count``; the other ranks run ``program`` with this Hydra job's overrides.

    Does nothing for one process, or if a launcher has started the processes. Children write to ``rank1.log``
    ... in the job's output folder. On exit they have ended, the process group is destroyed and the
    environment is restored, so that the next job of a sweep can start its own ranks.

    Raises:
        UserError: soon after a child fails, with the path and last lines of its log.
    """
    if CHILD in os.environ:
        with _tied_to_parent():
            yield
        return
    if launched():
        atexit.register(leave_group)  # at exit only: the jobs of a sweep share the launcher's rendezvous
        with _among_peers():
            yield
        return
    if count == 1:
        yield
        return
    if threading.current_thread() is not threading.main_thread():
        raise UserError("several devices need a job in the main thread: use a launcher that starts processes")
    with (
        _environment(_rendezvous(count)),
        _threads(),
        start_children(program, count) as children,
        watching(children),
    ):
        try:
            yield
        except RuntimeError as error:  # possibly a collective whose peer has died
            if children.wait(1.0):
                raise UserError(children.failure) from error
            raise
        leave_group()
        if children.wait(FAREWELL):
            raise UserError(children.failure)


@contextmanager
def _among_peers() -> Iterator[None]:
    """The body of a process that a launcher has started: raises UserError if another has gone."""
    try:
        yield
    except RuntimeError as error:
        if not LOST.search(str(error)):
            raise
        cause = str(error).splitlines()[0]
        raise UserError(
            f"another process of this run has ended, as its own output says; lost in this one: {cause}"
        ) from error


@contextmanager
def _tied_to_parent() -> Iterator[None]:
    """The body of a child: exits as soon as rank 0 has ended, however it did, without hiding a failure, and
    soon after a stop signal.
    """

    def end_with_parent() -> None:
        os.read(0, 1)  # returns when rank 0's end of our standard input closes
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
    reader, writer = os.pipe()
    os.set_blocking(writer, False)

    def end_when_stopped() -> None:  # also inside a collective, where Python's signal handlers do not run
        while not (heard := [number for number in os.read(reader, 64) if number in SIGNALS]):
            pass
        time.sleep(GRACE if deferral.active else OBEDIENCE)
        print(Stopped(heard[0]), file=sys.stderr, flush=True)
        os._exit(Stopped(heard[0]).status)

    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=end_when_stopped, daemon=True).start()
    try:
        yield
    except BaseException:
        farewell = threading.Timer(PATIENCE, os._exit, (1,))  # leaving a broken process group may hang
        farewell.daemon = True
        farewell.start()
        raise
    leave_group()  # otherwise gloo may abort the exiting process


def _rendezvous(count: int) -> dict[str, str]:
    """The environment of rank 0, in the names of torch.distributed's ``env://`` and LightningEnvironment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    threads = max(1, torch.get_num_threads() // count)
    return {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(count),
        "NODE_RANK": "0",
        "RANK": "0",
        "LOCAL_RANK": "0",
        "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", str(threads)),
    }


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value


@contextmanager
def _threads() -> Iterator[None]:
    """Divides the cores among ranks: torch set its number of threads before the ranks were known."""
    before = torch.get_num_threads()
    torch.set_num_threads(min(before, int(os.environ["OMP_NUM_THREADS"])))
    try:
        yield
    finally:
        torch.set_num_threads(before)
