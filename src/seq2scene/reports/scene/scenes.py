"""Scenes of a test set beside the true ones, every score of every scene, and how many facts hold."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any

from seq2scene.json_text import to_json
from seq2scene.metrics.faithfulness import GROUPS, NAME
from seq2scene.models.scene_records import scene_records
from seq2scene.reports.report import Report, ScoredSet
from seq2scene.reports.tables import Row, print_table
from seq2scene.scenes.facts import FAIR, STRICT, Facts, check, in_words, to_plain
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Schema
from seq2scene.tasks.composites import CompositeTask
from seq2scene.tasks.scenes import SceneTask
from seq2scene.tasks.task import Column

FACT_COLUMNS = tuple(Column(kind, kind, 3) for kind in (*GROUPS, "text"))
FACT_ROWS = {  # below a test set: the label, and what its scores are called by kind
    "  strict": "{}_strict",
    "  held out": "held_out_{}",
    "  held out, strict": "held_out_{}_strict",
}


class Scenes(Report):
    """NAME.scenes.jsonl, a sample per line: its sentences, the generated objects and the true ones, and
    which facts of its sentences hold, where the data says what they state; and NAME.scores.csv, a sample per
    row with each of its scores, empty where the mean leaves it out. Prints the shares of facts that hold.
    """

    name = "scenes"
    tasks = (SceneTask,)

    def write(self, test: ScoredSet, folder: Path) -> None:
        rows = scene_rows(test)
        text = "".join(to_json(row, ensure_ascii=False) + "\n" for row in rows)
        (folder / f"{test.name}.scenes.jsonl").write_text(text, encoding="utf-8")
        write_scores(folder / f"{test.name}.scores.csv", rows)

    def show(self, results: Mapping[str, Mapping[str, Any]]) -> None:
        rows = list(fact_rows(results))
        columns = [column for column in FACT_COLUMNS if any(column.name in shares for _, shares in rows)]
        if columns:
            print_table("facts that hold", columns, rows)


def fact_rows(results: Mapping[str, Mapping[str, Any]]) -> Iterator[Row]:
    """The shares of facts by kind on each test set, and those of FACT_ROWS that its scores have."""
    for name, scores in results.items():
        for label, pattern in {name: "{}", **FACT_ROWS}.items():
            keys = {column.name: f"{NAME}_{pattern.format(column.name)}" for column in FACT_COLUMNS}
            if shares := {kind: scores[key] for kind, key in keys.items() if key in scores}:
                yield label, shares


def scene_rows(test: ScoredSet) -> list[dict[str, Any]]:
    """One plain row for each sample of a test set, in order."""
    task, data, name = test.task, test.data, test.name
    texts, ids, stated = data.texts(name), data.scene_ids(name), data.facts(name)
    store, true_store = (task.store, data.stores[name]) if isinstance(task, CompositeTask) else (None, None)
    truth = scene_records(data.truth(name), task.schema, true_store)
    rows: dict[int, dict[str, Any]] = {}
    for result in test.outputs:
        plain = scene_records(result.objects, task.schema, store)
        for place, row in enumerate(result.rows.tolist()):
            rows[row] = {
                "sample": row,
                "scene": int(ids[row]),
                "sentences": texts[row],
                "objects": plain[place],
                "truth": truth[row],
                "log_prob": round(float(result.log_probs[place]), 4),
                "scores": {key: round(float(each[place]), 4) for key, each in result.scores.items()},
            }
            if stated is not None:
                objects = result.objects[place : place + 1].to("cpu")
                rows[row]["facts"] = fact_records(stated[row], objects, task.schema)
    return [rows[row] for row in sorted(rows)]


def fact_records(facts: Facts, objects: Objects, schema: Schema) -> list[dict[str, Any]]:
    """Each fact as in JSON, in words, and whether it holds in a scene (1, T), also by the strict bounds."""
    fair, near = (check(facts, objects, schema, tolerance) for tolerance in (FAIR, STRICT))
    return [
        {**to_plain(fact), "words": in_words(fact, schema), "holds": holds, "holds_strict": strictly}
        for fact, holds, strictly in zip(facts, fair, near, strict=True)
    ]


def write_scores(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    names = list(rows[0]["scores"]) if rows else []
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["sample", "scene", "log_prob", *names])
        for row in rows:
            scores = ["" if isnan(value := row["scores"][name]) else value for name in names]
            writer.writerow([row["sample"], row["scene"], row["log_prob"], *scores])
