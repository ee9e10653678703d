"""Checkpoints: tensors and plain containers, loaded without executing anything they hold."""

import pickle
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from seq2scene.building import build
from seq2scene.errors import UserError
from seq2scene.search.ensemble import Ensemble, require_average
from seq2scene.tasks.nmt import NMT
from seq2scene.tasks.task import Task

# Modules that checkpoints of older versions call seq2scene.nets.NAME, by the room where they are now
ROOMS = {
    "text": "captioner decoders encoders gnmt_decoder language_model xu_decoder",
    "scene": "class_planes_canvas colour_canvas object_annotations patch_encoder picture_canvas "
    "scene_decoder semantic_canvas",
    "vision": "image_encoder inpainter",
    "losses": "hard_attention",
}
# Data modules that checkpoints of older versions call seq2scene.data.NAME, likewise
DATA_ROOMS = {
    "text": "parallel_text plain_text",
    "captions": "coco_captions layout_captions",
    "scenes": "abstract_scenes coco_composite coco_layout simulated_scenes",
}
RENAMED = {
    "seq2scene.nets.scene_text": "seq2scene.nets.scene.text_encoder",
    "seq2scene.search.greedy": "seq2scene.search.stepwise",
    "seq2scene.search.sample": "seq2scene.search.stepwise",
} | {
    f"seq2scene.{part}.{name}": f"seq2scene.{part}.{room}.{name}"
    for part, rooms in (("nets", ROOMS), ("data", DATA_ROOMS))
    for room, names in rooms.items()
    for name in names.split()
}
NOWHERE = {"cache": "/dev/null/no-cache", "data": "/dev/null/no-data"}  # where nothing can be written


def find_checkpoint(path: str | Path, name: str) -> Path:
    """The checkpoint at ``path``, or the one called ``name`` if it is the folder of a run.

    Raises:
        UserError: if there is none.
    """
    path = Path(path)
    found = path / name if path.is_dir() else path
    if not found.is_file():
        here = sorted(str(p) for p in path.glob("*.ckpt")) if path.is_dir() else []
        hint = f"it holds {', '.join(here)}" if here else "give the .ckpt file or the folder of a run"
        raise UserError(f"no checkpoint at {found}: {hint}")
    return found


