"""What is made once and kept on disk, named by a hash of all that it is made from: it appears whole or not at
all.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from stat import S_ISLNK
from typing import TypeVar

from seq2scene.errors import UserError

T = TypeVar("T")


def kept(
    path: Path,
    make: Callable[[], T],
    write: Callable[[Path, T], None],
    advice: str = "set data.cache",
    resume: bool = False,
) -> Path:
    """``path``, a file or a folder, made where there is none yet. One process at a time works in a folder of
    kept things; others wait, and find what it has made.

    make: does the work. write: stores its result at a path beside, which is then renamed to ``path``. resume:
    what broken-off work has written there stays, and ``write`` goes on from it; else it is taken away.

    Raises:
        UserError: the folder cannot be written; the message ends in ``advice``.
    """
    if path.exists():
        return path
    folder, part = path.parent, path.with_suffix(".draft")
    with _told(folder, advice):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
        with suppress(PermissionError):  # another user's, who shares the cache
            os.fchmod(lock.fileno(), 0o666)
    with lock:
        with _told(folder, advice):
            fcntl.flock(lock, fcntl.LOCK_EX)
            if path.exists():  # another process made it while this one waited
                return path
            for left in () if resume else folder.glob("*.draft"):
                _remove(left)
        made = make()  # its errors are not the folder's
        try:
            with _told(folder, advice):
                write(part, made)
                os.replace(part, path)
        finally:
            if not resume:
                _remove(part)
    return path


def key(facts: str, more: Iterable[bytes | memoryview] = ()) -> str:
    """The name of what is made from these facts, and from no others: a SHA-256 of them all."""
    digest = hashlib.sha256(facts.encode())
    for values in more:
        digest.update(values)
    return digest.hexdigest()


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
    """A file or a folder to write beside ``path``, of the same kind, which becomes ``path`` once it is whole;
    a folder only where that is empty or not there. Where that fails nothing of it is left, and what stood at
    ``path`` before still does. Folders above are made.
    """
    path = path.resolve()  # a link stays a link
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        yield part
        if path.exists():
            shutil.copymode(path, part)
        os.replace(part, path)
    finally:
        _remove(part)


@contextmanager
def _told(folder: Path, advice: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror or error}): {advice}") from error


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
