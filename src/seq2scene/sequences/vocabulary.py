"""Vocabularies: the mapping between tokens and ids."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from seq2scene.json_text import to_json
from seq2scene.sequences.lines import read_json

SPECIAL_SYMBOLS = ["<pad>", "<unk>", "<bos>", "<eos>"]


class Vocabulary:
    """A list of tokens, special symbols first; a token's id is its index.

    A word of the data spelt like a special symbol is an ordinary word with its own id: no text can produce a
    special id.
    """

    def __init__(self, tokens: list[str], pad: int = 0, unk: int = 1, bos: int = 2, eos: int = 3):
        self._tokens = list(tokens)
        self.pad, self.unk, self.bos, self.eos = pad, unk, bos, eos
        special = {pad, unk, bos, eos}
        assert len(special) == 4, "pad, unk, bos and eos must differ"
        self._ids = {token: i for i, token in enumerate(self._tokens) if i not in special}
        assert len(self._ids) == len(self._tokens) - 4, "a vocabulary lists each token once"

    @classmethod
    def count(
        cls, tokens: Counter | Iterable[Iterable[str]], min_count: int = 1, max_size: int | None = None
    ) -> "Vocabulary":
        """The tokens seen at least ``min_count`` times, most frequent first, ties in alphabetical order.

        ``tokens``: counts or tokenised sentences. ``max_size``: maximum size, special symbols included.
        """
        counts = (
            tokens if isinstance(tokens, Counter) else Counter(t for sentence in tokens for t in sentence)
        )
        kept = sorted((-n, token) for token, n in counts.items() if n >= min_count)
        words = [token for _, token in kept]
        if max_size is not None:
            words = words[: max(max_size - len(SPECIAL_SYMBOLS), 0)]
        return cls(SPECIAL_SYMBOLS + words)

    def __len__(self) -> int:
        return len(self._tokens)

    def __contains__(self, token: str) -> bool:
        return token in self._ids

    def ids(self, tokens: Iterable[str]) -> list[int]:
        """The ids of tokens, ``unk`` for those not listed."""
        return [self._ids.get(token, self.unk) for token in tokens]

    def tokens(self, ids: Iterable[int]) -> list[str]:
        """The tokens of ids, special symbols included."""
        return [self._tokens[i] for i in ids]

    def words(self) -> list[str]:
        """All tokens but the special symbols."""
        return list(self._ids)

    def shared(self, other: "Vocabulary") -> tuple[list[int], list[int]]:
        """The tokens that two vocabularies share, special symbols first: their ids here, and there."""
        words = [token for token in self._ids if token in other]
        here, there = ([one.pad, one.unk, one.bos, one.eos, *one.ids(words)] for one in (self, other))
        return here, there

    def state(self) -> dict:
        """The vocabulary as plain containers."""
        special = {"pad": self.pad, "unk": self.unk, "bos": self.bos, "eos": self.eos}
        return {"tokens": list(self._tokens), **special}

    @classmethod
    def from_state(cls, state: dict) -> "Vocabulary":
        return cls(**state)

    def save(self, path: Path | str) -> None:
        """Writes JSON, which preserves tokens of spaces or line breaks."""
        Path(path).write_text(to_json(self.state(), ensure_ascii=False, indent=0), encoding="utf-8")

    @classmethod
    def load(cls, path: Path | str) -> "Vocabulary":
        return cls.from_state(read_json(path))
