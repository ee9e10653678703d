"""Checkpoint averaging: the mean of the weights of several checkpoints of one model, as one checkpoint."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig

from seq2scene.errors import UserError
from seq2scene.models.checkpoints import find_checkpoints, load_checkpoint, rename_weights, require_numbers
from seq2scene.models.loading import model_class, require_same_languages
from seq2scene.running.saving import save_whole
from seq2scene.sequences.output import require_output

KEPT = ("hyper_parameters", "overrides", "git", "pytorch-lightning_version", "epoch", "global_step")
HARMLESS = ("dropout", "initial_range", "packing")  # settings that change no output of a trained model


def average(cfg: DictConfig) -> None:
    """``python src/average.py``: writes the averaged checkpoint, and says where."""
    out = Path(cfg.out)
    require_output(str(cfg.out))
    if out.exists() and not cfg.overwrite:
        raise UserError(f"out={out} exists: name another file, or say overwrite=true")
    paths = find_checkpoints(cfg.ckpt, "best.ckpt")
    averaged = average_checkpoints(paths)
    save_whole(averaged, out)
    print(f"{out}: the mean of {len(paths)} checkpoints")


def average_checkpoints(paths: Sequence[Path]) -> dict[str, Any]:
    """The checkpoint whose every weight is the mean of theirs, added up in float32 or wider.

    Integers, which have no mean, and all else that is kept are the last one's: the config, the description,
    where training stood. What only training needs is dropped, the optimizer's state above all: nothing can
    be resumed from a mean. ``averaged`` lists the paths.

    Raises:
        UserError: if the checkpoints are not of one model: of other languages, other tensors, or other
            settings of the model. It names the first difference.
    """
    first = _load(paths[0])
    sums = {name: _wide(tensor) for name, tensor in first["state_dict"].items()}
    last = first
    for path in paths[1:]:
        last = _load(path)
        require_same_languages(paths[0], first, path, last)
        _require_same_model(paths[0], first, path, last)
        for name, tensor in last["state_dict"].items():
            sums[name] = sums[name] + _wide(tensor) if tensor.is_floating_point() else tensor
    means = {
        name: (sums[name] / len(paths)).to(tensor.dtype) if tensor.is_floating_point() else sums[name]
        for name, tensor in last["state_dict"].items()
    }
    kept = {key: last[key] for key in KEPT if key in last}
    return {**kept, "state_dict": means, "averaged": [str(path) for path in paths]}


def _load(path: Path) -> dict[str, Any]:
    """A checkpoint, its weights by the names of today. Raises UserError unless all are finite."""
    checkpoint = load_checkpoint(path)
    require_numbers(path, checkpoint)
    task = checkpoint["hyper_parameters"]["config"]["task"]["_target_"]
    rename_weights(checkpoint["state_dict"], model_class(task).earlier_names)
    return checkpoint


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    """At least in float32, where it is floating point."""
    wide = torch.promote_types(tensor.dtype, torch.float32)
    return tensor.to(wide) if tensor.is_floating_point() else tensor


def _require_same_model(
    path: Path, checkpoint: dict[str, Any], other_path: Path, other: dict[str, Any]
) -> None:
    """Raises UserError, which names the first difference, unless both hold weights of the same net."""
    ours, theirs = _traits(checkpoint), _traits(other)
    for name in [*ours, *theirs]:
        one, two = ours.get(name, "absent"), theirs.get(name, "absent")
        if one != two:
            raise UserError(
                f"{path} and {other_path} cannot be averaged: {name} is {one} in the first and {two} in the "
                "second"
            )


def _traits(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """What tells nets apart: the shapes of the tensors by name, and the settings of the model by key."""
    config = checkpoint["hyper_parameters"]["config"]
    shapes = {name: tuple(tensor.shape) for name, tensor in checkpoint["state_dict"].items()}
    return shapes | dict(_settings({key: config.get(key) for key in ("model", "attention")}))


def _settings(config: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a nested config by their dotted keys, without those that are ``HARMLESS``."""
    if not isinstance(config, Mapping):
        yield place, config
        return
    for key, value in config.items():
        if key not in HARMLESS:
            yield from _settings(value, f"{place}.{key}" if place else key)
