"""Ctrl-C and SIGTERM: one exception for both, for an orderly exit with a one-line message."""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(BaseException):
    """This process got a stop signal; not an Exception, so that it does not count as a failed job.

    Lightning turns KeyboardInterrupt into exit status 1 and SIGTERM into 0, but lets this one through.
    """

    def __init__(self, number: int) -> None:
        how = "interrupted" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}"
        super().__init__(how)
        self.status = 128 + number  # as in shells


def stop(number: int, _: object) -> None:
    """Signal handler: raises Stopped in the main thread."""
    raise Stopped(number)


@contextmanager
def stoppable() -> Iterator[None]:
    """In the body, SIGINT and SIGTERM raise Stopped, unless they were ignored before, e.g. by nohup."""
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


os.register_at_fork(after_in_child=_forget)  # workers are stopped by their parents, which print the message
