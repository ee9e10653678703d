"""What a run says while it works: one line at a time, once for all processes."""

from pytorch_lightning.utilities import rank_zero_only


@rank_zero_only
def say(line: str) -> None:
    """Prints on one line, whatever it quotes from a checkpoint."""
    print("".join(sign if sign.isprintable() else "?" for sign in line), flush=True)
