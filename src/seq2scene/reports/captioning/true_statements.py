"""How much of what captions of clip-art scenes state is true of their scenes, by the park's English."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from seq2scene.data.park.language.reading import read_sentences
from seq2scene.errors import UserError
from seq2scene.reports.captioning.captions import another, references_of
from seq2scene.reports.report import Report, ScoredSet
from seq2scene.scenes.facts import Things, is_park, things_of
from seq2scene.tasks.captioning import Captioning
from seq2scene.tasks.task import Task

HEADINGS = {
    "statements_true": "statements that are true",
    "sentences_understood": "sentences that are understood",
    "objects_mentioned": "objects of the scene that are mentioned",
}


class TrueStatements(Report):
    """Adds shares, 0 to 1: ``statements_true`` of what the captions state (facts, by 20 pixels),
    ``sentences_understood`` of their sentences (of others nothing is claimed), and ``objects_mentioned`` of
    the objects of the scenes. ``human_line`` and ``another_image`` get those of people, and of captions of
    other scenes. Adds nothing where scenes are of other clip art than the park's, whose hands and heads
    nobody knows.
    """

    name = "true_statements"
    tasks = (Captioning,)

    def check(self, task: Task) -> None:
        super().check(task)
        if task.schema is None or task.schema.sizes is None:
            raise UserError("true_statements: only scenes of clip art show what captions state; leave it out")

    def score(self, test: ScoredSet) -> None:
        if not is_park(test.task.schema):
            return
        rows = [caption.row for caption in test.outputs]
        scenes = things_of(test.data.objects(test.name)[torch.tensor(rows)], test.task.schema)
        captions = [caption.text for caption in test.outputs]
        test.scores.update(true_statements(zip(captions, scenes, strict=True)))
        told = zip(references_of(test), scenes, strict=True)
        people = true_statements((text, things) for texts, things in told for text in texts)
        test.scores.setdefault("human_line", {}).update(people)
        if len(captions) > 1:
            moved = [captions[row] for row in another(len(captions))]
            found = true_statements(zip(moved, scenes, strict=True))
            test.scores.setdefault("another_image", {}).update(found)

    def show(self, results: Mapping[str, Mapping[str, Any]]) -> None:
        for name, scores in results.items():
            for key, heading in HEADINGS.items() if "statements_true" in scores else ():
                others = (("people", "human_line"), ("shuffled", "another_image"))
                beside = [f"{label} {scores[kind][key]:.3f}" for label, kind in others if kind in scores]
                print(f"{name}: {heading}: {scores[key]:.3f} ({', '.join(beside)})")


def true_statements(captions: Iterable[tuple[str, Things]]) -> dict[str, float]:
    """The shares, each over all captions, with the things of its scene; NaN where there is nothing."""
    true, understood, mentioned = [], [], []
    for text, things in captions:
        sentences = read_sentences(text)
        understood += [sentence.statements is not None for sentence in sentences]
        statements = [one for sentence in sentences for one in sentence.statements or ()]
        true += [statement.holds(things) for statement in statements]
        facts = [fact for statement in statements for fact in statement.facts if not fact.denied]
        named = {name for fact in facts for name in (fact.subject, fact.object, fact.recipient)}
        mentioned += [name in named for name in things]
    found = {"statements_true": true, "sentences_understood": understood, "objects_mentioned": mentioned}
    return {key: sum(values) / len(values) if values else float("nan") for key, values in found.items()}
