"""Stop signals: one exception for all of them, raised at once, or during training at the next step, when the
state of training can be saved.

The exit status is 128 + the signal's number, as in shells: Ctrl-C 130, SIGTERM 143, SIGHUP 129, SIGUSR1 138.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1)


class Stopped(BaseException):
    """This process got a stop signal; not an Exception, so that it does not count as a failed job.

    Lightning turns KeyboardInterrupt into exit status 1 and SIGTERM into 0, but lets this one through.
    """

    def __init__(self, number: int) -> None:
        how = "interrupted" if number == signal.SIGINT else f"stopped by {signal.Signals(number).name}"
        super().__init__(how)
        self.number, self.status = number, 128 + number


class Deferral:
    """Whether a first stop signal is only noted. received: the one that was. due: the one to stop for at the
    next occasion; with several ranks only once they have agreed on it.
    """

    def __init__(self) -> None:
        self.active, self._alone = False, True
        self.received: int | None = None
        self._agreed: int | None = None

    def begin(self, alone: bool) -> None:
        """From now on the first signal is noted for ``check``, if this is the thread that signals reach.

        alone: whether this is the only rank.
        """
        self.active = threading.current_thread() is threading.main_thread()
        self.received = self._agreed = None
        self._alone = alone

    def end(self) -> None:
        self.active = False

    @property
    def due(self) -> int | None:
        return self.received if self._alone else self._agreed

    def agree(self, numbers: float) -> None:
        """Tells the sum of the signals that the ranks have received, 0 if none has."""
        if numbers:
            self.received = self.received or (int(numbers) if numbers in SIGNALS else signal.SIGTERM)
            self._agreed = self.received

    def check(self) -> None:
        """Raises Stopped if one is due."""
        if self.active and self.due is not None:
            self.active = False
            raise Stopped(self.due)


deferral = Deferral()


def stop(number: int, _: object) -> None:
    """Signal handler: raises Stopped in the main thread, or notes the signal."""
    if deferral.active and deferral.received is None:
        deferral.received = number
        name = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        line = f"{name}: saving a checkpoint after this step, then stopping; once more to stop at once\n"
        os.write(2, line.encode())  # print may not be called again within a call that the signal interrupted
        return
    raise Stopped(number)


@contextmanager
def stoppable() -> Iterator[None]:
    """In the body, stop signals call ``stop``, except those ignored before, e.g. SIGHUP by nohup."""
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
    for number in SIGNALS:
        if signal.getsignal(number) is stop:
            default = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
            signal.signal(number, default)


os.register_at_fork(after_in_child=_forget)  # workers are stopped by their parents, which print the message
