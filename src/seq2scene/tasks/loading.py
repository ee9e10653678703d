"""Tasks from configs and from checkpoints."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seq2scene.building import build
from seq2scene.models.checkpoints import load_checkpoint, rename_weights
from seq2scene.models.folders import placed
from seq2scene.models.loading import described_by, fill, require_together, without_pretrained
from seq2scene.search.ensemble import require_average
from seq2scene.tasks.task import Task

NOWHERE = {"cache": "/dev/null/no-cache", "data": "/dev/null/no-data"}  # where nothing can be written


def build_task(config: dict[str, Any], description: dict[str, Any]) -> Task:
    """The LightningModule that ``config.task`` names."""
    return build({"_target_": config["task"]["_target_"]}, "task", config=config, description=description)


def task_of(checkpoint: dict[str, Any], places: Mapping[str, str] | None = None, **changes: Any) -> Task:
    """The task that saved a checkpoint, with its weights; ``changes`` replace parts of its config.

    places: the caller's data and cache folders, see ``with_local_paths``; None: nothing is written.
    """
    parts = checkpoint["hyper_parameters"]
    config = without_pretrained(parts["config"])
    if "data" in config:
        config = {**config, "data": with_local_paths(config["data"], places or NOWHERE)}
    with described_by(checkpoint):
        task = build_task({**config, **changes}, parts["description"])
    rename_weights(checkpoint["state_dict"], task.model.earlier_names)
    fill(task, checkpoint["state_dict"], checkpoint.get("folder", "the checkpoint"))
    return task.eval()


def with_local_paths(data: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, Any]:
    """A checkpoint's data settings, changed so that nothing is written to the checkpoint's own paths: caches
    go to ``places["cache"]``, and the park is generated under ``places["data"]`` unless it already exists at
    the checkpoint's root. The data of a model folder, which knows no paths, are looked for in
    ``places["data"]``.
    """
    settings = {
        key: with_local_paths(value, places) if isinstance(value, Mapping) else placed(value, places["data"])
        for key, value in data.items()
    }
    if "cache" in settings:
        settings["cache"] = places["cache"]
    if is_generated(settings) and not any(Path(str(settings["root"])).expanduser().glob("*/park.json")):
        settings["root"] = str(Path(places["data"]) / "park")
    return settings


def is_generated(settings: Mapping[str, Any]) -> bool:
    """Whether these settings belong to a data module that generates its files under its root on first use."""
    made = str(settings.get("_target_")).rpartition(".")[2].startswith("Park")
    return made and settings.get("root") is not None


def load_task(
    paths: Sequence[Path],
    ensemble: str = "logits",
    places: Mapping[str, str] | None = None,
    **changes: Any,
) -> Task:
    """The task of one checkpoint; for several, the task of the first with an ensemble of all as its model.

    ensemble: how distributions are averaged: logits, log_probs or probs (``search.ensemble``). places,
    changes: as in ``task_of``.

    Raises:
        UserError: if the average is unknown, or if the members of an ensemble cannot write together or have
            different vocabularies.
    """
    require_average(ensemble)
    checkpoints = [load_checkpoint(path) for path in paths]
    require_together(paths, checkpoints)
    tasks = [task_of(checkpoint, places, **changes) for checkpoint in checkpoints]
    if len(tasks) > 1:
        tasks[0].model = tasks[0].model.ensemble([task.model for task in tasks], ensemble)
    return tasks[0].eval()
