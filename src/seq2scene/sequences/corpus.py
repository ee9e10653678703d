"""Corpora: text files as flat arrays of token ids, read once and then memory-mapped from a cache.

A file is tokenised once into *types* (the distinct tokens in order of appearance) and an array of the type at
each position; vocabularies are counted from that array and ids gathered through it. Everything is cached
under a hash of the file's bytes and the settings, so a changed file or setting never hits a stale entry.
"""

import hashlib
import json
import zlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seq2scene.arrays import Damaged, read_array, undamaged
from seq2scene.caching import kept, key, renewed
from seq2scene.errors import UserError
from seq2scene.json_text import to_json, write_json
from seq2scene.sequences.language import Language
from seq2scene.sequences.lines import plain_text, read_bytes
from seq2scene.sequences.tokenizers import Tokenizer, restore
from seq2scene.sequences.vocabulary import Vocabulary

Arrays = dict[str, np.ndarray]

CACHE_VERSION = 3  # raise it when tokenizing or the layout of the cache changes
SUMS = "checksums.json"  # of an entry's other files, by name


@dataclass(frozen=True)
class Text:
    """The lines of one file.

    data: all bytes, uint8. starts, ends: (lines,) int64, the extent of each line in ``data``. digest: a hash
    of the file.
    """

    path: Path
    digest: str
    data: np.ndarray
    starts: np.ndarray
    ends: np.ndarray

    def __len__(self) -> int:
        return len(self.starts)

    def line(self, i: int) -> str:
        """Line ``i``, counted from 0, as in the file."""
        return self.data[self.starts[i] : self.ends[i]].tobytes().decode()

    def only(self, chosen: np.ndarray) -> "Text":
        """The lines that are ``chosen`` (lines,) bool, in order."""
        digest = hashlib.sha256(f"{self.digest} ".encode() + np.packbits(chosen).tobytes()).hexdigest()
        return Text(self.path, digest, self.data, self.starts[chosen], self.ends[chosen])

    def lines(self) -> list[str]:
        """All lines in order."""
        data = self.data.tobytes()
        return [data[a:b].decode() for a, b in zip(self.starts.tolist(), self.ends.tolist(), strict=True)]


@dataclass(frozen=True)
class Tokens:
    """A tokenised text.

    types: the distinct tokens. places: (tokens,) int32 into ``types``. offsets: (lines + 1,) int64 into
    ``places``.
    """

    types: list[str]
    places: np.ndarray
    offsets: np.ndarray

    def counts(self) -> Counter:
        """How often each token occurs."""
        counts = np.bincount(self.places, minlength=len(self.types))
        return Counter(dict(zip(self.types, counts.tolist(), strict=True)))


@dataclass(frozen=True)
class Corpus:
    """A text as ids of a vocabulary, each line followed by EOS, in one flat array.

    text: its lines. ids: (tokens + lines,) int32. offsets: (lines + 1,) int64: line i, including its EOS, is
    ``ids[offsets[i] : offsets[i + 1]]``.
    """

    text: Text
    ids: np.ndarray
    offsets: np.ndarray
    vocabulary: Vocabulary

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, i: int) -> np.ndarray:
        """The ids of line ``i``, without EOS."""
        return self.ids[self.offsets[i] : self.offsets[i + 1] - 1]

    @property
    def lengths(self) -> np.ndarray:
        """(lines,) int64, without EOS."""
        return np.diff(self.offsets) - 1


def how_to_get(fetch: str | None) -> str:
    """What to do about a missing file, given the command that fetches it, other advice, or None."""
    if fetch is None:
        return "check data.root and the names of the files"
    return f"fetch it with `{fetch}`" if fetch.startswith("python ") else fetch


def read_text(path: Path | str, cache: Path | str, hint: str = "") -> Text:
    """The lines of a file as ``sequences.lines`` reads them.

    ``hint`` says what to do if the file is missing. Raises UserError for a file that is missing, unreadable,
    damaged, empty or not UTF-8.
    """
    path = Path(path)
    packed = read_bytes(path, hint)
    digest = hashlib.sha256(packed).hexdigest()

    def make() -> Arrays:
        return _find_lines(plain_text(packed, str(path)), path)

    arrays = _cached(cache, ["text", digest], make)
    return Text(path, digest, arrays["data"], arrays["starts"], arrays["ends"])


def joined(texts: Sequence[Text], path: Path) -> Text:
    """Texts as one, in their order. path: names it in messages."""
    if len(texts) == 1:
        return texts[0]
    before = np.cumsum([0, *(len(text.data) for text in texts[:-1])])
    starts, ends = (
        np.concatenate([getattr(text, side) + first for text, first in zip(texts, before, strict=True)])
        for side in ("starts", "ends")
    )
    digest = hashlib.sha256(" ".join(text.digest for text in texts).encode()).hexdigest()
    return Text(path, digest, np.concatenate([text.data for text in texts]), starts, ends)


def tokenise(text: Text, tokenizer: Tokenizer, cache: Path | str) -> Tokens:
    """The tokens of a text, cached."""
    content = ["tokens", text.digest, tokenizer.state()]
    arrays = _cached(cache, content, lambda: _tokenise(text.lines(), tokenizer))
    types = json.loads(arrays["types"].tobytes())
    return Tokens(types, arrays["places"], arrays["offsets"])


