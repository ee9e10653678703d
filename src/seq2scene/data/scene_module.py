"""What data sets of scenes have in common: texts and objects of all samples as tensors, and batches that are
an index into them.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from seq2scene.data.scene_texts import SceneTexts, stop_words
from seq2scene.data.text_module import TextModule
from seq2scene.data.word_vectors import read_word_vectors
from seq2scene.scenes.batch import SceneBatch
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Schema
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.batching import EvaluationBatches, LengthBatches, Loader
from seq2scene.sequences.language import Language
from seq2scene.sequences.padding import pad_flat
from seq2scene.sequences.tokenizers import Words

StopWords = Literal["keep", "remove"]
VocabularyFrom = Literal["train", "all"]


@dataclass(frozen=True)
class Split:
    """The scenes of a split: their numbers in the data set, their objects, whole and in canonical order, and
    of each scene the texts that tell it, each a list of sentences.
    """

    numbers: list[int]
    objects: Objects
    texts: list[list[list[str]]]


@dataclass(frozen=True)
class Samples:
    """A split as its samples, a scene and one of its texts each, the texts of a scene adjacent.

    scenes: (samples,) int64, the place of each one's scene. first, counts: (scenes,) int64, its first sample
    and how many it has. ids: all words, flat; starts, lengths: (samples, S) int64, where each sentence lies.
    """

    scenes: np.ndarray
    first: np.ndarray
    counts: np.ndarray
    ids: Tensor
    starts: Tensor
    lengths: Tensor


class SceneModule(TextModule):
    """Scenes and the sentences that tell them. Training draws one text of each scene in each epoch;
    validation and test see every scene with each of its texts. Subclasses read the files.

    stop_words: ``remove`` or ``keep`` those of English. max_words: a sentence is cut after so many; null
    keeps all. min_count: words seen less often are left out. vocabulary_from: ``train``, or ``all`` splits,
    as the authors have it. glove: a file of word vectors to start from, or null (``data.word_vectors``).
    mix_texts: in training each sentence is of one of the scene's texts by itself, so that three sentences
    told twice make eight texts.
    """

    sentences = 1  # of a text, at most

    def __init__(
        self,
        root: str,
        cache: str,
        stop_words: StopWords = "keep",
        max_words: int | None = None,
        min_count: int = 1,
        vocabulary_from: VocabularyFrom = "train",
        glove: str | None = None,
        mix_texts: bool = False,
        batch_size: int = 32,
        eval_batch_size: int = 128,
        pool_batches: int = 50,
        seed: int = 0,
        fetch: str | None = None,
    ) -> None:
        super().__init__({"train": None, "val": None, "test": None}, root, cache, fetch)
        self.stop_words, self.max_words, self.min_count = stop_words, max_words, min_count
        self.vocabulary_from, self.glove, self.mix_texts = vocabulary_from, glove, mix_texts
        self.batch_size, self.eval_batch_size = batch_size, eval_batch_size
        self.pool_batches, self.seed = pool_batches, seed
        self._require_positive("batch_size", "eval_batch_size", "pool_batches", "min_count")
        if max_words is not None:
            self._require_positive("max_words")
        self.reader: SceneTexts | None = None
        self.schema: Schema | None = None
        self.word_vectors: Tensor | None = None
        self.splits: dict[str, Split] = {}
        self._samples: dict[str, Samples] = {}

    # What subclasses say

    def _read(self, split: str) -> Split:
        raise NotImplementedError

    def _make_schema(self) -> Schema:
        raise NotImplementedError

    def pictures(self) -> dict[str, Tensor] | None:
        """Clip art by name, PNG bytes (n,) uint8, where scenes are painted with it."""
        return None

    # What the model and generation must know

    def description(self) -> dict[str, Any]:
        """Plain containers and tensors; known after ``setup``."""
        assert self.reader is not None and self.schema is not None, "setup first"
        return {
            "texts": self.reader.state(),
            "schema": self.schema.state(),
            "pictures": self.pictures(),
            "word_vectors": self.word_vectors,
        }

    def use(self, description: Mapping[str, Any]) -> None:
        """Takes vocabulary and schema of a checkpoint instead of making them; call before ``setup``."""
        self.reader = SceneTexts.from_state(description["texts"])
        self.schema = Schema.from_state(description["schema"])
        self.word_vectors = description["word_vectors"]

    def texts(self, split: str) -> list[list[str]]:
        """The sentences of each sample, as they stand in the files."""
        return [text for texts in self.splits[split].texts for text in texts]

    def scene_ids(self, split: str) -> list[int]:
        """The number of each sample's scene in the data set."""
        return [self.splits[split].numbers[scene] for scene in self._of(split).scenes]

    def truth(self, split: str) -> Objects:
        """The whole scene of each sample."""
        return self.splits[split].objects[torch.from_numpy(self._of(split).scenes)]

    # Reading

    @property
    def knows_its_language(self) -> bool:
        return self.reader is not None

    def read(self, splits: list[str]) -> None:
        """Reads scenes and their texts, and makes the schema if there is none; learns no words."""
        new = [split for split in splits if split not in self.splits]
        for split in new:
            self.splits[split] = self._read(split)
        if self.schema is None:
            self.schema = self._make_schema()
        for split in new:
            self._report_cut(split)

    def _report_cut(self, split: str) -> None:
        counts, most = self.splits[split].objects.present.sum(1), self.schema.max_objects
        beyond = (counts - most).clamp(min=0)
        if beyond.any():
            self._report(
                "%s: %d of %d scenes have more than data.max_objects=%d objects; the last %d go unseen",
                *(split, int((beyond > 0).sum()), len(counts), most, int(beyond.sum())),
            )

    def _load(self, splits: list[str]) -> None:
        self.read(splits)
        if self.reader is None:
            self.reader = SceneTexts(self._learn_language(), self.schema.sentences, self.max_words)
            self.schema = self.schema.counted(self.splits["train"].objects)
            if self.glove is not None:
                self.word_vectors, found = read_word_vectors(
                    Path(self.glove), self.reader.language.vocabulary
                )
                self._report("%d of %d words have a vector in %s", found, len(self.word_vectors), self.glove)

    def _shared(self, split: str) -> tuple[int, int, str]:
        numbers, known = self.splits[split].numbers, set(self.splits["train"].numbers)
        # numbers of different files may be of different scenes
        alike = self.files[split] == self.files["train"]
        return sum(number in known for number in numbers) if alike else 0, len(numbers), "scenes"

    def _learn_language(self) -> Language:
        tokenizer = Words(stop_words(self.stop_words))
        chosen = ["train"] if self.vocabulary_from == "train" else list(self.files)
        counts: Counter[str] = Counter()
        for split in chosen:
            if split not in self.splits:
                self.splits[split] = self._read(split)
            for text in self.texts(split):
                for sentence in text:
                    counts.update(tokenizer.split(sentence))
        return Language(tokenizer, self._count_vocabulary(counts, self.min_count))

    def _of(self, split: str) -> Samples:
        if split not in self._samples:
            self._samples[split] = make_samples(self.splits[split], self.reader)
        return self._samples[split]

    # Batches

    def _training_loader(self) -> Loader:
        samples, objects = self._of("train"), self.splits["train"].objects
        longest = samples.lengths.amax(1).numpy()
        told = [sentence for text in self.texts("train") for sentence in text]
        if cut := sum(map(self.reader.is_cut, told)):
            self._report(
                "%d of %d sentences are cut after max_words=%d words", cut, len(told), self.max_words
            )
        plan = LengthBatches(
            np.maximum.reduceat(longest, samples.first),
            objects.present.sum(1).clamp(max=self.schema.max_objects).numpy() + 1,
            size=self.batch_size,
            pool_batches=self.pool_batches,
            seed=self.seed,
            **self._ranks(),
        )
        draw = OneTextEach(plan, samples, self.schema.sentences if self.mix_texts else 1, self.seed)
        return self._loader(draw, self._collate("train", truth=False))

    def _evaluation_loader(self, split: str) -> Loader:
        samples = self._of(split)
        words = samples.lengths.amax(1).numpy()
        counts = self.splits[split].objects.present.sum(1).numpy()[samples.scenes]
        plan = EvaluationBatches(words, counts, self.eval_batch_size, **self._ranks())
        return self._loader(plan, self._collate(split, truth=True))

    def _collate(self, split: str, truth: bool):
        samples, objects = self._of(split), self.splits[split].objects
        # What is written has the sizes of its classes, so what is taught must not have exact ones.
        targets = replace(self.schema.with_end(objects), extents=None)
        padding = self.reader.language.vocabulary.pad

        def collate(rows: np.ndarray) -> SceneBatch:
            rows = rows.reshape(len(rows), -1)  # (B, 1), or (B, S) where each sentence is of its own text
            which = torch.from_numpy(rows[:, 0].copy())
            scenes = torch.from_numpy(samples.scenes[rows[:, 0]])
            told = torch.from_numpy(rows.copy()).expand(-1, samples.lengths.shape[1])
            lengths = samples.lengths.gather(0, told).flatten()
            ids = pad_flat(samples.ids, samples.starts.gather(0, told).flatten(), lengths, padding)
            target = targets[scenes]
            steps = int((target.classes != 0).sum(1).max())
            whole = objects[scenes] if truth else None
            return SceneBatch(Sentences.of(ids, lengths), target.cut(steps), which, whole)

        return collate


