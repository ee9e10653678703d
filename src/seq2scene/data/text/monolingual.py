"""Text of one language: a tokenizer and a vocabulary, learnt from the training text."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from seq2scene.data.text_module import TextModule, same_language
from seq2scene.sequences import corpus
from seq2scene.sequences.corpus import Corpus, Text
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import Tokenizer, choose


@dataclass(kw_only=True, eq=False)
class MonolingualModule(TextModule):
    """Text of one language. ``learnt_language`` is None until ``use`` or ``setup``."""

    language: str  # its code, for the tokenizer
    tokenizer: str = "moses"  # whitespace, moses, treebank, bpe, unigram or character
    lowercase: bool = False
    vocabulary_size: int = 8000  # subwords of bpe and unigram
    min_count: int = 1  # rarer tokens of the training text are out of vocabulary
    max_size: int | None = None  # largest vocabulary, special symbols included
    max_length: int | None = 100  # longer training sentences are left out; None keeps all
    word_vectors: str | None = None  # file of pretrained ones, see ``data.text.word_vectors``

    def __post_init__(self) -> None:
        super().__post_init__()
        self.learnt_language: Language | None = None
        self.corpora: dict[str, Corpus] = {}

    # What subclasses provide

    def _text(self, split: str) -> Text:
        """All lines of a split."""
        raise NotImplementedError

    # What the model and generation must know

    def description(self) -> dict[str, Any]:
        """The language and its code, as plain containers; available after ``setup``."""
        assert self.learnt_language is not None, "setup first"
        return {"language": self.learnt_language.state(), "language_code": self.language}

    def use(self, description: Mapping[str, Any]) -> None:
        """Takes the language of a checkpoint instead of learning it; call before ``setup``. Raises UserError
        if its code differs from that of the files.
        """
        self.learnt_language = Language.from_state(description["language"])
        self.language = same_language(description, "language_code", "language", self.language)

    def initial_vectors(self) -> dict[str, Tensor]:
        if self.word_vectors is None:
            return {}
        assert self.learnt_language is not None, "setup first"
        return {"language": self._read_vectors(self.word_vectors, self.learnt_language.vocabulary)}

    # Reading

    @property
    def knows_its_language(self) -> bool:
        return self.learnt_language is not None

    def _load(self, splits: list[str]) -> None:
        if self.learnt_language is None:
            self.learnt_language = self._learn_language()
        for split in splits:
            if split not in self.corpora:
                self.corpora[split] = corpus.encode(self._text(split), self.learnt_language, self.cache)

    def _learn_language(self) -> Language:
        text = self._text("train")
        tokenizer = choose(self.tokenizer, self.language, self.lowercase, self.vocabulary_size)
        tokenizer = corpus.train_tokenizer(tokenizer, [text], self.cache)
        counts = self._count_tokens(text, tokenizer)
        return Language(tokenizer, self._count_vocabulary(counts, self.min_count, self.max_size))

    def _count_tokens(self, text: Text, tokenizer: Tokenizer) -> Counter[str]:
        """How often each token that the vocabulary may list occurs in the training text."""
        return corpus.tokenise(text, tokenizer, self.cache).counts()
