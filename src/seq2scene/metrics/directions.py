"""Which scores are better the lower they are."""

LOWER = ("loss", "perplexity", "perplexity_words", "error", "duplicates")


def lower_is_better(name: str) -> bool:
    """Of a score as it is logged, ``val/nll_place``; all others of this project are better the higher."""
    score = name.rpartition("/")[2]
    return score.startswith("nll_") or score.endswith(LOWER)
