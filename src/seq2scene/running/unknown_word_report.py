"""Unknown words replaced, by a dictionary that the model's own alignments teach, and BLEU after it."""

from collections.abc import Mapping
from itertools import compress
from pathlib import Path

import pytorch_lightning as pl

from seq2scene.data.text.parallel_text import ParallelText
from seq2scene.running.callbacks.alignments import AlignedLine, forced_alignment
from seq2scene.running.distributed import gather
from seq2scene.running.replacement_gain import gain_by_unknown, write_gains
from seq2scene.sequences.alignments import NO_LINK
from seq2scene.sequences.corpus import tokenise
from seq2scene.sequences.unknown_words import Entry, LinkCounts, replace_unknown
from seq2scene.tasks.nmt import NMT


def learn_dictionary(task: NMT, data: ParallelText, shift: int, trainer: pl.Trainer) -> list[Entry]:
    """The likeliest translation of each word of the training source, by force-decoding the training pairs
    that training itself would see; the same on every rank.
    """
    data.setup("fit")
    source, target = (
        tokenise(side.text, language.tokenizer, data.cache)
        for side, language in zip(data.corpora["train"], data.languages, strict=True)
    )
    counts = LinkCounts(source, target)
    device = trainer.strategy.root_device
    task = task.to(device).eval()
    for batch in data.train_dataloader():
        counts.add(batch.lines.numpy(), forced_alignment(task, batch.to(device), shift).numpy())
    return counts.entries(gather([counts.counted()], trainer.world_size))


def score_replaced(
    name: str,
    lines: list[AlignedLine],
    dictionary: Mapping[str, str],
    task: NMT,
    data: ParallelText,
    folder: Path,
    trainer: pl.Trainer,
) -> dict[str, float]:
    """BLEU of a test set with its unknown words replaced, from ``lines`` of each rank; writes
    NAME.replaced.txt and, by how many unknown words a line has, NAME.replaced.csv and NAME.replaced.png.

    Scores ``bleu_replaced`` and ``bleu_tok_replaced``, computed as ``bleu`` and ``bleu_tok`` are; how many
    words were ``unknown`` and how many of those were ``replaced``.
    """
    sources, references = data.sources(name), data.references(name)
    split, join = task.source.tokenizer.split, task.target.tokenizer.join
    replaced = [
        replace_unknown(one.words, one.unknown, one.sources, split(sources[one.line]), dictionary)
        for one in lines
    ]
    texts, expected = [join(words) for words in replaced], [references[one.line] for one in lines]
    own, own_expected = (
        [" ".join(words) for words in side] for side in (replaced, map(task.target.tokenizer.split, expected))
    )
    scores = {}
    for name_of, ours, theirs in (("bleu", texts, expected), ("bleu_tok", own, own_expected)):
        bleu = task.scores["test_scores"][name_of].clone().to(trainer.strategy.root_device)
        bleu.reset()
        bleu.update(ours, theirs)
        scores[f"{name_of}_replaced"] = bleu.compute().item()
    parts = ([one.line for one in lines], texts, [one.unknown.count(True) for one in lines])
    before = [" ".join(one.words) for one in lines]
    rows = sorted(gather(list(zip(*parts, before, own, own_expected, strict=True)), trainer.world_size))
    if trainer.is_global_zero:
        written = "".join(f"{text}\n" for _, text, *_ in rows)
        (folder / f"{name}.replaced.txt").write_text(written, encoding="utf-8")
        _, _, *columns = zip(*rows, strict=True)
        write_gains(folder / f"{name}.replaced", name, gain_by_unknown(*columns))
    gaps = [source for one in lines for source in compress(one.sources, one.unknown)]
    gaps = gather(gaps, trainer.world_size)
    return scores | {"unknown": len(gaps), "replaced": len(gaps) - gaps.count(NO_LINK)}


def show_replaced(results: Mapping[str, Mapping[str, float]]) -> None:
    """Prints what replacing unknown words gave on each test set."""
    for name, scores in results.items():
        gains = ", ".join(
            f"{bleu} {scores[bleu]:.2f} -> {scores[f'{bleu}_replaced']:.2f} "
            f"({scores[f'{bleu}_replaced'] - scores[bleu]:+.2f})"
            for bleu in ("bleu_tok", "bleu")
        )
        print(f"{name}: {scores['replaced']} of {scores['unknown']} unknown words replaced: {gains}")
