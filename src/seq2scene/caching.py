"""What parts that keep their work on disk have in common: whose turn it is, what a file is known by."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from seq2scene.errors import UserError


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Makes the folder and waits until no other process works there. Raises OSError where that cannot be."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def facts_of(file: Path) -> tuple[str, int, int]:
    """Name, size and time of a file, which tell a change of it. Raises UserError where it cannot be read."""
    try:
        known = file.stat()
    except OSError as error:
        raise UserError(f"{file} cannot be read: {error.strerror}") from None
    return file.name, known.st_size, known.st_mtime_ns
