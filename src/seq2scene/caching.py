"""What parts that keep their work on disk have in common: whose turn it is, what a file is known by, how one
is replaced.
"""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from stat import S_ISLNK

from seq2scene.errors import UserError


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Makes the folder and waits until no other process works there. Raises OSError where that cannot be."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def facts_of(files: Iterable[Path]) -> list[tuple[str, int, int]]:
    """Of each file where it really lies, its size and its time, by which it is told from others and from what
    it was before. Raises UserError where one cannot be read.
    """
    real = cache(os.path.realpath)  # of folders, which many files share: it looks at each part of a path
    facts = []
    for file in files:
        try:
            folder, name = os.path.split(file)
            place, known = f"{real(folder)}/{name}", os.lstat(file)
            if S_ISLNK(known.st_mode):
                place, known = os.path.realpath(file), os.stat(file)
        except OSError as error:
            raise UserError(f"{file} cannot be read: {error.strerror}") from None
        facts.append((place, known.st_size, known.st_mtime_ns))
    return facts


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """A file to write beside ``path``, of the same kind, which becomes ``path`` once it is whole. Where that
    fails nothing of it is left, and what stood at ``path`` before still does. Folders are made.
    """
    path = path.resolve()  # a link stays a link
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        yield part
        if path.exists():
            shutil.copymode(path, part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