class OneTextEach:
    """A plan over scenes as one over samples: in each epoch one text of each scene, by seed and epoch.

    draws: of each scene; as many as a text has sentences where each of these is drawn by itself.
    """

    def __init__(self, plan: LengthBatches, samples: Samples, draws: int, seed: int) -> None:
        self.plan, self.samples, self.draws, self.seed = plan, samples, draws, seed

    def __len__(self) -> int:
        return len(self.plan)

    def batches(self, epoch: int) -> list[np.ndarray]:
        rng = np.random.default_rng([self.seed, epoch, 1])
        counts = self.samples.counts[:, None].repeat(self.draws, axis=1)
        drawn = self.samples.first[:, None] + rng.integers(counts)  # (scenes, draws), the same on every rank
        return [drawn[rows] for rows in self.plan.batches(epoch)]


def make_samples(split: Split, reader: SceneTexts) -> Samples:
    counts = np.asarray([len(texts) for texts in split.texts])
    rows = [row for texts in split.texts for text in texts for row in reader.rows(text)]
    lengths = torch.tensor([len(row) for row in rows], dtype=torch.int64)
    return Samples(
        scenes=np.repeat(np.arange(len(counts)), counts),
        first=np.cumsum(counts) - counts,
        counts=counts,
        ids=torch.tensor([word for row in rows for word in row], dtype=torch.int64),
        starts=(lengths.cumsum(0) - lengths).view(-1, reader.sentences),
        lengths=lengths.view(-1, reader.sentences),
    )
