"""What a run says while it works: one line at a time, once for all processes."""

from collections.abc import Iterator
from contextlib import contextmanager

from pytorch_lightning.utilities import rank_zero_only


@rank_zero_only
def say(line: str) -> None:
    """Prints on one line, whatever it quotes from a checkpoint."""
    print("".join(sign if sign.isprintable() else "?" for sign in line), flush=True)


@contextmanager
def attempt(what: str) -> Iterator[None]:
    """Lets a picture or a report of a run fail: a line says what and why, and the run goes on."""
    try:
        yield
    except Exception as error:  # whatever it is, the numbers are worth more than their picture
        lines = str(error).splitlines()
        print(f"not made: {what}: {type(error).__name__}" + (f": {lines[0]}" if lines else ""), flush=True)