def encode(text: Text, language: Language, cache: Path | str) -> Corpus:
    """A text as ids of a language, cached."""

    def make() -> Arrays:
        return _encode(tokenise(text, language.tokenizer, cache), language.vocabulary)

    arrays = _cached(cache, ["corpus", text.digest, language.state()], make)
    return Corpus(text, arrays["ids"], arrays["offsets"], language.vocabulary)


def train_tokenizer(tokenizer: Tokenizer, texts: list[Text], cache: Path | str) -> Tokenizer:
    """The tokenizer trained on texts; its trained state is cached."""
    content = ["tokenizer", [text.digest for text in texts], tokenizer.state()]

    def make() -> Arrays:
        tokenizer.train(line for text in texts for line in text.lines())
        return {"state": _json_array(tokenizer.state())}

    return restore(json.loads(_cached(cache, content, make)["state"].tobytes()))


def check_parallel(source: Text, target: Text) -> None:
    """Raises UserError unless both texts have the same number of lines."""
    if len(source) == len(target):
        return
    longer, shorter = (source, target) if len(source) > len(target) else (target, source)
    raise UserError(
        f"{source.path} has {len(source)} lines but {target.path} has {len(target)}: "
        f"line {len(shorter) + 1} of {longer.path} has no partner in {shorter.path}. "
        "Line n of one must translate line n of the other: look for a missing or duplicated line"
    )


def count_shared(train: Sequence[Text], other: Sequence[Text], cache: Path | str) -> int:
    """How many non-empty lines of ``other``, one text or two parallel ones, also occur anywhere in ``train``;
    cached.
    """

    def make() -> Arrays:
        rows = list(zip(*(text.lines() for text in other), strict=True))
        sizes = [
            sum((text.ends - text.starts) << 31 * side for side, text in enumerate(texts))
            for texts in (train, other)
        ]
        alike = np.flatnonzero(np.isin(*sizes)).tolist()  # of equal length: few lines are left to compare
        known = {tuple(text.line(row) for text in train) for row in alike}
        return {"shared": np.asarray(sum(any(row) and row in known for row in rows))}

    content = ["shared", *([text.digest for text in texts] for texts in (train, other))]
    return int(_cached(cache, content, make)["shared"])


def _find_lines(data: bytes, path: Path) -> Arrays:
    """Starts and ends of lines: a line feed ends a line, and a carriage return before it is dropped."""
    if not data.strip():
        raise UserError(f"{path} is empty: a corpus needs at least one line of text")
    flat = np.frombuffer(data if data.endswith(b"\n") else data + b"\n", dtype=np.uint8)
    feeds = np.flatnonzero(flat == ord("\n"))
    starts = np.concatenate([[0], feeds[:-1] + 1])
    returns = (feeds > starts) & (flat[feeds - 1] == ord("\r"))
    return {"data": flat, "starts": starts, "ends": feeds - returns}


def _tokenise(lines: Iterable[str], tokenizer: Tokenizer) -> Arrays:
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__  # an unseen token gets the next number
    places, offsets = array("i"), array("q", [0])
    for line in lines:
        places.extend(map(numbers.__getitem__, tokenizer.split(line)))
        offsets.append(len(places))
    return {
        "types": _json_array(list(numbers)),
        "places": np.asarray(places, dtype=np.int32),
        "offsets": np.asarray(offsets, dtype=np.int64),
    }


def _encode(tokens: Tokens, vocabulary: Vocabulary) -> Arrays:
    """Ids in place of types, with EOS after each line."""
    lines = len(tokens.offsets) - 1
    offsets = tokens.offsets + np.arange(lines + 1)
    ids = np.full(offsets[-1], vocabulary.eos, dtype=np.int32)
    is_word = np.ones(len(ids), dtype=bool)
    is_word[offsets[1:] - 1] = False
    ids[is_word] = np.asarray(vocabulary.ids(tokens.types), dtype=np.int32)[tokens.places]
    return {"ids": ids, "offsets": offsets}


def _json_array(value: object) -> np.ndarray:
    return np.frombuffer(to_json(value).encode(), dtype=np.uint8)


def _cached(cache: Path | str, content: list, make: Callable[[], Arrays]) -> Arrays:
    """The arrays cached for ``content`` (plain containers), computed if missing or damaged; memory-mapped."""
    entry = Path(cache) / key(to_json([CACHE_VERSION, *content], sort_keys=True))

    def make_entry() -> None:
        if not entry.exists():
            arrays = make()  # outside the lock, as it may read other cached arrays
            kept(entry, lambda: arrays, _write_entry)

    return renewed(entry, make_entry, _read_entry)


def _write_entry(entry: Path, arrays: Arrays) -> None:
    entry.mkdir()
    for name, values in arrays.items():
        np.save(entry / f"{name}.npy", values)
    write_json(entry / SUMS, {name: _checksum(entry / f"{name}.npy") for name in arrays})


def _read_entry(entry: Path) -> Arrays:
    with undamaged(entry / SUMS):
        sums = dict(json.loads((entry / SUMS).read_text("utf-8")))
    for name, known in sums.items():
        file = entry / f"{name}.npy"
        with undamaged(file):
            found = _checksum(file)
        if found != known:
            raise Damaged(f"{file} is damaged (its checksum differs)")
    # copy on write: torch needs writable arrays, and the file must not change
    return {name: read_array(entry / f"{name}.npy", "c") for name in sums}


def _checksum(file: Path) -> int:
    return zlib.crc32(np.memmap(file, np.uint8, "r").data)
