"""Validation and test sets taken out of the training file, the same ones in every run."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any

import numpy as np

from seq2scene.errors import UserError

Share = int | float  # of the training file: how many, or which share


def with_shares(splits: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Share]]:
    """What each split is read from, the training file where a share of it is held out, and those shares.

    Raises UserError for a split that is neither a share nor files.
    """
    shares = {split: value for split, value in splits.items() if type(value) in (int, float)}
    for split, value in splits.items():
        if isinstance(value, bool | dict):
            raise UserError(f"{option_of(split)}={value} must be files, as data.train, or a number")
    return {split: splits["train"] if split in shares else value for split, value in splits.items()}, shares


def single_files(splits: Mapping[str, Any]) -> Mapping[str, Any]:
    """The splits unchanged; raises UserError for one that is several files."""
    for split, value in splits.items():
        if isinstance(value, list | tuple):
            raise UserError(f"{option_of(split)}={list(value)} must be one file, or a number of samples")
    return splits


def option_of(split: str) -> str:
    """The option that says what a split is read from."""
    return f"data.{split}" if split in ("train", "val") else f"data.tests.{split}"


def hold_out(
    names: Sequence[str], shares: Mapping[str, Share], path: object, what: str = "photos"
) -> dict[str, np.ndarray]:
    """Which of N samples are in each split of ``shares``, and in ``train``, the rest: (N,) bool each.

    Samples of the same name stay together; which names a split gets follows from hashes of the names alone,
    so that it is the same whatever the seed and the order of the file. A split has at least one name.

    path, what: name the file and the samples in messages. Raises UserError if nothing is left for training.
    """
    ranked = sorted(set(names), key=lambda name: sha256(name.encode(errors="replace")).digest())
    place = {name: number for number, name in enumerate(ranked)}
    places = np.array([place[name] for name in names], dtype=np.int64)
    found, first = {}, 0
    for split, share in shares.items():
        if not (share >= 1 if isinstance(share, int) else 0 < share < 1):
            raise UserError(
                f"{option_of(split)}={share} must be a file, how many {what} of {path} are held out (1 or "
                "more), or which share of them (between 0 and 1)"
            )
        count = share if isinstance(share, int) else max(1, round(share * len(ranked)))
        found[split] = (first <= places) & (places < first + count)
        first += count
    if first >= len(ranked):
        told = " and ".join(f"{option_of(split)}={share}" for split, share in shares.items())
        raise UserError(f"{path}: {told} leave none of its {len(ranked)} {what} for training")
    return {"train": places >= first, **found}
