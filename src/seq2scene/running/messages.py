"""Messages of a run: one line each, printed once for all processes."""

from pytorch_lightning.utilities import rank_zero_only


@rank_zero_only
def say(line: str) -> None:
    """Prints a message on one line, even if it quotes line breaks from a checkpoint."""
    print("".join(sign if sign.isprintable() else "?" for sign in line), flush=True)
