"""Tasks from configs and from checkpoints."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from seq2scene.building import build
from seq2scene.errors import UserError
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.models.ensemble import Ensemble
from seq2scene.models.loading import require_together, without_pretrained
from seq2scene.search.ensemble import require_average
from seq2scene.tasks.nmt import NMT
from seq2scene.tasks.task import Task

NOWHERE = {"cache": "/dev/null/no-cache", "data": "/dev/null/no-data"}  # where nothing can be written


def build_task(config: dict[str, Any], description: dict[str, Any]) -> Task:
    """The LightningModule that ``config.task`` names."""
    return build({"_target_": config["task"]["_target_"]}, "task", config=config, description=description)


def task_of(checkpoint: dict[str, Any], places: Mapping[str, str] | None = None, **changes: Any) -> Task:
    """The task that a checkpoint was saved by, with its weights; ``changes`` replace parts of its config.

    places: where the caller keeps data and cache, see ``at_home``; None where nothing is kept.
    """
    parts = checkpoint["hyper_parameters"]
    config = without_pretrained(parts["config"])
    if "data" in config:
        config = {**config, "data": at_home(config["data"], places or NOWHERE)}
    task = build_task({**config, **changes}, parts["description"])
    task.load_state_dict(checkpoint["state_dict"])
    return task.eval()


def at_home(data: Mapping[str, Any], places: Mapping[str, str]) -> dict[str, Any]:
    """Data settings of a checkpoint so that nothing is written where the checkpoint says: what is kept goes
    to ``places["cache"]``, and the park is written below ``places["data"]`` unless it is there already.
    """
    settings = {
        key: at_home(value, places) if isinstance(value, Mapping) else value for key, value in data.items()
    }
    if "cache" in settings:
        settings["cache"] = places["cache"]
    if _is_generated(settings) and not any(Path(str(settings["root"])).expanduser().glob("*/park.json")):
        settings["root"] = str(Path(places["data"]) / "park")
    return settings


def _is_generated(settings: Mapping[str, Any]) -> bool:
    """Whether these are of a data module that writes its files under its root on first use."""
    made = str(settings.get("_target_")).rpartition(".")[2].startswith("Park")
    return made and settings.get("root") is not None


def load_task(
    paths: Sequence[Path],
    ensemble: str = "logits",
    places: Mapping[str, str] | None = None,
    **changes: Any,
) -> Task:
    """The task of one checkpoint, or that of the first of several with the ensemble of all as its model.

    ensemble: how several distributions become one: logits, log_probs or probs (``search.ensemble``).
    places: where the caller keeps data and cache; changes: replace parts of the config; as in ``task_of``.

    Raises:
        UserError: if there is no such average, or if several do not translate, or not the same tokens.
    """
    require_average(ensemble)
    checkpoints = [load_checkpoint(path) for path in paths]
    require_together(paths, checkpoints)
    tasks = [task_of(checkpoint, places, **changes) for checkpoint in checkpoints]
    if len(tasks) > 1:
        require_translation(tasks[0], "an ensemble")
        tasks[0].model = Ensemble([task.model for task in tasks], ensemble)
    return tasks[0].eval()


def require_translation(task: Task, what: str) -> None:
    """Raises UserError unless ``task`` translates, which ``what`` needs."""
    if not isinstance(task, NMT):
        raise UserError(f"{what} needs models that translate; task={task.config['task']['name']} does not")
