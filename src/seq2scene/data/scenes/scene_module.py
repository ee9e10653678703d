"""Base of the data sets of scenes: texts and objects of all samples as tensors, and batches that index
them.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from seq2scene.compositing.compositor import Compositor
from seq2scene.data.stop_words import stop_words
from seq2scene.data.text_module import TextModule
from seq2scene.errors import UserError
from seq2scene.scenes.batch import SceneBatch
from seq2scene.scenes.facts import Facts, of_text, read_facts
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.scene_texts import SceneTexts
from seq2scene.scenes.schema import Order, Schema
from seq2scene.scenes.statements import SentenceStatements
from seq2scene.sequences.batch import Sentences
from seq2scene.sequences.batching import EvaluationBatches, LengthBatches, Loader
from seq2scene.sequences.language import Language
from seq2scene.sequences.padding import pad_flat
from seq2scene.sequences.tokenizers import Words

Collate = Callable[[np.ndarray], SceneBatch]
StopWords = Literal["keep", "remove"]
VocabularyFrom = Literal["train", "all"]


@dataclass(frozen=True)
class Split:
    """The scenes of a split: their numbers in the data set, all their objects in canonical order, and the
    texts that describe each scene, as lists of sentences.
    """

    numbers: list[int]
    objects: Objects
    texts: list[list[list[str]]]


@dataclass(frozen=True)
class Samples:
    """A split as samples, pairs of a scene and one of its texts; the texts of a scene are adjacent.

    scenes: (samples,) int64, the row of each sample's scene. first, counts: (scenes,) int64, the first sample
    of each scene and how many it has. ids: all words, flat. starts, lengths: (samples, S) int64, where the
    words of each sentence are in ``ids``.
    """

    scenes: np.ndarray
    first: np.ndarray
    counts: np.ndarray
    ids: Tensor
    starts: Tensor
    lengths: Tensor


@dataclass(kw_only=True, eq=False)
class SceneModule(TextModule):
    """Scenes and the sentences that describe them. Training draws one text of each scene in each epoch;
    validation and test see every scene with each of its texts. Subclasses read the files.
    """

    sentences = 1  # of a text, at most
    mix_texts = False  # true: see ``AbstractScenes``
    joined = 1  # captions in a training text, at most, see ``PhotoScenes``

    grid: dict[str, int] | None = None  # columns and rows; None: 28 of each
    heads: dict[str, dict[str, Any]] | None = None  # attributes to learn; None: all
    max_objects: int = 9  # of a scene, the first in canonical order
    order: Order = "depth"  # in which objects are placed, see ``scenes.canonical_order``
    stop_words: StopWords = "keep"  # English stop words: keep or remove
    max_words: int | None = None  # longer sentences are truncated; None: never
    min_count: int = 1  # rarer words are out of vocabulary
    vocabulary_from: VocabularyFrom = "train"  # or all splits, as in the authors' code
    drop_sentences: float = 0.0  # share left out in training, so that short texts are learnt too
    word_vectors: str | None = None  # file of pretrained ones, see ``data.text.word_vectors``
    batch_size: int = 32
    pool_batches: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        self._require_positive("max_objects", "min_count")
        if self.max_words is not None:
            self._require_positive("max_words")
        if not 0 <= self.drop_sentences < 1:
            raise UserError(f"data.drop_sentences={self.drop_sentences} must be at least 0 and below 1")
        self._reader: SceneTexts | None = None
        self._schema: Schema | None = None
        self._vectors: Tensor | None = None
        self._train_facts = False
        self.splits: dict[str, Split] = {}
        self._samples: dict[str, Samples] = {}

    # What subclasses provide

    def _read(self, split: str) -> Split:
        raise NotImplementedError

    def _make_schema(self) -> Schema:
        raise NotImplementedError

    def compositor(self, split: str) -> Compositor | None:
        """What renders the true scenes of a split, if these are composites; after ``setup``."""
        return None

    def _facts_file(self, split: str) -> Path:
        """The file of the facts that the texts of a split state, which need not exist."""
        return self.folder / "facts" / f"{split}.jsonl"

    def pictures(self) -> dict[str, Tensor] | None:
        """Clip art by name, as PNG bytes (n,) uint8, if scenes are drawn with it."""
        return None

    # What the model and generation must know

    def description(self) -> dict[str, Any]:
        """Plain containers and tensors; available after ``setup``."""
        return {
            "texts": self.reader.state(),
            "schema": self.schema.state(),
            "pictures": self.pictures(),
            "word_vectors": self._vectors,
        }

    def use(self, description: Mapping[str, Any]) -> None:
        """Takes vocabulary and schema of a checkpoint instead of making them; call before ``setup``."""
        self._reader = SceneTexts.from_state(description["texts"])
        self.use_schema(Schema.from_state(description["schema"]))
        self._vectors = description["word_vectors"]

    def use_schema(self, schema: Schema) -> None:
        """Takes the schema of another module or a checkpoint; call before anything is read."""
        self._schema = schema

    @property
    def schema(self) -> Schema:
        """The schema of a checkpoint or another module, if there is one, or else of the training scenes."""
        if self._schema is None:
            self._schema = self._make_schema()
        return self._schema

    @property
    def _placing_order(self) -> Order:
        """The order in use: that of the checkpoint that is evaluated or continued, if any."""
        return self.order if self._schema is None else self._schema.order

    @property
    def reader(self) -> SceneTexts:
        """Splits texts into sentences of word ids; available after ``setup``."""
        assert self._reader is not None, "setup first"
        return self._reader

    def texts(self, split: str) -> list[list[str]]:
        """The sentences of each sample, as in the files."""
        return [text for texts in self.splits[split].texts for text in texts]

    def scene_ids(self, split: str) -> list[int]:
        """The number of each sample's scene in the data set."""
        return [self.splits[split].numbers[scene] for scene in self._of(split).scenes]

    def truth(self, split: str) -> Objects:
        """The whole scene of each sample."""
        return self.splits[split].objects[torch.from_numpy(self._of(split).scenes)]

    def facts(self, split: str) -> list[Facts] | None:
        """What the text of each sample states (``scenes.facts``); None if the data has no such facts."""
        found = self._facts_of_sentences(split)
        return None if found is None else [of_text(text) for text in found]

    def train_on_facts(self) -> None:
        """Gives training batches ``facts`` instead of ``stated``. Raises UserError if the data has no facts
        of its training texts.
        """
        path = self._facts_file("train")
        if not path.is_file():
            raise UserError(
                f"loss=self_critical: the reward is the share of stated facts that hold, and there are no "
                f"{path}; choose data of the park, or loss=cross_entropy"
            )
        self._train_facts = True

    def _facts_of_sentences(self, split: str) -> list[list[Facts]] | None:
        """What each sentence of the text of each sample states; None if the data has no such facts."""
        path = self._facts_file(split)
        if not path.is_file():
            return None
        known, read = read_facts(path, schema=self.schema), self.splits[split]
        for number, texts in zip(read.numbers, read.texts, strict=True):
            if len(known.get(number, [])) != len(texts):
                raise UserError(
                    f"{path}: of scene {number}, which has {len(texts)} texts, it has the facts of "
                    f"{len(known.get(number, []))}: write it anew, or move it away"
                )
        return [text for number in read.numbers for text in known[number]]

    # Reading

    @property
    def knows_its_language(self) -> bool:
        return self._reader is not None

    def read(self, splits: list[str]) -> None:
        """Reads scenes and their texts; does not learn words."""
        new = [split for split in splits if split not in self.splits]
        for split in new:
            self.splits[split] = self._read(split)
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
        new = [split for split in splits if split not in self.splits]
        self.read(splits)
        if self._reader is None:
            language = self._learn_language()
            self._reader = SceneTexts(language, self.schema.sentences, self.max_words)
            self._schema = self.schema.counted(self.splits["train"].objects)
            if self.word_vectors is not None:
                self._vectors = self._read_vectors(self.word_vectors, language.vocabulary)
        for split in new:
            if split != "train":  # those are read before anything is learnt anyway
                self._facts_of_sentences(split)

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
            read = self.splits[split]
            if split == "train":
                read = replace(read, texts=[[text * self.joined for text in texts] for texts in read.texts])
            self._samples[split] = make_samples(read, self.reader)
        return self._samples[split]

    # Batches

    def _training_loader(self) -> Loader:
        samples, objects = self._of("train"), self.splits["train"].objects
        longest = samples.lengths.amax(1).numpy()
        sentences = [sentence for text in self.texts("train") for sentence in text]
        if cut := sum(map(self.reader.is_cut, sentences)):
            what = "%d of %d sentences are cut after max_words=%d words"
            self._report(what, cut, len(sentences), self.max_words)
        plan = LengthBatches(
            np.maximum.reduceat(longest, samples.first),
            objects.present.sum(1).clamp(max=self.schema.max_objects).numpy() + 1,
            size=self.batch_size,
            pool_batches=self.pool_batches,
            seed=self.seed,
            **self._ranks(),
        )
        draws = self.schema.sentences if self.mix_texts else 1
        draw = OneTextEach(plan, samples, draws, self.seed, self.drop_sentences)
        return self._loader(draw, self._collate("train", truth=False))

    def _statements(self, split: str) -> SentenceStatements | None:
        """What each sentence of a split to train on states; None if the data has no such facts."""
        found = self._facts_of_sentences(split)
        if found is None:
            return None
        try:
            return SentenceStatements([text * self.joined for text in found], self.schema)
        except UserError as error:
            raise UserError(f"{self._facts_file(split)}: {error}") from error

    def _evaluation_loader(self, split: str) -> Loader:
        samples = self._of(split)
        words = samples.lengths.amax(1).numpy()
        counts = self.splits[split].objects.present.sum(1).numpy()[samples.scenes]
        plan = EvaluationBatches(words, counts, self.eval_batch_size, **self._ranks())
        return self._loader(plan, self._collate(split, truth=True))

    def _collate(self, split: str, truth: bool) -> Collate:
        samples, objects = self._of(split), self.splits[split].objects
        # Generated boxes have the sizes of their size classes, so targets must not have exact ones.
        targets = replace(self.schema.with_end(objects), extents=None)
        padding = self.reader.language.vocabulary.pad
        facts = self._facts_of_sentences(split) if truth or self._train_facts else None
        stated = None if truth or self._train_facts else self._statements(split)
        if facts is not None and not truth:
            facts = [text * self.joined for text in facts]

        def collate(rows: np.ndarray) -> SceneBatch:
            rows = rows.reshape(len(rows), -1)  # (B, 1), or (B, S) if each sentence is drawn on its own
            first = rows.max(axis=1)  # -1 for a sentence that is left out
            which = torch.from_numpy(first)
            scenes = torch.from_numpy(samples.scenes[first])
            taken = torch.from_numpy(rows.copy()).expand(-1, samples.lengths.shape[1])
            present = taken.clamp(min=0)
            lengths = (samples.lengths.gather(0, present) * (taken >= 0)).flatten()
            ids = pad_flat(samples.ids, samples.starts.gather(0, present).flatten(), lengths, padding)
            target = targets[scenes]
            steps = int((target.classes != 0).sum(1).max())
            whole = objects[scenes] if truth else None
            return SceneBatch(
                Sentences.of(ids, lengths),
                target.cut(steps),
                which,
                whole,
                facts=None if facts is None else tuple(mixed_facts(facts, row) for row in taken.tolist()),
                stated=None if stated is None else stated.of(taken),
            )

        return collate


