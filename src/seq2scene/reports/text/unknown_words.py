"""Unknown words replaced through a dictionary that the model's own alignments teach, and BLEU after it."""

from collections.abc import Mapping
from itertools import compress
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from seq2scene.errors import UserError
from seq2scene.progress import progress_bar
from seq2scene.reports.report import Evaluation, Report, ScoredSet
from seq2scene.reports.text.alignment_recorder import AlignedLine, RecordAlignments, forced_alignment
from seq2scene.reports.text.alignments import require_attention
from seq2scene.reports.text.replacement_gain import gain_by_unknown, write_gains
from seq2scene.sequences.alignments import NO_LINK, require_shift
from seq2scene.sequences.corpus import tokenise
from seq2scene.sequences.output import require_output
from seq2scene.sequences.unknown_words import (
    Entry,
    LinkCounts,
    chosen_dictionary,
    replace_unknown,
    save_dictionary,
)
from seq2scene.tasks.nmt import NMT

# Of one line: its number, the text with its words replaced, how many words of it were unknown, and as tokens
# between spaces the hypothesis before and after, and the reference.
Row = tuple[int, str, int, str, str, str]


class UnknownWords(Report):
    """What replacing unknown words by the words they are aligned with gains (Luong et al. 2015, Table 4).

    replace: copy, which puts the source word itself, or a file FILE.tsv, which puts what this dictionary has
    for it; None replaces nothing. learn: a file to write such a dictionary to, learnt from the training data
    by force-decoding; it may be the one that ``replace`` names. shift: see ``sequences.alignments``.

    Adds ``bleu_replaced`` and ``bleu_tok_replaced``, computed like ``bleu`` and ``bleu_tok``, the number of
    ``unknown`` words and the number of those that were ``replaced``. Writes NAME.replaced.txt and, by the
    number of unknown words in a line, NAME.replaced.csv and NAME.replaced.png.
    """

    name = "unknown_words"
    tasks = (NMT,)

    def __init__(self, replace: str | None = None, learn: str | None = None, shift: int = 0) -> None:
        require_shift(shift)
        self.replace, self.learn, self.shift = replace, learn, shift
        self.recorder = RecordAlignments("search", shift)
        self._dictionary: Mapping[str, str] = {}
        self._learnt = learn is None
        self._rows: list[Row] = []

    def check(self, task: NMT) -> None:
        super().check(task)
        require_attention(self, task)
        if self.replace is self.learn is None:
            raise UserError("unknown_words: replace=copy or FILE.tsv, or learn=FILE.tsv, says what to do")
        if self.learn is not None:
            require_output(self.learn, "learn_dictionary")
        if self.replace is not None and self.replace != self.learn:
            self._dictionary = chosen_dictionary(self.replace)

    def callbacks(self) -> list[pl.Callback]:
        return [] if self.replace is None else [self.recorder]

    def score(self, test: ScoredSet) -> None:
        if not self._learnt:
            entries = learn_dictionary(test, self.shift)
            if self.learn is not None and test.rank == 0:
                save_dictionary(Path(self.learn), entries)
            if self.replace == self.learn:
                self._dictionary = {entry.source: entry.target for entry in entries}
            self._learnt = True
        if self.replace is not None:
            scores, self._rows = score_replaced(test, self.recorder.lines[test.name], self._dictionary)
            test.scores.update(scores)

    def write(self, test: ScoredSet, folder: Path) -> None:
        if self.replace is not None:
            write_replaced(test.name, self._rows, folder)

    def show(self, results: Mapping[str, Mapping[str, Any]]) -> None:
        for name, scores in results.items() if self.replace is not None else ():
            gains = ", ".join(
                f"{bleu} {scores[bleu]:.2f} -> {scores[f'{bleu}_replaced']:.2f} "
                f"({scores[f'{bleu}_replaced'] - scores[bleu]:+.2f})"
                for bleu in ("bleu_tok", "bleu")
            )
            print(f"{name}: {scores['replaced']} of {scores['unknown']} unknown words replaced: {gains}")


def learn_dictionary(evaluation: Evaluation, shift: int) -> list[Entry]:
    """The likeliest translation of each source word of the training data, by force-decoding the pairs that
    training itself sees; the same on every rank, each of which must call it.
    """
    data, task = evaluation.data, evaluation.task.to(evaluation.device).eval()
    data.setup("fit")
    data.bpe_dropout = 0.0  # training pairs as ``tokenise`` splits them
    source, target = (
        tokenise(side.text, language.tokenizer, data.cache)
        for side, language in zip(data.corpora["train"], data.languages, strict=True)
    )
    counts, batches = LinkCounts(source, target), data.train_dataloader()
    with progress_bar(shown=evaluation.rank == 0) as progress:
        for batch in progress.track(batches, len(batches), description="batches of training pairs"):
            sources = forced_alignment(task, batch.to(evaluation.device), shift)
            counts.add(batch.lines.numpy(), sources.numpy())
    return counts.entries(evaluation.gather([counts.counted()]))


def score_replaced(
    test: ScoredSet, lines: list[AlignedLine], dictionary: Mapping[str, str]
) -> tuple[dict[str, float], list[Row]]:
    """The scores of a test set with its unknown words replaced, and its lines in order.

    lines: this rank's share of the hypotheses; every rank must call it.
    """
    task, sources, references = test.task, test.data.sources(test.name), test.data.references(test.name)
    split, join = task.source.tokenizer.split, task.target.tokenizer.join
    replaced = [
        replace_unknown(one.words, one.unknown, one.sources, split(sources[one.line]), dictionary)
        for one in lines
    ]
    texts, expected = [join(words) for words in replaced], [references[one.line] for one in lines]
    own, own_expected, before = (
        [task.own_words(words) for words in side]
        for side in (replaced, map(task.target.tokenizer.split, expected), (list(one.words) for one in lines))
    )
    scores = {}
    for name, ours, theirs in (("bleu", texts, expected), ("bleu_tok", own, own_expected)):
        bleu = task.scores["test_scores"][name].clone().to(test.device)
        bleu.reset()
        bleu.update(ours, theirs)
        scores[f"{name}_replaced"] = bleu.compute().item()
    parts = ([one.line for one in lines], texts, [one.unknown.count(True) for one in lines])
    rows = test.gather(list(zip(*parts, before, own, own_expected, strict=True)))
    gaps = test.gather([source for one in lines for source in compress(one.sources, one.unknown)])
    return scores | {"unknown": len(gaps), "replaced": len(gaps) - gaps.count(NO_LINK)}, sorted(rows)


def write_replaced(name: str, rows: list[Row], folder: Path) -> None:
    """The files of ``UnknownWords`` on the test set ``name``."""
    text = "".join(f"{row[1]}\n" for row in rows)
    (folder / f"{name}.replaced.txt").write_text(text, encoding="utf-8")
    _, _, *columns = zip(*rows, strict=True)
    write_gains(folder / f"{name}.replaced", name, gain_by_unknown(*columns))
