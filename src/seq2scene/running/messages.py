"""Messages of a run: one line each, printed once for all processes."""

from collections.abc import Iterator
from contextlib import contextmanager

from pytorch_lightning.utilities import rank_zero_only


@rank_zero_only
def say(line: str) -> None:
    """Prints a message on one line, even if it quotes line breaks from a checkpoint."""
    print("".join(sign if sign.isprintable() else "?" for sign in line), flush=True)


@contextmanager
def attempt(what: str) -> Iterator[None]:
    """Lets a picture or a report fail without ending the run: prints what failed and why."""
    try:
        yield
    except Exception as error:  # of any kind: the run matters more than a picture
        lines = str(error).splitlines()
        print(f"not made: {what}: {type(error).__name__}" + (f": {lines[0]}" if lines else ""), flush=True)
