"""Captions of a test set, and beside them the scores of people and of captions of other images."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from seq2scene.errors import UserError
from seq2scene.json_text import to_json
from seq2scene.metrics.human_agreement import human_line
from seq2scene.metrics.meteor import Meteor, MeteorProcess, find_meteor
from seq2scene.reports.report import Report, ScoredSet
from seq2scene.tasks.captioning import FREE_RUNNING, Captioning
from seq2scene.tasks.task import Task


class Captions(Report):
    """NAME.captions.jsonl: of each image its file, the caption, its log-probability and the references.

    Adds the scores of people by the same metrics, ``human_line`` (``metrics.human_agreement``), and those of
    the model's captions when each is given to another image, ``another_image``: what remains says nothing
    about an image. It is missing where there is a single image.

    meteor: adds ``meteor`` to all of these, for English captions, if it can be computed; if not, a line says
    what is missing. meteor_jar: of METEOR 1.5, by default that of the package pycocoevalcap.
    """

    name = "captions"
    tasks = (Captioning,)
    comparisons = (("human_line", "people"), ("another_image", "shuffled"))

    def __init__(self, meteor: bool = True, meteor_jar: str | None = None) -> None:
        self.meteor, self.meteor_jar = meteor, meteor_jar
        self._jar: Path | None = None
        self._left_out = ""  # why METEOR is, if it is

    def check(self, task: Task) -> None:
        super().check(task)
        if not self.meteor or task.description.get("language_code", "en") != "en":
            return
        try:
            self._jar = find_meteor(self.meteor_jar)
        except UserError as error:
            if self.meteor_jar is not None:
                raise
            self._left_out = str(error)

    def score(self, test: ScoredSet) -> None:
        references, count = references_of(test), len(test.outputs)
        captions = [caption.text for caption in test.outputs]
        test.scores["human_line"] = human_scores(test.task, references)
        moved = [captions[row] for row in another(count)] if count > 1 else None
        if moved is not None:
            test.scores["another_image"] = caption_scores(test.task, moved, references)
        if self._jar is not None and test.rank == 0:
            try:
                self._score_meteor(test.scores, captions, moved, references)
            except UserError as error:
                self._left_out = str(error)

    def _score_meteor(
        self,
        scores: dict[str, Any],
        captions: Sequence[str],
        moved: Sequence[str] | None,
        references: Sequence[Sequence[str]],
    ) -> None:
        assert self._jar is not None, "found by check"
        with MeteorProcess(self._jar) as process:
            metric = Meteor(process, sync_on_compute=False)  # this rank has all captions
            found = {"human_line": human_line(metric, references)}
            for kind, texts in (("another_image", moved), ("", captions)):
                if texts is not None:
                    metric.update(texts, references)
                    found[kind] = float(metric.compute())
                    metric.reset()
        scores["meteor"] = found.pop("")
        for kind, value in found.items():
            scores[kind]["meteor"] = value

    def write(self, test: ScoredSet, folder: Path) -> None:
        rows = [
            {
                "image": test.data.image_name(test.name, caption.row),
                "caption": caption.text,
                "log_prob": round(caption.log_prob, 4),
                "references": list(texts),
            }
            for caption, texts in zip(test.outputs, references_of(test), strict=True)
        ]
        lines = [to_json(row, ensure_ascii=False) + "\n" for row in rows]
        (folder / f"{test.name}.captions.jsonl").write_text("".join(lines), encoding="utf-8")

    def show(self, results: Mapping[str, Mapping[str, Any]]) -> None:
        if self._left_out:
            print(f"{self._left_out}; the scores are without METEOR")


def references_of(test: ScoredSet) -> list[tuple[str, ...]]:
    """The references of each captioned image."""
    references = test.data.references(test.name)
    return [references[caption.row] for caption in test.outputs]


def another(count: int, seed: int = 0) -> list[int]:
    """A random derangement: for each of ``count`` things, at least 2, a different one; each is used once."""
    order = np.random.default_rng(seed).permutation(count)
    others = np.empty_like(order)
    others[order] = np.roll(order, 1)
    return others.tolist()


def human_scores(task: Captioning, references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Each reference scored against the others of its image by the task's metrics; call on every rank."""
    metrics = task.scores["test_scores"]
    return {name: human_line(metrics[name], references) for name in FREE_RUNNING}


def caption_scores(
    task: Captioning, captions: Sequence[str], references: Sequence[Sequence[str]]
) -> dict[str, float]:
    """Captions from elsewhere scored by the task's metrics; call on every rank."""
    scores = {}
    for name in FREE_RUNNING:
        metric = task.scores["test_scores"][name]
        metric.update(captions, references)
        scores[name] = float(metric.compute())
        metric.reset()
    return scores
