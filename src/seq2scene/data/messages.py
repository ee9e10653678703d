"""Lists in messages and reports."""

from collections.abc import Sequence

SHOWN = 8


def some(names: Sequence[str]) -> str:
    """The first names of a list."""
    return ", ".join([*names[:SHOWN], *["..."] * (len(names) > SHOWN)])
