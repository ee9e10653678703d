"""What a run's folder says about the run."""

import csv
import json
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from seq2scene.building import find
from seq2scene.errors import UserError
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.tasks.task import Task

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Run:
    """A run in ``folder``.

    record: ``run.json``, or for a run without it, what other files have of it. config: as composed for the
    command. model_config: the config that the model was trained with, {} if unknown. scores: of each test
    set, by name. notes: what is missing.
    """

    folder: Path
    record: Mapping[str, Any]
    config: Mapping[str, Any]
    model_config: Mapping[str, Any]
    scores: Mapping[str, Mapping[str, Any]]
    notes: list[str] = field(default_factory=list)

    @property
    def evaluates(self) -> bool:
        """Whether it evaluated a model of another run, so that it has no curves and no samples."""
        return "model_config" in self.record

    @property
    def task(self) -> str:
        return self.model_config.get("task", {}).get("name", "unknown task")

    @property
    def name(self) -> str:
        return self.model_config.get("name", self.folder.parent.name)

    @property
    def reports(self) -> list[str]:
        """The names of the reports that it was to write."""
        return self.record.get("reports", list(self.model_config.get("reports") or {}))

    def task_class(self) -> type[Task] | None:
        """The task's class, None if it is not known here."""
        try:
            return find(self.model_config["task"]["_target_"], "task")
        except (KeyError, TypeError, UserError):
            return None


def read_run(folder: Path) -> Run:
    """Raises UserError if ``folder`` holds no scores, which every evaluated run has."""
    if not (folder / "metrics.json").is_file():
        raise UserError(
            f"{folder}: no metrics.json, so nothing was evaluated; run=FOLDER is the folder of a run of "
            "train.py (test=true) or evaluate.py"
        )
    scores = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    path = folder / "run.json"
    if path.is_file():
        record = json.loads(path.read_text(encoding="utf-8"))
        config = record["config"]
        return Run(folder, record, config, record.get("model_config", config), scores)
    note = "run.json is missing: hardware, versions and the time taken are unknown"
    record, config, model_config = _from_other_files(folder)
    return Run(folder, record, config, model_config, scores, [note])


def _from_other_files(folder: Path) -> tuple[dict[str, Any], Mapping[str, Any], Mapping[str, Any]]:
    """The record, config and model_config of a run without run.json."""
    record: dict[str, Any] = {}
    config, overrides, logged = (
        yaml.safe_load(path.read_text(encoding="utf-8")) if path.is_file() else None
        for path in (folder / ".hydra/config.yaml", folder / ".hydra/overrides.yaml", folder / "hparams.yaml")
    )
    evaluates = "ckpt" in (config or {})
    if overrides is not None:
        script = "src/evaluate.py" if evaluates else "src/train.py"
        record["command"] = shlex.join(["python", script, *overrides])
    if evaluates:
        record["model_config"] = {}
        return record, config, {}
    if (folder / "best.ckpt").is_file():
        checkpoint = load_checkpoint(folder / "best.ckpt")
        logged = logged or checkpoint["hyper_parameters"]["config"]
        record["git"] = checkpoint.get("git")
        record["tested"] = f"best.ckpt, epoch {checkpoint['epoch']}, step {checkpoint['global_step']}"
        parts: Counter[str] = Counter()
        for name, weight in checkpoint["state_dict"].items():
            parts[name.removeprefix("model.").partition(".")[0]] += weight.numel()
        record["parameters"] = {"total": parts.total(), "parts": dict(parts)}
    return record, logged or config or {}, logged or {}


def read_table(path: Path) -> Rows:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_lines(path: Path) -> Rows:
    """The objects of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
