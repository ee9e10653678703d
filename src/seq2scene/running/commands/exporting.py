"""``export.py``: a trained model as a folder of plain data, see ``models.folders``."""

import re
import shlex
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from seq2scene.caching import draft
from seq2scene.compositing.compositor import relocated
from seq2scene.compositing.packed_store import open_patches, pack
from seq2scene.errors import UserError
from seq2scene.models.checkpoints import find_checkpoint, load_checkpoint, rename_weights, require_numbers
from seq2scene.models.folders import (
    CARD,
    MODEL,
    NET,
    WEIGHTS,
    read_folder,
    without_places,
    write_folder,
)
from seq2scene.models.loading import model_class, model_of
from seq2scene.running.model_cards import model_card
from seq2scene.running.options.bounds import check_values
from seq2scene.tasks.loading import is_generated

UNTOLD = r"[+~]*(name|overwrite|paths)\b"  # options of the command that say nothing of the model


def export(cfg: DictConfig) -> None:
    """Writes the model of a checkpoint into the new folder ``to``, loads it again, compares the weights, and
    prints the size of the folder.
    """
    check_values(OmegaConf.to_container(cfg, resolve=True))
    if isinstance(cfg.ckpt, list) or OmegaConf.is_list(cfg.ckpt):
        raise UserError("ckpt: a folder holds one model; export the members of an ensemble one by one")
    folder = Path(str(cfg.to)).expanduser()
    require_new(folder, cfg.overwrite)
    path = find_checkpoint(str(cfg.ckpt), "best.ckpt")
    checkpoint = load_checkpoint(path)
    require_numbers(path, checkpoint)
    parts = checkpoint["hyper_parameters"]
    kind = model_class(parts["config"]["task"]["_target_"])
    rename_weights(checkpoint["state_dict"], kind.earlier_names)
    facts = {
        "task": parts["config"]["task"]["name"],
        "model": kind.kind,
        **_origin(checkpoint),
        "half": bool(cfg.half),
    }
    with draft(folder) as part:
        write_folder(
            part, checkpoint, facts, cfg.half, patch_writer(parts, cfg.copy_patches, cfg.pack_photos)
        )
        again = read_folder(part)
        model = model_of(read_folder(part))
        worst = largest_difference(checkpoint["state_dict"], again["state_dict"])
        if cfg.onnx:
            from seq2scene.running.onnx_export import export_onnx

            print(export_onnx(model, part))
        (part / CARD).write_text(model_card(model, facts, path, folder.name), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
    size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    weights = (folder / WEIGHTS).stat().st_size
    print(f"{folder}: {size / 1e6:.2f} MB, {weights / 1e6:.2f} of them weights and tensors")
    if cfg.half:
        print(f"no weight changed by more than {worst:.2g} in half precision")


def require_new(folder: Path, overwrite: bool) -> None:
    """Raises UserError if the folder exists, unless it is empty, or a model folder to be overwritten."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not (folder / MODEL).is_file():
        raise UserError(f"to={folder} exists and is no model folder: name another folder")
    if not overwrite:
        raise UserError(f"to={folder} exists: name another folder, or say overwrite=true")


def patch_writer(
    parts: Mapping[str, Any], wanted: bool | None, packed: int | None
) -> Callable[[Path], None] | None:
    """What writes the patch store into a new folder, whole or, with ``packed`` photos, packed; None for none.
    Photos of others have licences of their own, so only the park's patches are written unless it is
    ``wanted``.

    Raises UserError if patches are wanted of a model that pastes none, or are not where they were.
    """
    description = parts["description"]
    if "patches" not in description:
        for key, value in {"copy_patches": wanted, "pack_photos": packed}.items():
            if value is not None:
                raise UserError(f"{key}: this model pastes no patches of photos; leave it out")
        return None
    if wanted is False or (wanted is None and not is_generated(parts["config"]["data"])):
        return None
    found = relocated(description, None, None)
    if packed is None:
        return partial(shutil.copytree, found["patches"])
    if found["photos"] is None:
        raise UserError("pack_photos: this model has no photos to pack; leave it out")
    store = open_patches(Path(found["patches"]))
    return partial(pack, store, Path(found["photos"]), count=packed)


def largest_difference(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> float:
    names = [name for name in ours if name.startswith(NET)]
    return max((ours[name].double() - theirs[name].double()).abs().max().item() for name in names)


def _origin(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """The command and the revision that trained the model, and how long it was trained."""
    if "facts" in checkpoint:  # of a model folder
        return {key: checkpoint["facts"].get(key) for key in ("command", "commit", "epoch", "steps")}
    data = checkpoint["hyper_parameters"]["config"].get("paths", {}).get("data")
    told = [str(one) for one in checkpoint.get("overrides", [])]
    told = [without_places(one, data) for one in told if not re.match(UNTOLD, one)]
    return {
        "command": shlex.join(["python", "src/train.py", *told]),
        "commit": checkpoint.get("git"),
        "epoch": checkpoint.get("epoch"),
        "steps": checkpoint.get("global_step"),
    }
