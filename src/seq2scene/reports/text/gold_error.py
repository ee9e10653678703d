"""Alignment error rate: sentence pairs are force-decoded and their alignments held against gold ones."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from seq2scene.errors import UserError
from seq2scene.json_text import write_json
from seq2scene.metrics.alignment_error import AlignmentError, count_links
from seq2scene.plotting.gallery import show_score
from seq2scene.reports.report import Evaluation, Report
from seq2scene.reports.text.alignment_recorder import forced_alignment
from seq2scene.reports.text.alignments import require_attention
from seq2scene.sequences.alignments import (
    GoldAlignment,
    Link,
    links,
    read_gold,
    require_shift,
    write_pharaoh,
)
from seq2scene.sequences.batch import ParallelBatch, Sentences
from seq2scene.sequences.language import Language
from seq2scene.sequences.lines import read_lines
from seq2scene.sequences.tokenizers import Tokenizer, Whitespace
from seq2scene.tasks.nmt import NMT

BATCH = 128  # sentences


class GoldError(Report):
    """The alignment error rate of the model on sentences that people have aligned.

    gold: a file of alignments, `i-j` sure and `ipj` possible, counted from 1. text: the lines they belong to,
    `source ||| target`, words separated by spaces. shift: see ``sequences.alignments``.
    """

    name = "gold_error"
    tasks = (NMT,)

    def __init__(self, gold: str, text: str | None = None, shift: int = 0) -> None:
        require_shift(shift)
        self.gold, self.text, self.shift = gold, text, shift
        self._pairs: GoldPairs | None = None
        self._scores: dict[str, float] = {}

    def check(self, task: NMT) -> None:
        super().check(task)
        require_attention(self, task)
        word_language(task.source, "source"), word_language(task.target, "target")
        self._pairs = read_gold_pairs(self.gold, self.text)

    def finish(self, evaluation: Evaluation, folder: Path) -> None:
        assert self._pairs is not None, "check comes first"
        self._scores = score_gold(evaluation, self._pairs, self.shift, folder)

    def show(self, results: Mapping[str, Mapping[str, Any]]) -> None:
        scores = self._scores
        aer, precision, recall = (show_score(scores[name], 3) for name in ("aer", "precision", "recall"))
        print(
            f"alignment error rate {aer}, precision {precision}, recall {recall} of {scores['sentences']} "
            f"sentences (align_shift={scores['align_shift']}; {scores['unknown_source']:.0%} of the source "
            f"words and {scores['unknown_target']:.0%} of the target words are unknown to the model)"
        )


@dataclass(frozen=True)
class GoldPairs:
    """Sentence pairs, words separated by spaces, and the alignments that people gave them."""

    sources: list[str]
    targets: list[str]
    gold: list[GoldAlignment]


def read_gold_pairs(gold: str, text: str | None) -> GoldPairs:
    """The alignments in file ``gold`` with their lines `source ||| target` in file ``text``.

    Raises:
        UserError: the files do not match; it names file and line.
    """
    if text is None:
        raise UserError(f"gold={gold} counts words: gold_text=FILE must give its lines `source ||| target`")
    alignments, lines = read_gold(gold), read_lines(text)
    if len(alignments) != len(lines):
        raise UserError(f"{gold} has {len(alignments)} lines but {text} has {len(lines)}: they must be equal")
    pairs = []
    for number, line in enumerate(lines, start=1):
        sides = line.split("|||")
        if len(sides) != 2:
            raise UserError(f"{text}, line {number}: a line is `source ||| target`")
        pairs.append(sides)
    sources, targets = ([side[i] for side in pairs] for i in (0, 1))
    for number, (source, target, right) in enumerate(zip(sources, targets, alignments, strict=True), start=1):
        words = len(Whitespace().split(source)), len(Whitespace().split(target))
        for i, j in sorted(right.possible):
            if i >= words[0] or j >= words[1]:
                raise UserError(
                    f"{gold}, line {number}: a link joins words {i + 1} and {j + 1}, but line {number} of "
                    f"{text} has {words[0]} and {words[1]} words"
                )
    return GoldPairs(sources, targets, alignments)


def word_language(language: Language, side: str) -> Language:
    """The language, reading text whose words are already separated by spaces.

    Raises:
        UserError: the tokens of the model are not words.
    """
    tokenizer = language.tokenizer
    if tokenizer.name not in ("whitespace", "moses"):
        raise UserError(
            f"gold: the model's {side} tokens are those of tokenizer {tokenizer.name}, but gold alignments "
            "count words; it takes a model of data.tokenizer=moses or whitespace"
        )
    return Language(Whitespace(lowercased(tokenizer)), language.vocabulary)


def lowercased(tokenizer: Tokenizer) -> bool:
    return getattr(tokenizer, "lowercase", False)


def score_gold(evaluation: Evaluation, pairs: GoldPairs, shift: int, folder: Path) -> dict[str, float]:
    """Alignment error of force-decoded pairs (Luong et al. 2015, Table 6), with one link per target word.

    Writes gold.alignments.txt, alignment_error.json and, by sentence, alignment_error.csv into ``folder``.
    Beside aer, precision and recall stand the shares of words that the model does not know. Called on every
    rank.
    """
    found: list[tuple[int, set[Link]]] = []
    task = evaluation.task.to(evaluation.device).eval()
    for batch in _gold_batches(evaluation, pairs):
        sources = forced_alignment(task, batch.to(evaluation.device), shift).tolist()
        found += [(line, links(row)) for line, row in zip(batch.lines.tolist(), sources, strict=True)]
    metric = AlignmentError().to(evaluation.device)
    metric.update([one for _, one in found], [pairs.gold[line] for line, _ in found])
    scores = {name: value.item() for name, value in metric.compute().items()}
    scores |= _unknown_shares(task, pairs) | {"sentences": len(pairs.gold), "align_shift": shift}
    alignments = [one for _, one in sorted(evaluation.gather(found), key=lambda pair: pair[0])]
    if evaluation.rank == 0:
        write_pharaoh(folder / "gold.alignments.txt", alignments)
        write_json(folder / "alignment_error.json", scores)
        _write_csv(folder / "alignment_error.csv", alignments, pairs.gold)
    return scores


def _gold_batches(evaluation: Evaluation, pairs: GoldPairs) -> Iterator[ParallelBatch]:
    """This rank's batches, each of sentences of similar length."""
    task = evaluation.task
    source, target = word_language(task.source, "source"), word_language(task.target, "target")
    order = sorted(range(len(pairs.gold)), key=lambda line: len(pairs.targets[line]))
    mine = order[evaluation.rank :: evaluation.world]
    for start in range(0, len(mine), BATCH):
        lines = mine[start : start + BATCH]
        yield ParallelBatch(
            _as_annotated(source, pairs.sources, lines, bool(task.description["source_eos"])),
            _as_annotated(target, pairs.targets, lines, eos=True),
            torch.tensor(lines),
        )


def _as_annotated(language: Language, texts: Sequence[str], lines: list[int], eos: bool) -> Sentences:
    """Lines as their tokens, which the alignments count, whatever their characters."""
    return language.batch_tokens([language.tokenizer.split(texts[line]) for line in lines], eos)


def _unknown_shares(task: NMT, pairs: GoldPairs) -> dict[str, float]:
    shares = {}
    for side, language, lines in (
        ("source", task.source, pairs.sources),
        ("target", task.target, pairs.targets),
    ):
        tokens = [token for line in lines for token in word_language(language, side).tokenizer.split(line)]
        unknown = sum(token not in language.vocabulary for token in tokens)
        shares[f"unknown_{side}"] = unknown / max(len(tokens), 1)
    return shares


def _write_csv(path: Path, alignments: list[set[Link]], gold: list[GoldAlignment]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["line", "links", "sure", "links_sure", "links_possible", "aer"])
        for line, (found, right) in enumerate(zip(alignments, gold, strict=True), start=1):
            counts = count_links(found, right)
            whole = counts[0] + counts[1]
            aer = f"{1 - (counts[2] + counts[3]) / whole:.4f}" if whole else ""
            writer.writerow([line, *counts, aer])
