"""Unknown-word replacement: aligned source words are translated or copied.

After Luong et al. (ACL 2015) and Jean et al. (2015), as Luong et al. (EMNLP 2015) use it for Table 4: each
<unk> is replaced by the dictionary's translation of the source word that it is aligned to, or else by the
source word itself.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from seq2scene.errors import UserError
from seq2scene.sequences.alignments import NO_LINK
from seq2scene.sequences.corpus import Tokens
from seq2scene.sequences.lines import read_lines

log = logging.getLogger(__name__)
Word = TypeVar("Word")


def replace_unknown(
    words: Sequence[Word],
    unknown: Sequence[bool],
    sources: Sequence[int],
    source: Sequence[str],
    dictionary: Mapping[str, str],
) -> list[Word | str]:
    """One sentence with its unknown words replaced.

    words (T,) of the hypothesis, unknown (T,) which of them to replace, sources (T,) the position in
    ``source`` that each is aligned to. An unknown word without a link is left as it is.
    """
    return [
        dictionary.get(source[place], source[place]) if gap and place != NO_LINK else word
        for word, gap, place in zip(words, unknown, sources, strict=True)
    ]


@dataclass(frozen=True)
class Entry:
    """A source word's most probable translation, p(target | source) estimated from link counts, and its
    count.
    """

    source: str
    target: str
    probability: float
    links: int


class LinkCounts:
    """How often each source word of a training text was linked to each target word.

    ``source`` and ``target`` are the two sides as words, so that words outside the model's vocabularies are
    counted separately.
    """

    def __init__(self, source: Tokens, target: Tokens) -> None:
        self.source, self.target = source, target
        self._pairs: list[np.ndarray] = []

    def add(self, lines: np.ndarray, sources: np.ndarray) -> None:
        """Adds the sentences ``lines`` (B,) with the source word of each target word (B, T), or NO_LINK."""
        row, target = np.nonzero(sources != NO_LINK)
        source_word = self.source.places[self.source.offsets[lines[row]] + sources[row, target]]
        target_word = self.target.places[self.target.offsets[lines[row]] + target]
        self._pairs.append(source_word.astype(np.int64) * len(self.target.types) + target_word)

    def counted(self) -> tuple[np.ndarray, np.ndarray]:
        """The pairs seen, as source type * target types + target type, and their counts: (pairs,) each."""
        pairs = np.concatenate([np.zeros(0, dtype=np.int64), *self._pairs])
        return np.unique(pairs, return_counts=True)

    def entries(self, parts: Iterable[tuple[np.ndarray, np.ndarray]] | None = None) -> list[Entry]:
        """The most probable entry of each source word seen, in the order of source words; ties go to the
        target word seen first in the text. ``parts``: the results of ``counted`` on every rank.
        """
        pairs, counts = merged([self.counted()] if parts is None else parts)
        source, target = np.divmod(pairs, max(len(self.target.types), 1))
        totals = np.bincount(source, weights=counts, minlength=len(self.source.types))
        order = np.lexsort((target, -counts, source))
        best = order[np.unique(source[order], return_index=True)[1]]
        entries = [
            Entry(self.source.types[s], self.target.types[t], n / totals[s], n)
            for s, t, n in zip(
                source[best].tolist(), target[best].tolist(), counts[best].tolist(), strict=True
            )
        ]
        return sorted(entries, key=lambda entry: entry.source)


def merged(parts: Iterable[tuple[np.ndarray, np.ndarray]]) -> tuple[np.ndarray, np.ndarray]:
    """The sum of the counts of several parts: (pairs,) and (pairs,)."""
    pairs, counts = (np.concatenate(side) for side in zip(*parts, strict=True))
    unique, place = np.unique(pairs, return_inverse=True)
    return unique, np.bincount(place, weights=counts, minlength=len(unique)).astype(np.int64)


def chosen_dictionary(replace_unk: str) -> dict[str, str]:
    """The dictionary for ``replace_unk``: empty for ``copy``, otherwise read from that file."""
    return {} if replace_unk == "copy" else load_dictionary(replace_unk)


def save_dictionary(path: Path, entries: Iterable[Entry]) -> None:
    """Writes source word, target word, probability and number of links, tab-separated; creates the folder.

    Entries with a tab or a line break in a word are left out, and their number is logged.
    """
    left_out = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for entry in entries:
            if set("\t\n\r") & set(entry.source + entry.target):
                left_out += 1
            else:
                file.write(f"{entry.source}\t{entry.target}\t{entry.probability:.4f}\t{entry.links}\n")
    if left_out:
        log.info("%s: %d entries with a tab or a line break in a word are left out", path, left_out)


def load_dictionary(path: Path | str) -> dict[str, str]:
    """Source word -> target word, from the first two columns of a file as ``save_dictionary`` writes it.

    Raises UserError with file and line if a line has fewer than two columns, or a word two entries.
    """
    path = Path(path)
    dictionary: dict[str, str] = {}
    for number, line in enumerate(read_lines(path), start=1):
        source, target, *_ = [*line.split("\t"), "", ""]
        if not source or not target:
            raise UserError(
                f"{path}, line {number}: a dictionary line is a source word, a tab and its translation"
            )
        if source in dictionary:
            raise UserError(f"{path}, line {number}: {source!r} already has an entry; keep one of them")
        dictionary[source] = target
    return dictionary
