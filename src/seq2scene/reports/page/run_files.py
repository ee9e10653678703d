"""What a run's folder says about the run."""

import csv
import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seq2scene.building import find
from seq2scene.errors import UserError
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.sequences.lines import each_line, parse_json, read_json, read_text, read_yaml
from seq2scene.tasks.task import Task

Rows = list[dict[str, Any]]
# What the page reads of files that people may have edited, as far as they have it, by key and type.
CONFIG = {
    **{"name": str, "data": dict, "reports": dict, "published": list},
    **{"task": {"name": str}, "monitor": {"metric": str}},
}
RECORD = {
    **{"config": CONFIG, "model_config": CONFIG, "command": str, "tested": str, "git": str, "started": str},
    **{"seconds": int | float, "processes": int, "reports": list, "versions": dict},
    "parameters": {"total": int, "trainable": int, "parts": dict},
    "hardware": {"gpus": list, "processor": str, "cores": int, "system": str},
}
OVERRIDES = ".hydra/overrides.yaml"
LONGEST_NAME = 200  # characters of a test set's name, which names files


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
        return (self.model_config.get("task") or {}).get("name") or "unknown task"

    @property
    def name(self) -> str:
        return self.model_config.get("name") or self.folder.parent.name

    @property
    def reports(self) -> list[str]:
        """The names of the reports that it was to write."""
        return self.record.get("reports") or list(self.model_config.get("reports") or {})

    @property
    def monitored(self) -> str:
        """The quantity that training chose its best checkpoint by, empty if unknown."""
        return ((self.model_config.get("monitor") or {}).get("metric") or "").rpartition("/")[2]

    def task_class(self) -> type[Task] | None:
        """The task's class, None if it is not known here."""
        try:
            return find(self.model_config["task"]["_target_"], "task")
        except (KeyError, TypeError, UserError):
            return None


def read_run(folder: Path, tested: bool = True) -> Run:
    """Raises UserError if ``folder`` holds a damaged file, or no scores, which every evaluated run has. A run
    that need not be ``tested`` may have none, and its checkpoints are not opened.
    """
    has_scores = (folder / "metrics.json").is_file()
    if tested and not has_scores:
        raise UserError(
            f"{folder}: no metrics.json, so nothing was evaluated; run=FOLDER is the folder of a run of "
            "train.py (test=true) or evaluate.py"
        )
    scores = _read_scores(folder / "metrics.json") if has_scores else {}
    path = folder / "run.json"
    if path.is_file():
        record = read_json(path)
        require(record, RECORD, str(path))
        if record.get("config") is None:
            raise UserError(f"{path}: it has no config; remove the file, and the page shows what others say")
        config = record["config"]
        return Run(folder, record, config, record.get("model_config", config) or {}, scores)
    note = "run.json is missing: hardware, versions and the time taken are unknown"
    record, config, model_config = _from_other_files(folder, tested)
    return Run(folder, record, config, model_config, scores, [note])


def find_runs(folder: Path) -> list[Path]:
    """The folders of all runs in ``folder``, however deep, in the order of their numbers and names."""
    runs = {path.parent.parent for path in folder.rglob(OVERRIDES)}
    return sorted(runs, key=lambda run: [(len(part), part) for part in run.relative_to(folder).parts])


def read_overrides(folder: Path) -> list[str] | None:
    """What a run was called with, None if nothing says so."""
    found = _read_yaml(folder / OVERRIDES, list)
    return None if found is None else list(map(str, found))


def read_choices(folder: Path) -> Mapping[str, str]:
    """The options of all config groups that a run chose, by group; {} if nothing says so."""
    found = _read_yaml(folder / ".hydra" / "hydra.yaml", {"hydra": {"runtime": {"choices": dict}}})
    return ((found or {}).get("hydra", {}).get("runtime") or {}).get("choices") or {}


def read_metric(folder: Path, name: str) -> list[float]:
    """The values of a metric in metrics.csv so far, in order. Raises UserError for one that is no number."""
    found = [row[name] for row in _metrics(folder) if row.get(name)]
    try:
        return [float(value) for value in found]
    except ValueError as error:
        raise UserError(f"{folder / 'metrics.csv'}: {name}: {error}; fix or delete the line") from None


def read_columns(folder: Path) -> list[str]:
    """The names of the metrics in metrics.csv so far."""
    return list(_metrics(folder).fieldnames or [])


def _metrics(folder: Path) -> csv.DictReader:
    """The rows of metrics.csv, without a last line that is still being written."""
    file = folder / "metrics.csv"
    text = read_text(file).decode() if file.is_file() else ""
    return csv.DictReader(text[: text.rfind("\n") + 1].splitlines())


def _from_other_files(
    folder: Path, tested: bool
) -> tuple[dict[str, Any], Mapping[str, Any], Mapping[str, Any]]:
    """The record, config and model_config of a run without run.json."""
    record: dict[str, Any] = {}
    config, logged = (_read_yaml(folder / name, CONFIG) for name in (".hydra/config.yaml", "hparams.yaml"))
    overrides = read_overrides(folder)
    evaluates = "ckpt" in (config or {})
    if overrides is not None:
        script = "src/evaluate.py" if evaluates else "src/train.py"
        record["command"] = shlex.join(["python", script, *overrides])
    if evaluates:
        record["model_config"] = {}
        return record, config, {}
    if tested and (folder / "best.ckpt").is_file():
        checkpoint = load_checkpoint(folder / "best.ckpt")
        logged = logged or checkpoint["hyper_parameters"]["config"]
        record["git"] = checkpoint.get("git")
        record["tested"] = f"best.ckpt, epoch {checkpoint['epoch']}, step {checkpoint['global_step']}"
        parts: Counter[str] = Counter()
        for name, weight in checkpoint["state_dict"].items():
            parts[name.removeprefix("model.").partition(".")[0]] += weight.numel()
        record["parameters"] = {"total": parts.total(), "parts": dict(parts)}
    return record, logged or config or {}, logged or {}


def _read_scores(path: Path) -> Mapping[str, Mapping[str, Any]]:
    scores = read_json(path)
    require(scores, {}, str(path))
    for name, values in scores.items():
        require(values, {}, f"{path}: {name}")
        if not name.isprintable() or "/" in name or not 0 < len(name) <= LONGEST_NAME:
            raise UserError(f"{path}: {name[:60]!r} is no name of a test set; fix it or delete its scores")
    return scores


def _read_yaml(path: Path, kind: Any) -> Any:
    """The contents of a YAML file, None without one."""
    if not path.is_file():
        return None
    found = read_yaml(path)
    if found is not None:
        require(found, kind, str(path))
    return found


def require(value: Any, kind: Any, where: str) -> None:
    """Raises UserError, its message starting with ``where`` and the key, unless ``value`` is of the type
    ``kind``; or, where ``kind`` is a dictionary, is one whose values, as far as it has them, are of these.
    """
    if not isinstance(kind, dict):
        if not isinstance(value, kind):
            wanted = getattr(kind, "__name__", kind)
            raise UserError(f"{where}: {wanted} wanted, not {type(value).__name__}; fix or delete the file")
        return
    require(value, dict, where)
    for key, one in kind.items():
        if value.get(key) is not None:
            require(value[key], one, f"{where}: {key}")


def read_lines(path: Path) -> Rows:
    """The objects of a file of JSON lines."""
    rows = []
    for number, line in enumerate(each_line(path), start=1):
        if line:
            rows.append(parse_json(line.encode(), where := f"{path}, line {number}"))
            require(rows[-1], {}, where)
    return rows
