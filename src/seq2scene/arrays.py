"""Reading files of arrays, which may be damaged."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np

from seq2scene.errors import UserError


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
        found = np.load(path, mmap_mode=mapped, allow_pickle=False)
        if not isinstance(found, np.ndarray):
            raise ValueError("it holds several arrays")
        return found


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays in a .npz file by name. Errors as ``undamaged``."""
    with undamaged(path), path.open("rb") as file, np.load(file, allow_pickle=False) as found:
        return {name: np.asarray(found[name]) for name in found.files}
