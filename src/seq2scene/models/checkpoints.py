"""Checkpoints: tensors and plain containers, loaded without executing any code."""

import pickle
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seq2scene.arrays import TORN
from seq2scene.errors import UserError
from seq2scene.models import folders
from seq2scene.models.folders import MODEL, read_folder, shipped_models

# Modules that older checkpoints call seq2scene.nets.NAME, by the package they are in now
ROOMS = {
    "text": "decoders encoders gnmt_decoder language_model xu_decoder",
    "scene": "class_planes_canvas colour_canvas object_annotations patch_encoder picture_canvas "
    "scene_decoder semantic_canvas",
    "vision": "image_encoder inpainter",
    "losses": "hard_attention",
}
# Data modules that older checkpoints call seq2scene.data.NAME, likewise
DATA_ROOMS = {
    "text": "parallel_text plain_text",
    "captions": "coco_captions layout_captions",
    "scenes": "abstract_scenes coco_composite coco_layout simulated_scenes",
}
DIVERGED = "training had diverged; give a checkpoint from before, or train at a lower optimizer.lr"
KEYS = {"glove": "word_vectors"}  # of configs: in older checkpoints, and current
NONE_SHIPPED = "no models ship with this copy of seq2scene"
RENAMED = {
    "seq2scene.nets.captioner": "seq2scene.nets.vision.annotations",
    "seq2scene.nets.text.captioner": "seq2scene.nets.vision.annotations",
    "seq2scene.nets.scene_text": "seq2scene.nets.scene.text_encoder",
    "seq2scene.search.greedy": "seq2scene.search.stepwise",
    "seq2scene.search.sample": "seq2scene.search.stepwise",
} | {
    f"seq2scene.{part}.{name}": f"seq2scene.{part}.{room}.{name}"
    for part, rooms in (("nets", ROOMS), ("data", DATA_ROOMS))
    for room, names in rooms.items()
    for name in names.split()
}


def find_checkpoint(path: str | Path, name: str) -> Path:
    """The checkpoint or the model folder at ``path``; the file ``name`` in it if it is a run folder; or the
    folder of the model that ships under this name, if nothing else is there.

    Raises:
        UserError: if it does not exist.
    """
    path, shipped = Path(path), shipped_models()
    if (path / MODEL).is_file():
        return path
    if str(path) in shipped and not path.exists():
        return folders.SHIPPED / path
    found = path / name if path.is_dir() else path
    if not found.is_file():
        here = sorted(str(p) for p in path.glob("*.ckpt")) if path.is_dir() else []
        hint = f"it holds {', '.join(here)}" if here else "give the .ckpt file or the folder of a run"
        if not here:
            named = f"the name of a model that ships with seq2scene: {', '.join(shipped)}"
            hint += f", a model folder, or {named}" if shipped else f" or a model folder; {NONE_SHIPPED}"
        raise UserError(f"no checkpoint at {found}: {hint}")
    return found


