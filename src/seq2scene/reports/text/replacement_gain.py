"""The gain in BLEU from replacing unknown words, by their number in a sentence: a CSV table and a plot."""

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import compress
from pathlib import Path

from sacrebleu.metrics import BLEU

from seq2scene.plotting.figures import save_picture
from seq2scene.plotting.replacement_plot import draw_replacement_gain

MOST = 4  # unknown words; sentences with more share the last row


@dataclass(frozen=True)
class Gain:
    """BLEU of the hypotheses with a given number of unknown words, as written and after replacement.

    unknown: that number, in the last row ``MOST`` or more. sentences: the number of those hypotheses.
    """

    unknown: int
    sentences: int
    bleu: float
    bleu_replaced: float


def gain_by_unknown(
    unknown: Sequence[int], before: Sequence[str], after: Sequence[str], references: Sequence[str]
) -> list[Gain]:
    """The gain for each number of unknown words that occurs; texts are tokens separated by spaces.

    unknown: of each hypothesis. before, after: the hypotheses as written and after replacement.
    """
    bleu, groups = BLEU(tokenize="none", force=True), [min(count, MOST) for count in unknown]
    gains = []
    for group in sorted(set(groups)):
        chosen = [one == group for one in groups]
        ours, theirs, right = (list(compress(texts, chosen)) for texts in (before, after, references))
        scores = (bleu.corpus_score(texts, [right]).score for texts in (ours, theirs))
        gains.append(Gain(group, len(right), *scores))
    return gains


def write_gains(path: Path, name: str, gains: Sequence[Gain]) -> None:
    """Writes ``path``.csv, a line for each gain, and ``path``.png, two bars for each."""
    with path.with_name(f"{path.name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in fields(Gain)])
        writer.writeheader()
        for gain in gains:
            values = asdict(gain).items()
            writer.writerow({key: f"{n:.4f}" if isinstance(n, float) else n for key, n in values})
    counts = [f"{gain.unknown}{' or more' if gain.unknown == MOST else ''}" for gain in gains]
    labels = [f"{count}\n({gain.sentences})" for count, gain in zip(counts, gains, strict=True)]
    before, after = [gain.bleu for gain in gains], [gain.bleu_replaced for gain in gains]
    title = f"{name}: unknown words replaced"
    save_picture(path.with_name(f"{path.name}.png"), draw_replacement_gain(labels, before, after, title))
