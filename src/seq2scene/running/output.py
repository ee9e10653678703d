"""Where generated lines go."""

import sys
from pathlib import Path
from typing import TextIO


def open_output(path: str | None) -> TextIO:
    """The file at ``path``, its folders made where they are missing, or stdout for None."""
    if path is None:
        return open(sys.stdout.fileno(), "w", encoding="utf-8", closefd=False)
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    return open(path, "w", encoding="utf-8")