def find_checkpoints(ckpt: str | Path | Sequence[str | Path], name: str) -> list[Path]:
    """The checkpoints that ``ckpt`` names, one or a list, each found by ``find_checkpoint``."""
    several = ckpt if isinstance(ckpt, Sequence) and not isinstance(ckpt, str) else [ckpt]
    if not several:
        raise UserError("ckpt=[] names no checkpoint: give one, or several as ckpt=[A,B]")
    return [find_checkpoint(str(path), name) for path in several]


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The contents of a checkpoint of this project, on the CPU, or those of a model folder in the same form.

    Raises:
        UserError: if a file is damaged, not from this project, or contains objects that would execute code.
    """
    checkpoint = read_folder(path) if path.is_dir() else _unpickled(path)
    parts = checkpoint.get("hyper_parameters", {}) if isinstance(checkpoint, dict) else {}
    if not all(isinstance(parts.get(key), dict) for key in ("config", "description")):
        raise UserError(f"{path} is not a checkpoint of this project: it has no config and description")
    words = [value for value in parts["description"].values() if isinstance(value, str)]
    if open_ended := next((word for word in _words([parts["config"], words]) if "${" in word), None):
        raise UserError(
            f"{path}: its config contains the interpolation {open_ended}; saved configs have none"
        )
    parts["config"] = renamed(parts["config"])
    if "overrides" in checkpoint:
        checkpoint["overrides"] = [_renamed_override(one) for one in checkpoint["overrides"]]
    return checkpoint


def _unpickled(path: Path) -> Any:
    """The tensors and plain containers in a file. Raises UserError if it holds anything else."""
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Detected pickle protocol")  # the file is refused anyway
            _require_checksums(path)
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path} is not a checkpoint of this project: loading the objects in it could run foreign "
            "code; none was run"
        ) from error
    except (*TORN, OSError) as error:
        raise UserError(f"{path} is damaged or not a checkpoint: {_first_line(error)}") from error


def _require_checksums(path: Path) -> None:
    """Raises BadZipFile if a byte of a checkpoint has changed since ``torch.save`` wrote it with its CRC-32s,
    which ``torch.load`` does not read.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in archive.infolist()):
            raise zipfile.BadZipFile("it is compressed, which checkpoints are not")
        if (changed := archive.testzip()) is not None:
            raise zipfile.BadZipFile(f"the checksum of {changed} in it is wrong")


def renamed(config: Any) -> Any:
    """The config with every key and ``_target_`` under its current name."""
    if isinstance(config, list):
        return [renamed(value) for value in config]
    if not isinstance(config, Mapping):
        return config
    config = {KEYS.get(key, key): renamed(value) for key, value in config.items()}
    if isinstance(target := config.get("_target_"), str):
        module, _, name = target.rpartition(".")
        config["_target_"] = f"{RENAMED.get(module, module)}.{name}"
    return config


def _renamed_override(override: Any) -> Any:
    if not isinstance(override, str):
        return override
    name, equals, value = override.partition("=")
    return ".".join(KEYS.get(part, part) for part in name.split(".")) + equals + value


def rename_weights(weights: dict[str, Tensor], before: Mapping[str, str], prefix: str = "") -> None:
    """Renames, in place, weights saved before tasks had a ``model`` to their current names.

    before: old prefixes and the current ones within the model. prefix: that of all weights of the task.
    """
    for name in list(weights):
        for old, new in before.items():
            if name.startswith(prefix + old):
                weights[f"{prefix}model.{new}{name.removeprefix(prefix + old)}"] = weights.pop(name)


def require_numbers(path: Path, checkpoint: dict[str, Any]) -> None:
    """Raises UserError naming the first bad tensor unless all weights of a checkpoint, and all tensors of its
    description, are finite.
    """
    weights = [(name, tensor, DIVERGED) for name, tensor in checkpoint["state_dict"].items()]
    described = _tensors(checkpoint["hyper_parameters"]["description"], "description")
    for name, tensor, remedy in [*weights, *((*one, "get it anew") for one in described)]:
        if bad := int(tensor.isfinite().logical_not().sum()):
            raise UserError(f"{path}: {bad} of {tensor.numel()} values of {name} are not finite: {remedy}")


def _tensors(value: Any, place: str) -> Iterator[tuple[str, Tensor]]:
    """Every tensor in plain containers, with its place."""
    if isinstance(value, Tensor):
        yield place, value
    elif isinstance(value, Mapping):
        for key, one in value.items():
            yield from _tensors(one, f"{place}.{key}")
    elif isinstance(value, list | tuple):
        for number, one in enumerate(value):
            yield from _tensors(one, f"{place}.{number}")


def _words(config: Any) -> Iterator[str]:
    """Every string in plain containers, keys included."""
    if isinstance(config, str):
        yield config
    elif isinstance(config, Mapping):
        for pair in config.items():
            yield from _words(pair)
    elif isinstance(config, Sequence):
        for value in config:
            yield from _words(value)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
