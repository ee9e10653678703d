"""A cache on disk: each entry is computed once, named by a hash of everything it depends on, and appears
either complete or not at all.
"""

import fcntl
import hashlib
import logging
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from stat import S_ISLNK
from typing import TypeVar

from seq2scene.arrays import Damaged
from seq2scene.errors import UserError

log = logging.getLogger(__name__)

DRAFT = re.compile(r"\.[0-9a-f]{8}\..+")  # the name of a ``draft``
T = TypeVar("T")


def kept(
    path: Path,
    make: Callable[[], T],
    write: Callable[[Path, T], None],
    advice: str = "set data.cache",
    resume: bool = False,
) -> Path:
    """Returns ``path``, a file or a folder, creating it if it does not exist. One process at a time works in
    a cache folder; the others wait and then find its result.

    make: does the work. write: stores the result under a temporary name, which is then renamed to ``path``.
    resume: keep what interrupted work has written there, so that ``write`` can continue from it; otherwise it
    is deleted.

    Raises:
        UserError: the folder cannot be written; the message ends in ``advice``.
    """
    if path.exists():
        return path
    folder, part = path.parent, path.with_suffix(".draft")
    with _locked(folder, advice):
        with _writing(folder, advice):
            if path.exists():  # another process made it while this one waited
                return path
            for left in () if resume else folder.glob("*.draft"):
                _remove(left)
        made = make()  # outside _writing: its errors are not about the folder
        try:
            with _writing(folder, advice):
                write(part, made)
                os.replace(part, path)
        finally:
            if not resume:
                _remove(part)
    return path


def renewed(
    path: Path, make: Callable[[], object], read: Callable[[Path], T], advice: str = "set data.cache"
) -> T:
    """What ``read`` finds at ``path`` after ``make`` has created it if it did not exist. An entry that is
    ``Damaged`` is deleted and created again, which a warning says.

    Raises:
        Damaged: it is damaged again.
        UserError: the folder cannot be written; the message ends in ``advice``.
    """
    make()
    try:
        return read(path)
    except Damaged as error:
        log.warning("%s: it is deleted from the cache and made again", error)
    with _locked(path.parent, advice):
        try:
            return read(path)  # another process has made it again while this one waited
        except Damaged:
            with _writing(path.parent, advice):
                _remove(path)
    make()
    return read(path)


def key(facts: str, more: Iterable[bytes | memoryview] = ()) -> str:
    """The cache name for something that depends on exactly these facts: their SHA-256."""
    digest = hashlib.sha256(facts.encode())
    for values in more:
        digest.update(values)
    return digest.hexdigest()


def facts_of(files: Iterable[Path]) -> list[tuple[str, int, int]]:
    """The real path, size and modification time of each file, which identify the file and its version. Raises
    UserError if one cannot be read.
    """
    real = cache(os.path.realpath)  # cached, as files share folders and realpath stats every part of a path
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
    """A temporary path in the same folder, to be written as a file or a folder, which replaces ``path`` once
    it is complete (a folder replaces only an empty or missing one). On failure it is removed and ``path``
    stays as it was. Parent folders are created.
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


def remove_drafts(folder: Path) -> None:
    """Removes the drafts of processes that were killed, from a folder that no other process writes to, and
    from the folders in it.
    """
    for left in (*folder.glob(".????????.*"), *folder.glob("*/.????????.*")):
        if DRAFT.fullmatch(left.name):
            _remove(left)


@contextmanager
def _locked(folder: Path, advice: str) -> Iterator[None]:
    """Waits until no other process works in the folder, which is created if necessary."""
    with _writing(folder, advice):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / "lock").open("w")
        with suppress(PermissionError):  # owned by another user of a shared cache
            os.fchmod(lock.fileno(), 0o666)
    with lock:
        with _writing(folder, advice):
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _writing(folder: Path, advice: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror or error}): {advice}") from error


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
