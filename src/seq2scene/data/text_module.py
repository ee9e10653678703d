"""Base of all data modules: files by split, loaders for every rank, and resuming within an epoch."""

import logging
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import pytorch_lightning as pl
from torch import Tensor

from seq2scene.data.held_out import Share, hold_out, with_shares
from seq2scene.data.text.word_vectors import read_word_vectors
from seq2scene.errors import UserError
from seq2scene.sequences.batching import Loader, Plan
from seq2scene.sequences.vocabulary import SPECIAL_SYMBOLS, Vocabulary

log = logging.getLogger(__name__)

MANY = 0.1  # share of the running words of a training text that may be unknown without a notice


class Ranks(TypedDict):
    """Which of the processes this one is, of how many."""

    rank: int
    world: int


class DataModule(pl.LightningDataModule):
    """The files of each split: what data modules share with the mixins that hold their options. It is no
    dataclass, so that a mixin does not reset the defaults of the module that it is mixed into.

    files: what each split is read from, the training file where a share of it is held out for the split (see
    ``data.held_out``).
    """

    root: str
    fetch: str | None
    seed: int
    files: dict[str, Any]
    _shares: dict[str, Share]
    _divided: set[Path]  # files of which shares are held out, once reported

    @cached_property
    def folder(self) -> Path:
        """Where the files are."""
        return Path(self.root)

    def _split_files(self) -> Mapping[str, Any]:
        """What each split is read from, train and val among them, or the share of the training file that is
        held out for it; the others are test sets.
        """
        return {"train": None, "val": None, "test": None}

    def _part(self, split: str, names: Sequence[str], path: Path, what: str = "photos") -> np.ndarray:
        """(N,) bool: which of the ``names`` in the file of a split are in the split, and not held out for
        another.
        """
        if not self._shares or split not in ("train", *self._shares):
            return np.ones(len(names), dtype=bool)
        parts = hold_out(names, self._shares, path, what)
        if path not in self._divided:
            self._divided.add(path)
            sizes = (f"{name} has {int(part.sum())}" for name, part in parts.items())
            self._report("%s: of its %d %s, %s", path, len(names), what, ", ".join(sizes))
        return parts[split]

    def _ranks(self) -> Ranks:
        if self.trainer is None:
            return {"rank": 0, "world": 1}
        return {"rank": self.trainer.global_rank, "world": self.trainer.world_size}

    def _report(self, message: str, *values: object) -> None:
        if self._ranks()["rank"] == 0:
            log.info(message, *values)

    def _require_positive(self, *names: str) -> None:
        for name in names:
            if getattr(self, name) < 1:
                raise UserError(f"data.{name} must be at least 1, not {getattr(self, name)}")


