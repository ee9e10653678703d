"""Word alignments: which source word each target word was written from.

When read from attention (Luong et al. 2015, section 5.4), each target word is linked to the source word with
the largest weight. B sentences, T target positions, S source positions; a link is (source word, target word),
both counted from 0 in text order.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from seq2scene.errors import UserError
from seq2scene.sequences.lines import read_lines
from seq2scene.sequences.padding import lengths_to_mask

Link = tuple[int, int]

NO_LINK = -1
SHIFTS = (0, 1)


def require_shift(shift: int) -> None:
    """Raises UserError unless ``shift`` is one of ``SHIFTS``."""
    if shift not in SHIFTS:
        raise UserError(f"align_shift={shift} is not a choice; choose one of 0, 1")


# From attention


def soft_alignment(weights: Tensor, source_words: Tensor, target_words: Tensor, shift: int = 0) -> Tensor:
    """Soft links from each target word to each source word: attention (B, T, S) -> (B, T, S).

    source_words, target_words: (B,) words in each sentence, without EOS; all else is set to 0. The T steps of
    ``weights`` include the one that wrote EOS.

    shift 0 reads the alignment of y_t from a_t, the attention of the step that wrote it. shift 1 reads it
    from a_{t+1}, the attention of the step that read it (for the last word, the step that wrote EOS), as
    Luong et al. 2015 do with their content-based scores, where the query of a_t is the state that has just
    read y_{t-1}.
    """
    assert shift in SHIFTS, "a shift is 0 or 1"
    read = torch.zeros_like(weights)
    read[:, : weights.shape[1] - shift] = weights[:, shift:]
    rows = lengths_to_mask(target_words.to(weights.device), weights.shape[1])
    columns = lengths_to_mask(source_words.to(weights.device), weights.shape[2])
    return read * (rows.unsqueeze(2) & columns.unsqueeze(1))


def hard_alignment(soft: Tensor) -> Tensor:
    """The source word (B, T) of each target word, counted from 0, ties going to the first; ``NO_LINK`` where
    ``soft`` (B, T, S) is all 0.
    """
    if soft.shape[2] == 0:
        return soft.new_full(soft.shape[:2], NO_LINK, dtype=torch.int64)
    most, source = soft.max(dim=2)
    return source.masked_fill(most <= 0, NO_LINK)


def links(sources: Sequence[int]) -> set[Link]:
    """The links of one sentence, given the source word of each of its target words."""
    return {(source, target) for target, source in enumerate(sources) if source != NO_LINK}


# Pharaoh text: one sentence per line, links as `source-target`, counted from 0


def to_pharaoh(alignment: Iterable[Link]) -> str:
    """One sentence's links, in target order."""
    ordered = sorted(alignment, key=lambda link: (link[1], link[0]))
    return " ".join(f"{source}-{target}" for source, target in ordered)


def write_pharaoh(path: Path, alignments: Iterable[Iterable[Link]]) -> None:
    """Writes one line per sentence, empty if it has no links."""
    path.write_text("".join(f"{to_pharaoh(alignment)}\n" for alignment in alignments))


def read_pharaoh(path: Path | str) -> list[set[Link]]:
    """The links of each line. Raises UserError with file and line if one is malformed."""
    path = Path(path)
    return [
        {link for _, link in _links(line, path, number, "-", first=0)}
        for number, line in enumerate(read_lines(path), start=1)
    ]


# Gold alignments: `i-j` is sure, `ipj` possible, counted from 1


@dataclass(frozen=True)
class GoldAlignment:
    """The annotators' links of one sentence pair. Every sure link is also a possible one."""

    sure: frozenset[Link]
    possible: frozenset[Link]

    def __post_init__(self) -> None:
        assert self.sure <= self.possible, "every sure link is possible"


def read_gold(path: Path | str) -> list[GoldAlignment]:
    """The gold alignment of each line: `i-j` is a sure link, `ipj` a possible one, with i in the source and j
    in the target, both counted from 1.

    Raises UserError with file and line if one is malformed.
    """
    path = Path(path)
    alignments = []
    for number, line in enumerate(read_lines(path), start=1):
        marked = _links(line, path, number, "-p", first=1)
        sure = frozenset(link for mark, link in marked if mark == "-")
        alignments.append(GoldAlignment(sure, frozenset(link for _, link in marked)))
    return alignments


def _links(line: str, path: Path, number: int, marks: str, first: int) -> list[tuple[str, Link]]:
    """The links of a line with their marks, counted from 0; the file counts from ``first``."""
    found = []
    for word in line.split():
        parts = re.fullmatch(rf"([0-9]{{1,9}})([{marks}])([0-9]{{1,9}})", word)
        if parts is None or min(int(parts[1]), int(parts[3])) < first:
            forms = " or ".join(f"`i{mark}j`" for mark in marks)
            raise UserError(
                f"{path}, line {number}: {word[:40]!r} is not a link; links are {forms}, "
                f"with words counted from {first}"
            )
        found.append((parts[2], (int(parts[1]) - first, int(parts[3]) - first)))
    return found