class OneTextEach:
    """Turns a plan over scenes into one over samples: one text per scene and epoch, drawn by seed and epoch.

    draws: per scene; the number of sentences of a text if each sentence is drawn on its own. dropped: the
    share of sentences left out, -1 instead of their sample; a text keeps at least one.
    """

    def __init__(
        self, plan: LengthBatches, samples: Samples, draws: int, seed: int, dropped: float = 0.0
    ) -> None:
        self.plan, self.samples, self.draws, self.seed = plan, samples, draws, seed
        self.dropped = dropped

    def __len__(self) -> int:
        return len(self.plan)

    def batches(self, epoch: int) -> list[np.ndarray]:
        rng = np.random.default_rng([self.seed, epoch, 1])
        counts = self.samples.counts[:, None].repeat(self.draws, axis=1)
        drawn = self.samples.first[:, None] + rng.integers(counts)  # (scenes, draws), the same on every rank
        if self.dropped:
            lengths = self.samples.lengths.numpy()
            sentences = np.arange(lengths.shape[1])
            drawn = np.broadcast_to(drawn, (len(drawn), len(sentences)))
            kept = (rng.random(drawn.shape) >= self.dropped) & (lengths[drawn, sentences] > 0)
            drawn = np.where(kept | ~kept.any(axis=1, keepdims=True), drawn, -1)
        return [drawn[rows] for rows in self.plan.batches(epoch)]


def mixed_facts(facts: list[list[Facts]], samples: Sequence[int]) -> Facts:
    """The facts of a text whose sentence i is taken from ``samples[i]``, -1 for none. facts: of each sentence
    of each sample.
    """
    taken = [(facts[sample], at) for at, sample in enumerate(samples) if sample >= 0]
    return of_text([sentences[at] for sentences, at in taken if at < len(sentences)])


def make_samples(split: Split, reader: SceneTexts) -> Samples:
    """The samples of a split, its texts as word ids."""
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