@dataclass(kw_only=True, eq=False)
class TextModule(DataModule):
    """Training, validation and named test sets of text. Subclasses read the files and make the batches.

    test_names: the splits other than train and val.
    padding_efficiency: of each side, real tokens / padded tokens; filled with the training loader.

    Raises UserError if an option is out of its range.
    """

    root: str  # folder of the files
    cache: str = ".cache"  # folder of whatever is made once, tokenised text first of all
    fetch: str | None = None  # command that gets the files, for the message when they are missing
    batch_size: int = 64  # samples per batch of one rank
    eval_batch_size: int = 128  # samples per batch in validation and test
    pool_batches: int = 100  # batches cut from one pool of samples sorted by length
    seed: int = 0  # of everything that is drawn

    def __post_init__(self) -> None:
        super().__init__()
        self.root, self.cache = (str(Path(place).expanduser()) for place in (self.root, self.cache))
        self.files, self._shares = with_shares(self._split_files())
        for name in self.files:
            if not re.fullmatch(r"[\w-][\w.-]*", str(name)):
                raise UserError(f"data.tests: a test set cannot be called {name}: files are named after it")
        self.test_names = [split for split in self.files if split not in ("train", "val")]
        self._require_positive("batch_size", "eval_batch_size", "pool_batches")
        self.padding_efficiency: dict[str, float] = {}
        self._train_loader: Loader | None = None
        self._place: dict[str, int] | None = None
        self._compared: set[str] = {"train"}
        self._tests_alone = False
        self._divided = set()

    # What subclasses provide

    @property
    def knows_its_language(self) -> bool:
        """Whether vocabularies have been given or learnt."""
        raise NotImplementedError

    def _load(self, splits: list[str]) -> None:
        """Reads the splits, and learns vocabularies from the training text unless they are known."""
        raise NotImplementedError

    def _shared(self, split: str) -> tuple[int, int, str]:
        """How many samples of a split are in the training set too, how many it has, and their noun."""
        return 0, 0, "samples"

    def _training_loader(self) -> Loader:
        raise NotImplementedError

    def _evaluation_loader(self, split: str) -> Loader:
        raise NotImplementedError

    def initial_vectors(self) -> dict[str, Tensor]:
        """Pretrained vectors (V, E) of the words of each language, zero for words without one; available
        after ``setup``. Empty without ``data.word_vectors``, and where the description has them.
        """
        return {}

    def test_alone(self, unknown: Collection[str] = ()) -> None:
        """Has ``prepare_data`` read the test sets alone.

        unknown: train and val where their files are not known; these are never read.
        """
        self._tests_alone = True
        self.files = {**self.files, **dict.fromkeys(unknown, ())}

    # Lightning's hooks

    def prepare_data(self) -> None:
        """Fills the cache, in one process. The training files may be missing if the language is given."""
        splits = self.test_names if self._tests_alone else list(self.files)
        self._compare([split for split in splits if split != "train" or not self.knows_its_language])

    def setup(self, stage: str | None = None) -> None:
        """Reads the splits of ``stage`` (None: all), and learns the language unless it was given."""
        splits = {"fit": ["train", "val"], "validate": ["val"], "test": self.test_names}
        self._compare(splits[stage] if stage in splits else list(self.files))

    def _compare(self, splits: list[str]) -> None:
        """Loads the splits that have files and, if train is among them, reports what others share with it."""
        splits = [split for split in splits if self.files[split] != ()]
        self._load(splits)
        if "train" not in splits:
            return
        for split in [split for split in splits if split not in self._compared]:
            self._compared.add(split)
            shared, whole, what = self._shared(split)
            if shared:
                self._report("%s: %d of %d %s are in the training set too", split, shared, whole, what)

    def train_dataloader(self) -> Loader:
        loader = self._training_loader()
        if self._place is not None:
            loader.load_state_dict(self._place)
            self._place = None
        self._train_loader = loader
        return loader

    def val_dataloader(self) -> Loader:
        return self._evaluation_loader("val")

    def test_dataloader(self) -> list[Loader]:
        """One loader for each of ``test_names``, in that order."""
        return [self._evaluation_loader(name) for name in self.test_names]

    def state_dict(self) -> dict:
        """The position within the training epoch.

        Lightning saves that of the loader too, but drops it when an optimizer asks for the number of steps.
        """
        return {} if self._train_loader is None else {"place": self._train_loader.state_dict()}

    def load_state_dict(self, state_dict: dict) -> None:
        self._place = state_dict.get("place")

    # Tools

    def _loader(self, plan: Plan, collate: Callable[[np.ndarray], Any]) -> Loader:
        on_gpu = self.trainer is not None and self.trainer.strategy.root_device.type == "cuda"
        return Loader(plan, collate, prefetch=4 if on_gpu else 0, pin_memory=on_gpu)

    def _read_vectors(self, path: str, vocabulary: Vocabulary, whose: str = "") -> Tensor:
        vectors, found = read_word_vectors(Path(path), vocabulary)
        words = len(vocabulary) - len(SPECIAL_SYMBOLS)
        self._report("%d of %d %swords have a vector in %s", found, words, whose, path)
        return vectors

    def _count_vocabulary(
        self, counts: Counter[str], min_count: int, max_size: int | None = None, whose: str = "the"
    ) -> Vocabulary:
        """The vocabulary of the words counted in training. Reports if it leaves many words unknown; raises
        UserError if it leaves no word known.
        """
        vocabulary = Vocabulary.count(counts, min_count, max_size)
        settings = f"data.min_count={min_count}" + ("" if max_size is None else f" data.max_size={max_size}")
        if len(vocabulary) == len(SPECIAL_SYMBOLS):
            raise UserError(
                f"{settings}: no word is left in {whose} vocabulary. Of {len(counts)} words of the training "
                f"text the most frequent is seen {max(counts.values(), default=0)} times; data.max_size "
                f"counts {len(SPECIAL_SYMBOLS)} special symbols too"
            )
        known = sum(count for word, count in counts.items() if word in vocabulary)
        unknown = 1 - known / counts.total()
        if unknown > MANY:
            self._report(
                "%.1f%% of the running words of training are unknown: %s vocabulary lists %d of %d, by %s",
                *(100 * unknown, whose, len(vocabulary) - len(SPECIAL_SYMBOLS), len(counts), settings),
            )
        return vocabulary


def named_splits(train: Any, val: Any, tests: dict[str, Any]) -> dict[str, Any]:
    """All splits by name, without tests that are None; raises UserError if a test set has the name of another
    split.
    """
    if {"train", "val"} & tests.keys():
        raise UserError("data.tests: a test set cannot be called train or val")
    return {"train": train, "val": val, **{name: test for name, test in tests.items() if test is not None}}


def same_language(description: Mapping[str, Any], name: str, key: str, own: str) -> str:
    """The language code ``name`` of a checkpoint's ``description``, or ``own``, the data set's, if the
    checkpoint is too old to have one. Raises UserError, naming the right ``data.KEY``, if the two differ.
    """
    code = description.get(name, own)
    if code != own:
        raise UserError(f"data.{key}={own}: the checkpoint has learnt {code}; say data.{key}={code}")
    return code
