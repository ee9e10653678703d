"""Combinations of several options, fewer than all of them."""

from collections.abc import Sequence
from itertools import combinations, product
from typing import Any


def pairwise(*options: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Combinations in which any two values of different options meet at least once, as few as a greedy choice
    finds: each next one brings together the most pairs that have not met.
    """
    rows = list(product(*(range(len(values)) for values in options)))
    pairs = [set(combinations(enumerate(row), 2)) for row in rows]
    chosen, missing = [], set().union(*pairs)
    while missing:
        best = max(range(len(rows)), key=lambda at: len(pairs[at] & missing))
        missing -= pairs[best]
        chosen.append(rows[best])
    return [tuple(values[at] for values, at in zip(options, row, strict=True)) for row in chosen]
