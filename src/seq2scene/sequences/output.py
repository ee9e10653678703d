"""Output of generated lines. Output paths are checked before work starts, and a file appears only once it is
complete.
"""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from math import isfinite
from pathlib import Path
from tempfile import TemporaryFile
from typing import TextIO, TypeVar

from seq2scene.caching import draft
from seq2scene.errors import UserError
from seq2scene.progress import progress_bar

STDOUT = ("-", "/dev/stdout")
AS_READ = "surrogateescape"  # file names that are not UTF-8 are written as they are
TOLD = 10  # notices of one kind

T = TypeVar("T", bound=Sized)
Tell = Callable[[str, str], None]  # of a kind, a notice


def require_output(path: str | None, key: str = "out") -> None:
    """Raises UserError, naming ``key``, unless a file can be written at ``path``, or lines sent to it."""
    if path is None or goes_through(path):
        return
    if Path(path).is_dir() or path.endswith("/"):
        raise UserError(f"{key}={path} is a folder: name a file in it, as {key}={Path(path) / 'NAME'}")
    if Path(path).exists() and not os.access(path, os.W_OK):
        raise UserError(f"{key}={path} is write-protected: name another file")
    require_folder(str(Path(path).resolve().parent), key)


def require_folder(path: str | None, key: str) -> None:
    """Raises UserError, naming ``key``, unless the folder is writable or can be created."""
    if path is None:
        return
    folder = Path(path).absolute()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        raise UserError(f"{key}: {folder} is a file, not a folder")
    try:
        TemporaryFile(dir=folder).close()  # permission bits are not conclusive
    except OSError as error:
        raise UserError(f"{key}: nothing can be written in {folder} ({error.strerror})") from error


def goes_through(path: str | None) -> bool:
    """Whether lines are sent immediately: to stdout (None or ``-``), a pipe or a device."""
    if path is None or path in STDOUT:
        return True
    known = Path(path)
    return known.exists() and not known.is_dir() and (not known.is_file() or known.is_relative_to("/dev"))


@contextmanager
def open_output(path: str | None) -> Iterator[TextIO]:
    """Where to write lines: a temporary file that replaces ``path`` at the end, so that an old file survives
    an error; or ``path`` itself if it ``goes_through``.
    """
    if path is None or path in STDOUT:
        with open(sys.stdout.fileno(), "w", encoding="utf-8", errors=AS_READ, closefd=False) as lines:
            yield lines
    elif goes_through(path):
        with open(path, "w", encoding="utf-8", errors=AS_READ) as lines:
            yield lines
    else:
        with draft(Path(path)) as part, open(part, "w", encoding="utf-8", errors=AS_READ) as lines:
            yield lines


def with_progress(parts: Iterable[T], total: int | None, what: str, hidden: bool = False) -> Iterator[T]:
    """The parts as they come, and on a terminal a bar of how many of their ``total`` items are done: those of
    a part once the next is asked for. There is no bar for one item, or for a stream (None).

    hidden: no bar, as where the output appears there meanwhile.
    """
    if hidden or total is None or total < 2 or not sys.stderr.isatty():
        yield from parts
        return
    with progress_bar() as progress:
        task = progress.add_task(what, total=total)
        for part in parts:
            yield part
            progress.advance(task, len(part))


def require_scores(log_probs: Iterable[float], before: int) -> None:
    """Raises UserError, naming the line, if the score of its best hypothesis is NaN or infinite.

    log_probs: for lines that follow ``before`` others.
    """
    for number, log_prob in enumerate(log_probs, start=before + 1):
        if not isfinite(log_prob):
            raise UserError(
                f"line {number}: the model's log-probabilities are NaN, so its weights are too large: give a "
                "checkpoint from before training diverged"
            )


@contextmanager
def notices(lines: int | None) -> Iterator[Tell]:
    """A function that prints notices about so many lines to stderr: of each kind the first ones, and at the
    end how many more there are. Of a stream, whose length is not known (None), it prints all.

        with notices(1000) as tell:
            tell("empty lines", "line 3 is empty")
    """
    told: Counter[str] = Counter()

    def tell(kind: str, notice: str) -> None:
        told[kind] += 1
        if lines is None or told[kind] <= TOLD:
            print(notice, file=sys.stderr)

    yield tell
    for kind, count in told.items():
        if lines is not None and count > TOLD:
            print(f"... and {count - TOLD:,} more {kind}", file=sys.stderr)


def tell_unknown(what: str, words: Sequence[str], tell: Tell | None = None) -> None:
    """Tells the words of a text that are out of vocabulary, by default on stderr."""
    if words:
        notice = f"{what}: unknown to the model: {' '.join(words)}"
        if tell is None:
            print(notice, file=sys.stderr)
        else:
            tell("lines with words unknown to the model", notice)
