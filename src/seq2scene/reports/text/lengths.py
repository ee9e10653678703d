"""BLEU as a function of sentence length: a table, a CSV file and a plot."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
from sacrebleu.metrics import BLEU

from seq2scene.errors import UserError
from seq2scene.plotting.figures import save_picture
from seq2scene.plotting.length_plot import draw_bleu_by_length
from seq2scene.reports.report import Report, ScoredSet, attempt
from seq2scene.sequences.lines import read_table
from seq2scene.tasks.nmt import NMT


class Lengths(Report):
    """``bleu_tok`` by sentence length, as CSV and PNG: NAME.by_length in buckets of ``width`` words,
    NAME.by_length_groups in groups of ``group`` sentences (Luong et al. 2015, Figure 6).
    """

    name = "lengths"
    tasks = (NMT,)
    files = (("*.by_length*.png", "BLEU by sentence length"),)

    def __init__(self, width: int = 5, group: int = 200) -> None:
        self.width, self.group = width, group

    def write(self, test: ScoredSet, folder: Path) -> None:
        task, lines = test.task, test.data.references(test.name)
        hypotheses = [one.words for one in test.outputs]
        references = [task.own_words(task.target.tokenizer.split(lines[one.line])) for one in test.outputs]
        kinds: dict[str, dict[str, Any]] = {
            "by_length": {"width": self.width},
            "by_length_groups": {"group": self.group},
        }
        for kind, cut in kinds.items():
            path = folder / f"{test.name}.{kind}"
            with attempt(str(path)):
                rows = {test.name: bleu_by_length(hypotheses, references, tokenize="none", **cut)}
                write_csv(path.with_name(f"{path.name}.csv"), rows)
                write_plot(path.with_name(f"{path.name}.png"), rows)


@dataclass(frozen=True)
class LengthRow:
    """BLEU of sentences of similar length.

    shortest, longest: their extreme lengths in words. sentences: their number. bleu: from 0 to 100.
    cumulative: BLEU of these and all shorter sentences. ratio: words of the hypotheses over words of the
    references.
    """

    shortest: int
    longest: int
    sentences: int
    bleu: float
    cumulative: float
    ratio: float


def bleu_by_length(
    hypotheses: Sequence[str],
    references: Sequence[str],
    *,
    by: Sequence[str] | None = None,
    group: int | None = None,
    width: int = 5,
    tokenize: str = "13a",
    lowercase: bool = False,
) -> list[LengthRow]:
    """BLEU by the length in words of the references, or of the sentences ``by`` (for instance the sources).

    By default sentences fall into buckets of 1 to ``width`` words, ``width`` + 1 to 2 ``width`` and so on;
    empty buckets are left out, and empty sentences are in the first. With ``group`` sentences are sorted by
    length and cut into groups of that many, the last of which may be smaller (Luong et al. 2015, Figure 6).
    """
    lengths = np.array([len(sentence.split()) for sentence in (references if by is None else by)], dtype=int)
    assert len(hypotheses) == len(references) == len(lengths), "one hypothesis and length for each reference"
    order = np.argsort(lengths, kind="stable")
    lengths = lengths[order]
    hypotheses, references = ([sentences[row] for row in order] for sentences in (hypotheses, references))
    bleu = BLEU(tokenize=tokenize, lowercase=lowercase, force=True)
    rows = []
    for start, end in pairwise(group_bounds(lengths, group, width)):
        here = bleu.corpus_score(hypotheses[start:end], [references[start:end]])
        so_far = bleu.corpus_score(hypotheses[:end], [references[:end]])
        shortest, longest = lengths[[start, end - 1]].tolist()
        rows.append(LengthRow(shortest, longest, end - start, here.score, so_far.score, here.ratio))
    return rows


def group_bounds(lengths: np.ndarray, group: int | None, width: int) -> list[int]:
    """Where to cut ascending ``lengths`` (sentences,), 0 and their number included; [] if there are none."""
    if group is None:
        buckets = np.maximum(lengths - 1, 0) // width
        cuts = np.flatnonzero(np.diff(buckets)) + 1
    else:
        cuts = np.arange(group, len(lengths), group)
    return [0, *cuts.tolist(), len(lengths)] if len(lengths) else []


def write_csv(path: Path, systems: Mapping[str, Sequence[LengthRow]]) -> None:
    """Writes a line for each system and row, creating the folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, ["system", *(field.name for field in fields(LengthRow))])
        writer.writeheader()
        for system, rows in systems.items():
            for row in rows:
                numbers = {name: f"{n:.4f}" if isinstance(n, float) else n for name, n in asdict(row).items()}
                writer.writerow({"system": system, **numbers})


def read_csv(path: Path) -> dict[str, list[LengthRow]]:
    """Reads what ``write_csv`` wrote, so that several runs can be drawn together. Raises UserError with file
    and line for anything else.
    """
    systems: dict[str, list[LengthRow]] = {}
    kinds = get_type_hints(LengthRow)
    for line, told in read_table(path):
        try:
            row = LengthRow(**{name: kind(told[name]) for name, kind in kinds.items()})
            systems.setdefault(told["system"], []).append(row)
        except (KeyError, ValueError) as error:
            raise UserError(f"{path}, line {line}: no row of BLEU by length: {error}") from None
    return systems


def write_plot(
    path: Path, systems: Mapping[str, Sequence[LengthRow]], title: str = "BLEU by sentence length"
) -> None:
    """Writes a plot with a line for each system: BLEU against the longest sentence of each row."""
    lines = {name: ([r.longest for r in rows], [r.bleu for r in rows]) for name, rows in systems.items()}
    save_picture(path, draw_bleu_by_length(lines, title))
