"""Reading files of arrays, which may be damaged."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import Literal
from zipfile import BadZipFile, ZipFile

import numpy as np
from numpy.lib import format as npy

from seq2scene.errors import UserError
from seq2scene.unpacking import require_sizes

TORN = (  # what ``torch.load`` raises for damaged files, beside the system's OSError
    *(UnpicklingError, BadZipFile, struct.error, RuntimeError, EOFError, ValueError, LookupError, TypeError),
    *(AttributeError, AssertionError, OverflowError, MemoryError),
)


class Damaged(UserError):
    """A file that exists but does not hold what its name promises; the message begins with its path."""


@contextmanager
def undamaged(path: Path) -> Iterator[None]:
    """A context for reading a file in a format of numpy's or of this project's: whatever fails, the file is
    ``Damaged``, or missing, as numpy and zipfile raise errors of all kinds. Raises UserError if the system
    refuses to read it.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.strerror and not isinstance(error, FileNotFoundError):
            raise UserError(f"{path} cannot be read: {error.strerror}") from None
        reason = (str(error).splitlines() or [""])[0] or type(error).__name__
        raise Damaged(f"{path} is damaged ({reason[:200]})") from error


def read_array(path: Path, mapped: Literal["r", "c"] | None = None) -> np.ndarray:
    """An array in a .npy file; ``mapped``: numpy's mode of mapping it from disk. Errors as ``undamaged``."""
    with undamaged(path):
        if mapped is not None:
            return npy.open_memmap(path, mode=mapped)
        with path.open("rb") as file:
            return npy.read_array(file, allow_pickle=False)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays in a .npz file by name. Errors as ``undamaged``; UserError also for a bomb."""
    found = {}
    with undamaged(path), ZipFile(path) as packed:
        require_sizes(path, packed.infolist())
        for name in packed.namelist():
            with packed.open(name) as file:
                found[name.removesuffix(".npy")] = npy.read_array(file, allow_pickle=False)
    return found
