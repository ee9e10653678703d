"""Alignment error: pairs with gold alignments are force-decoded, and where the model looked is compared."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytorch_lightning as pl
import torch

from seq2scene.errors import UserError
from seq2scene.json_text import write_json
from seq2scene.metrics.alignment_error import AlignmentError, count_links
from seq2scene.plotting.gallery import show_score
from seq2scene.running.callbacks.alignments import forced_alignment
from seq2scene.running.distributed import gather
from seq2scene.sequences.alignments import GoldAlignment, Link, links, read_gold, write_pharaoh
from seq2scene.sequences.batch import ParallelBatch
from seq2scene.sequences.language import Language
from seq2scene.sequences.lines import read_lines
from seq2scene.sequences.tokenizers import Tokenizer, Whitespace
from seq2scene.tasks.nmt import NMT

BATCH = 128  # sentences


@dataclass(frozen=True)
class GoldPairs:
    """Sentence pairs, their words separated by spaces, and how people aligned them."""

    sources: list[str]
    targets: list[str]
    gold: list[GoldAlignment]


def read_gold_pairs(gold: str, text: str | None) -> GoldPairs:
    """The alignments of file ``gold`` and the lines `source ||| target` of file ``text`` they are of.

    Raises UserError with file and line where they do not fit.
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
    """The language, but of text whose words are already separated by spaces.

    Raises UserError where the model does not write words.
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


def score_gold(
    task: NMT, pairs: GoldPairs, shift: int, folder: Path, trainer: pl.Trainer
) -> dict[str, float]:
    """Alignment error of force-decoded pairs (Luong et al. 2015, Table 6): one link per target word.

    Into ``folder`` go gold.alignments.txt, alignment_error.json and, sentence by sentence,
    alignment_error.csv. Beside aer, precision and recall stand the shares of words unknown to the model.
    """
    found: list[tuple[int, set[Link]]] = []
    device = trainer.strategy.root_device
    task = task.to(device).eval()
    for batch in _gold_batches(task, pairs, trainer):
        sources = forced_alignment(task, batch.to(device), shift).tolist()
        found += [(line, links(row)) for line, row in zip(batch.lines.tolist(), sources, strict=True)]
    metric = AlignmentError().to(device)
    metric.update([one for _, one in found], [pairs.gold[line] for line, _ in found])
    scores = {name: value.item() for name, value in metric.compute().items()}
    scores |= _unknown_shares(task, pairs) | {"sentences": len(pairs.gold), "align_shift": shift}
    alignments = [one for _, one in sorted(gather(found, trainer.world_size), key=lambda pair: pair[0])]
    if trainer.is_global_zero:
        write_pharaoh(folder / "gold.alignments.txt", alignments)
        write_json(folder / "alignment_error.json", scores)
        _write_csv(folder / "alignment_error.csv", alignments, pairs.gold)
    return scores


def _gold_batches(task: NMT, pairs: GoldPairs, trainer: pl.Trainer) -> Iterator[ParallelBatch]:
    """This rank's batches, of sentences of like length."""
    source, target = word_language(task.source, "source"), word_language(task.target, "target")
    order = sorted(range(len(pairs.gold)), key=lambda line: len(pairs.targets[line]))
    mine = order[trainer.global_rank :: trainer.world_size]
    for start in range(0, len(mine), BATCH):
        lines = mine[start : start + BATCH]
        yield ParallelBatch(
            source.batch([pairs.sources[line] for line in lines], bool(task.description["source_eos"])),
            target.batch([pairs.targets[line] for line in lines], eos=True),
            torch.tensor(lines),
        )


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


def show_gold(scores: dict[str, float]) -> None:
    """Prints the error of the alignments."""
    aer, precision, recall = (show_score(scores[name], 3) for name in ("aer", "precision", "recall"))
    print(
        f"alignment error rate {aer}, precision {precision}, recall {recall} of {scores['sentences']} "
        "sentences (align_shift="
        f"{scores['align_shift']}; {scores['unknown_source']:.0%} of the source words and "
        f"{scores['unknown_target']:.0%} of the target words are unknown to the model)"
    )