def find_checkpoints(ckpt: str | Path | Sequence[str | Path], name: str) -> list[Path]:
    """The checkpoints that ``ckpt`` names, one or a list, each as ``find_checkpoint`` finds it."""
    several = ckpt if isinstance(ckpt, Sequence) and not isinstance(ckpt, str) else [ckpt]
    if not several:
        raise UserError("ckpt=[] names no checkpoint: give one, or several as ckpt=[A,B]")
    return [find_checkpoint(str(path), name) for path in several]


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The contents of a checkpoint of this project, on the CPU.

    Raises:
        UserError: if the file is damaged, foreign, or holds anything that would have to be executed.
    """
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # of a file that is refused anyway
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is no checkpoint of this project: it holds objects, and loading them could run foreign "
            "code; nothing of it was run"
        ) from error
    except (
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
        KeyError,
        struct.error,
        zipfile.BadZipFile,
    ) as error:
        raise UserError(f"{path} is damaged or no checkpoint: {_first_line(error)}") from error
    parts = checkpoint.get("hyper_parameters", {}) if isinstance(checkpoint, dict) else {}
    if not all(isinstance(parts.get(key), dict) for key in ("config", "description")):
        raise UserError(f"{path} is no checkpoint of this project: it has no config and description")
    words = [value for value in parts["description"].values() if isinstance(value, str)]
    if open_ended := next((word for word in _words([parts["config"], words]) if "${" in word), None):
        raise UserError(
            f"{path}: its config holds {open_ended}, to be looked up: no config that was saved here does"
        )
    parts["config"] = renamed(parts["config"])
    return checkpoint


def renamed(config: Any) -> Any:
    """Plain containers with the parts that ``_target_`` names called as they are today."""
    if isinstance(config, list):
        return [renamed(value) for value in config]
    if not isinstance(config, Mapping):
        return config
    config = {key: renamed(value) for key, value in config.items()}
    if isinstance(target := config.get("_target_"), str):
        module, _, name = target.rpartition(".")
        config["_target_"] = f"{RENAMED.get(module, module)}.{name}"
    return config


def _words(config: Any) -> Iterator[str]:
    """Every text in plain containers, keys included."""
    if isinstance(config, str):
        yield config
    elif isinstance(config, Mapping):
        for pair in config.items():
            yield from _words(pair)
    elif isinstance(config, Sequence):
        for value in config:
            yield from _words(value)


def task_of(checkpoint: dict[str, Any], places: Mapping[str, str] | None = None, **changes: Any) -> Task:
    """The task that a checkpoint was saved by, with its weights; ``changes`` replace parts of its config.

    places: where the caller keeps data and cache, see ``at_home``; None where nothing is kept.
    """
    parts = checkpoint["hyper_parameters"]
    config = _without_pretrained(parts["config"])
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


def load_beside(option: str, path: str | Path, kind: str) -> Task:
    """The task of a checkpoint, or of a run's best one, that an ``option`` names beside the task at work.

    Raises:
        UserError: there is no such checkpoint, or it is not of task=``kind``.
    """
    found = find_checkpoint(path, "best.ckpt")
    checkpoint = load_checkpoint(found)
    own = checkpoint["hyper_parameters"]["config"]["task"]["name"]
    if own != kind:
        raise UserError(f"{option}={found}: a checkpoint of task={own}; give one of task={kind}")
    require_numbers(found, checkpoint)
    return task_of(checkpoint)


def require_numbers(path: Path, checkpoint: dict[str, Any]) -> None:
    """Raises UserError, which names the first bad tensor, unless all weights of a checkpoint are finite."""
    for name, tensor in checkpoint["state_dict"].items():
        bad = int(tensor.isfinite().logical_not().sum())
        if bad:
            raise UserError(
                f"{path}: {bad} of {tensor.numel()} values of {name} are not finite: training had diverged; "
                "give a checkpoint from before, or train at a lower optimizer.lr"
            )


def require_same_classes(learnt: Sequence[str], names: Sequence[str], what: str) -> None:
    """Raises UserError, which begins with ``what``, unless both are the same object classes."""
    if tuple(learnt) != tuple(names):
        raise UserError(
            f"{what}: it learnt {len(learnt)} classes of objects that are not the {len(names)} of these "
            "scenes: train both on the same data"
        )


def _without_pretrained(config: dict[str, Any]) -> dict[str, Any]:
    """The config without weights to start from: the checkpoint has its own."""
    trunks = {key: config[key] for key in ("canvas", "image_encoder") if "weights" in config.get(key, {})}
    return {**config, **{key: {**trunk, "weights": "none"} for key, trunk in trunks.items()}}


def load_task(
    paths: Sequence[Path],
    ensemble: str = "logits",
    places: Mapping[str, str] | None = None,
    **changes: Any,
) -> Task:
    """The task of one checkpoint, or that of the first of several with the ensemble of all as its net.

    ensemble: how several distributions become one: logits, log_probs or probs (``search.ensemble``).
    places: where the caller keeps data and cache; changes: replace parts of the config; as in ``task_of``.

    Raises:
        UserError: if there is no such average, or if several do not translate, or not the same tokens.
    """
    require_average(ensemble)
    checkpoints = [load_checkpoint(path) for path in paths]
    for path, checkpoint in zip(paths, checkpoints, strict=True):
        require_numbers(path, checkpoint)
    for path, checkpoint in zip(paths[1:], checkpoints[1:], strict=True):
        require_same_languages(paths[0], checkpoints[0], path, checkpoint)
    tasks = [task_of(checkpoint, places, **changes) for checkpoint in checkpoints]
    if len(tasks) > 1:
        require_translation(tasks[0], "an ensemble")
        tasks[0].net = Ensemble([task.net for task in tasks], ensemble)
    return tasks[0].eval()


def require_translation(task: Task, what: str) -> None:
    """Raises UserError unless ``task`` translates, which ``what`` needs."""
    if not isinstance(task, NMT):
        raise UserError(f"{what} needs models that translate; task={task.config['task']['name']} does not")


def require_same_languages(
    path: Path, checkpoint: dict[str, Any], other_path: Path, other: dict[str, Any]
) -> None:
    """Raises UserError, which names the first difference, unless both checkpoints are of one task and read
    and write the same tokens by the same ids.
    """
    ours, theirs = checkpoint["hyper_parameters"], other["hyper_parameters"]
    together = f"{path} and {other_path} do not go together"
    tasks = [parts["config"]["task"]["_target_"] for parts in (ours, theirs)]
    if tasks[0] != tasks[1]:
        raise UserError(f"{together}: they are of other tasks, {tasks[0]} and {tasks[1]}")
    ours, theirs = ours["description"], theirs["description"]
    for side in [key for key in ("source", "target", "language") if key in ours]:
        if ours[side]["vocabulary"] != theirs[side]["vocabulary"]:
            difference = _vocabulary_difference(ours[side]["vocabulary"], theirs[side]["vocabulary"])
            raise UserError(f"{together}: their {side} vocabularies differ: {difference}")
        if ours[side]["tokenizer"] != theirs[side]["tokenizer"]:
            raise UserError(f"{together}: their {side} tokenizers differ")
    if ours.get("source_eos") != theirs.get("source_eos"):
        raise UserError(f"{together}: the sources of one end in EOS (data.source_eos), the other's do not")


def _vocabulary_difference(ours: dict[str, Any], theirs: dict[str, Any]) -> str:
    """In words, the first of what differs between the states of two vocabularies."""
    sizes = len(ours["tokens"]), len(theirs["tokens"])
    if sizes[0] != sizes[1]:
        return f"the first has {sizes[0]} tokens, the second {sizes[1]}"
    for number, (one, other) in enumerate(zip(ours["tokens"], theirs["tokens"], strict=True)):
        if one != other:
            return f"token {number} is {one!r} in the first and {other!r} in the second"
    return "their special symbols have other ids"


def build_task(config: dict[str, Any], description: dict[str, Any]) -> Task:
    """The LightningModule that ``config.task`` names."""
    return build({"_target_": config["task"]["_target_"]}, "task", config=config, description=description)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
