"""Translations of a test set, line by line, with their log-probabilities."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seq2scene.reports.report import Report, ScoredSet
from seq2scene.tasks.nmt import NMT


class Hypotheses(Report):
    """NAME.hypotheses.txt, line by line as the source file, NAME.scores.txt, their log-probabilities, and the
    lines that they belong to, NAME.sources.txt and NAME.references.txt.

    Adds the ``signature`` of BLEU, without which it cannot be compared.
    """

    name = "hypotheses"
    tasks = (NMT,)

    def score(self, test: ScoredSet) -> None:
        test.scores["signature"] = test.task.scores["test_scores"]["bleu"].signature()

    def write(self, test: ScoredSet, folder: Path) -> None:
        texts = "".join(f"{one.text}\n" for one in test.outputs)
        (folder / f"{test.name}.hypotheses.txt").write_text(texts, encoding="utf-8")
        scores = "".join(f"{one.log_prob:.4f}\n" for one in test.outputs)
        (folder / f"{test.name}.scores.txt").write_text(scores)
        for side in ("sources", "references"):
            lines = getattr(test.data, side)(test.name)
            texts = "".join(f"{lines[one.line]}\n" for one in test.outputs)
            (folder / f"{test.name}.{side}.txt").write_text(texts, encoding="utf-8")

    def show(self, results: Mapping[str, Mapping[str, Any]]) -> None:
        signature = next(iter(results.values()))["signature"]
        print(f"bleu: sacrebleu {signature}; bleu_tok: of the model's own tokens, subwords joined")
