"""Ctrl-C and SIGTERM: one exception for both, which ends everything in order and is told in one line."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """This process was told to stop; no Exception, so that nothing takes it for a job that failed.

    Lightning turns KeyboardInterrupt into exit status 1 and SIGTERM into 0; this one it lets pass.
    """

    def __init__(self, number: int) -> None:
        how = "interrupted" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}"
        super().__init__(how)
        self.status = 128 + number  # as shells count


def stop(number: int, _: object) -> None:
    """The handler: raises Stopped in the main thread."""
    raise Stopped(number)


@contextmanager
def stoppable() -> Iterator[None]:
    """Within, SIGINT and SIGTERM raise Stopped, unless they were ignored before, as by nohup."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    before = {number: handler for number, handler in before.items() if handler is not signal.SIG_IGN}
    for number in before:
        signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _forget() -> None:
    for number, handler in zip(SIGNALS, (signal.default_int_handler, signal.SIG_DFL), strict=True):
        if signal.getsignal(number) is stop:
            signal.signal(number, handler)


os.register_at_fork(after_in_child=_forget)  # workers are stopped by their parents, who say so
