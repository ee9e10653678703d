"""The park's parallel text on disk: train, val and test sets in English, German and French.

Line n of ``train.en``, ``train.de`` and ``train.fr`` has the same meaning. ``train.en-de.links`` has the word
alignment of the two, derived from the meaning, as pairs of 0-based positions (``0-0 1-2``) after Moses
tokenisation.

The test set has unseen combinations. A combination is a subject, a relation and an object
(``hb0|hold|t_13``); one in ten is held out, chosen by a hash of the combination, so it is the same for every
seed. Each test sentence states or denies at least one held-out combination; no sentence of train or val does.
Val is an ordinary split. No two lines of the three sets are equal in any of the languages.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from random import Random

from seq2scene.data.park.folders import ensure_folder, is_written, write_folder, write_lines
from seq2scene.data.park.language.grammar import LANGUAGES, links, text
from seq2scene.data.park.language.meaning import Message
from seq2scene.data.park.language.telling import tell
from seq2scene.data.park.sampling import sample_scene

VERSION = 1  # increase it whenever a seed gives different files
SPLITS = ("train", "val", "test")
ALIGNED = (("en", "de"), ("en", "fr"), ("de", "fr"))
PER_SCENE = 3


def is_held_out(combination: str, one_in: int = 10) -> bool:
    """Whether a combination is reserved for the test set: one in ``one_in``, by its SHA-256."""
    return int.from_bytes(hashlib.sha256(combination.encode()).digest()[:4], "big") % one_in == 0


def distinct_messages(seed: int) -> Iterator[Message]:
    """Messages about random scenes, skipping those whose text has occurred before in any language."""
    rng = Random(seed)
    seen: set[str] = set()
    while True:
        for message in tell(sample_scene(rng), rng, PER_SCENE):
            texts = {f"{language} {text(message, language)}" for language in LANGUAGES}
            if not texts & seen:
                seen |= texts
                yield message


def split_messages(seed: int, train: int, val: int, test: int) -> dict[str, list[Message]]:
    """The messages of the three sets, in the order of their lines."""
    known: list[Message] = []
    unseen: list[Message] = []
    messages = distinct_messages(seed)
    while len(known) < train + val or len(unseen) < test:
        message = next(messages)
        (unseen if any(map(is_held_out, message.combinations)) else known).append(message)
    return {"train": known[:train], "val": known[train : train + val], "test": unseen[:test]}


def write_park(folder: Path, seed: int = 0, train: int = 8000, val: int = 500, test: int = 500) -> None:
    """Writes the files of a park atomically: readers see all of them or none.

    Raises:
        UserError: the folder exists and is not empty, or cannot be created.
    """
    splits = split_messages(seed, train, val, test)
    write_folder(folder, _facts(seed, train, val, test), lambda draft: _write_splits(draft, splits))


def park_is_written(folder: Path, seed: int = 0, train: int = 8000, val: int = 500, test: int = 500) -> bool:
    """Whether the folder holds exactly this park, written by this version of the generator."""
    return is_written(folder, _facts(seed, train, val, test))


def ensure_park(root: Path, seed: int = 0, train: int = 8000, val: int = 500, test: int = 500) -> Path:
    """The folder of a park under ``root``, written on first use; different parks have different folders.

    Raises:
        UserError: the folder cannot be written, or holds something else.
    """
    folder = Path(root) / f"v{VERSION}-seed{seed}-{train}-{val}-{test}"

    def write(draft: Path) -> None:
        _write_splits(draft, split_messages(seed, train, val, test))

    return ensure_folder(folder, _facts(seed, train, val, test), write)


def _facts(seed: int, train: int, val: int, test: int) -> dict[str, int]:
    return {"version": VERSION, "seed": seed, "train": train, "val": val, "test": test}


def _write_splits(folder: Path, splits: dict[str, list[Message]]) -> None:
    for split, messages in splits.items():
        for language in LANGUAGES:
            write_lines(folder / f"{split}.{language}", [text(message, language) for message in messages])
        for source, target in ALIGNED:
            lines = [" ".join(f"{i}-{j}" for i, j in links(message, source, target)) for message in messages]
            write_lines(folder / f"{split}.{source}-{target}.links", lines)
