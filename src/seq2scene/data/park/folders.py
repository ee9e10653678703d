"""Folders that a generator writes on first use: atomically, and identified by ``park.json``.

A generator that is killed leaves a draft beside its folder, which the next one for this folder removes: the
lock on a draft ends with its process.
"""

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from errno import ENOTEMPTY
from pathlib import Path
from tempfile import TemporaryDirectory
from time import time

from seq2scene.caching import DRAFT, draft
from seq2scene.errors import UserError
from seq2scene.json_text import to_json

log = logging.getLogger(__name__)

FRESH = 60.0  # seconds in which a draft is left alone, as its generator may not have locked it yet
Facts = Mapping[str, int | str]


def write_folder(folder: Path, facts: Facts, write: Callable[[Path], None]) -> None:
    """Lets ``write`` fill a draft, then renames it to the folder: readers see all of the files or none.

    Raises:
        UserError: the folder exists and is not empty, or cannot be created.
    """
    folder = Path(folder)
    try:
        if folder.is_dir() and any(folder.iterdir()):
            raise OSError(ENOTEMPTY, "it contains other files; move them away, or choose another data.root")
        _remove_abandoned(folder)
        with draft(folder) as part:
            part.mkdir()
            log.info("writing the park %s", folder)
            with _locked(part):
                write(part)
            (part / "park.json").write_text(to_json(facts, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise UserError(f"cannot write the park to {folder}: {error.strerror}") from error


def is_written(folder: Path, facts: Facts) -> bool:
    """Whether the folder was written with these facts, by this version of the generator."""
    try:
        return json.loads((Path(folder) / "park.json").read_text("utf-8")) == facts
    except (OSError, ValueError):
        return False


def ensure_folder(
    folder: Path, facts: Facts, write: Callable[[Path], None], added: Sequence[str] = ()
) -> Path:
    """The folder, written on first use.

    Processes may race: each writes its own draft, the first to finish renames it, and all use that one.

    added: parts introduced later, which older folders lack; they are added without changing anything else.

    Raises:
        UserError: the folder cannot be written, or holds something else.
    """
    if not is_written(folder, facts):
        try:
            write_folder(folder, facts, write)
        except UserError:
            if not is_written(folder, facts):
                raise
    for name in (name for name in added if not (Path(folder) / name).exists()):
        _add(Path(folder) / name, write)
    return folder


def _add(part: Path, write: Callable[[Path], None]) -> None:
    """Lets ``write`` fill a draft of the whole folder, of which only one part is kept."""
    log.info("adding %s, which this park lacks", part)
    try:
        with TemporaryDirectory() as whole, draft(part) as kept:
            write(Path(whole))
            shutil.move(Path(whole) / part.name, kept)
    except OSError as error:
        if not part.exists():  # another process was first
            raise UserError(f"cannot write {part}: {error.strerror}") from error


def _remove_abandoned(folder: Path) -> None:
    """Removes what killed generators of this folder have left."""
    for left in folder.parent.glob(f".????????.{folder.name}"):
        with suppress(FileNotFoundError):  # another process removes it
            if DRAFT.fullmatch(left.name) and time() - left.stat().st_mtime > FRESH:
                with _locked(left) as abandoned:
                    if abandoned:
                        shutil.rmtree(left)


@contextmanager
def _locked(folder: Path) -> Iterator[bool]:
    """Locks a folder while the body runs, unless another process has, or the file system has no locks; tells
    whether it did.
    """
    opened, mine = os.open(folder, os.O_RDONLY), False
    try:
        with suppress(OSError):
            fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
            mine = True
        yield mine
    finally:
        os.close(opened)


def write_lines(path: Path, lines: list[str]) -> None:
    """Writes a text file, with the same bytes on every system."""
    path.write_bytes("".join(f"{line}\n" for line in lines).encode("utf-8"))
