"""Scores of a scene model on its test sets, with the scenes they are scores of."""

import csv
from math import isnan
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from torch import nn

from seq2scene.json_text import to_json, write_json
from seq2scene.models.inpainter import Inpainter
from seq2scene.models.scene_records import scene_records
from seq2scene.running.captioned_scenes import Teller, score_captions
from seq2scene.running.distributed import gather
from seq2scene.running.messages import attempt
from seq2scene.running.realism import score_realism
from seq2scene.running.scene_gallery import draw_gallery
from seq2scene.tasks.captioning import Captioning
from seq2scene.tasks.composites import CompositeTask
from seq2scene.tasks.scenes import Result, SceneTask


def evaluate_scenes(
    trainer: pl.Trainer,
    task: SceneTask,
    data: pl.LightningDataModule,
    folder: Path,
    inpainter: Inpainter | None = None,
    inception: nn.Module | None = None,
    captioner: Captioning | None = None,
) -> dict[str, Any]:
    """Writes and scores the scenes of every test set; the scores by name of the set and of the score.

    Into ``folder`` go metrics.json and, of each set, NAME.scenes.jsonl (a scene a line: its sentences, what
    was generated, what is true), NAME.scores.csv (a scene a row, each of its scores, an empty cell
    where the mean leaves it out) and NAME.gallery, where the inpainter, if there is one, makes photos of
    composites. inception: an extractor by which these and composites are scored as pictures too, see
    ``realism``. captioner: what it tells of the scenes is scored too, see ``captioned_scenes``.
    """
    for net in (inpainter, inception, captioner):
        if net is not None:
            net.to(trainer.strategy.root_device)
    data.trainer = trainer  # the loaders deal to its ranks
    results = {}
    for name, loader in zip(data.test_names, data.test_dataloader(), strict=True):
        task.test_name = name
        task.results.clear()
        (scores,) = trainer.test(task, dataloaders=loader, verbose=False)
        found = gather(task.results, trainer.world_size)
        results[name] = {key.removeprefix(f"test/{name}/"): value for key, value in scores.items()}
        ranks = trainer.global_rank, trainer.world_size
        if captioner is not None:
            teller = Teller(captioner, task, data, name, inpainter)
            results[name] |= score_captions(teller, found, folder, *ranks)
        if inception is not None:
            results[name] |= score_realism(inception, task, data, name, found, inpainter, *ranks)
        if trainer.is_global_zero:
            folder.mkdir(parents=True, exist_ok=True)
            rows = in_order(found, task, data, name)
            (folder / f"{name}.scenes.jsonl").write_text(
                "".join(to_json(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8"
            )
            _write_scores(folder / f"{name}.scores.csv", rows)
            if task.config["gallery"]:
                with attempt(f"{folder / name}.gallery"):
                    draw_gallery(task, data, name, rows, folder, task.config["gallery"], inpainter)
    if trainer.is_global_zero:
        write_json(folder / "metrics.json", results)
    return results


def in_order(found: list[Result], task: SceneTask, data: Any, name: str) -> list[dict[str, Any]]:
    """One plain row for each sample of the split ``name``, in its order; samples that were dealt twice to
    make ranks even stand once.
    """
    texts, ids = data.texts(name), data.scene_ids(name)
    store, true_store = (task.store, data.stores[name]) if isinstance(task, CompositeTask) else (None, None)
    truth = scene_records(data.truth(name), task.schema, true_store)
    rows: dict[int, dict[str, Any]] = {}
    for result in found:
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
    return [rows[row] for row in sorted(rows)]


def _write_scores(path: Path, rows: list[dict[str, Any]]) -> None:
    names = list(rows[0]["scores"]) if rows else []
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["sample", "scene", "log_prob", *names])
        for row in rows:
            scores = ["" if isnan(value := row["scores"][name]) else value for name in names]
            writer.writerow([row["sample"], row["scene"], row["log_prob"], *scores])
