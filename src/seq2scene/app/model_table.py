"""The models that the page offers, by name; each is loaded when it is first used."""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seq2scene.errors import UserError
from seq2scene.models.checkpoints import NONE_SHIPPED, find_checkpoints, load_checkpoint
from seq2scene.models.folders import read_described, shipped_models
from seq2scene.models.loading import load, model_class
from seq2scene.models.model import Model

STAMP = re.compile(r"\d{4}-\d\d-\d\d.*")  # names of run folders, which say little


@dataclass(frozen=True)
class Offer:
    """What is known of a model before it is loaded.

    name: in addresses and requests. path: of its checkpoint or model folder. kind: its class. config,
    description: as in the checkpoint; of a folder without the tensors.
    """

    name: str
    path: Path
    kind: type[Model]
    config: Mapping[str, Any]
    description: Mapping[str, Any]


class ModelTable:
    """Names and models. Loading and using models is for one thread, the worker's."""

    def __init__(self, offers: Sequence[Offer], cache: Path | None = None) -> None:
        self.offers = {offer.name: offer for offer in offers}
        self.loaded: dict[str, Model] = {}
        self.cache = cache

    def load(self, name: str) -> Model:
        """The model called ``name``; KeyError if there is none. Raises UserError if it cannot be loaded; why
        is printed, as visitors need not know where models lie.
        """
        if name not in self.loaded:
            try:
                self.loaded[name] = load(self.offers[name].path, cache=self.cache)
            except UserError as error:
                print(f"error: {error}", file=sys.stderr, flush=True)
                message = f"the model {name} cannot be loaded; the server's terminal says why"
                raise UserError(message) from None
        return self.loaded[name]


def read_offers(paths: str | Sequence[str] | None = None) -> list[Offer]:
    """The models at ``paths``, one or several of what ``load`` takes; None: those that ship with the package.

    Raises UserError if there is none, or one cannot be read.
    """
    paths = shipped_models() if paths is None else paths
    if not paths:
        raise UserError(
            f"models: the page needs trained models, and {NONE_SHIPPED}: "
            "models=[outputs/abstract/2026-...,...]; `make train` trains one in minutes"
        )
    offers: list[Offer] = []
    for found in find_checkpoints(paths, "best.ckpt"):
        config, description = _parts(found)
        kind = model_class(config["task"]["_target_"])
        name = _free_name(found, {offer.name for offer in offers})
        offers.append(Offer(name, found, kind, config, description))
    return offers


def _parts(path: Path) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The config and the description of a checkpoint or a model folder."""
    if path.is_dir():
        return read_described(path)
    parts = load_checkpoint(path)["hyper_parameters"]
    return parts["config"], parts["description"]


def _free_name(path: Path, taken: set[str]) -> str:
    """A short name for a model, from its folder: ``abstract`` for outputs/abstract/2026-11-28."""
    path = path.resolve()
    folder = path if path.is_dir() else path.parent
    folder = folder.parent if STAMP.fullmatch(folder.name) else folder
    name = re.sub(r"[^\w-]+", "-", folder.name, flags=re.ASCII).strip("-") or "model"
    names = [name, *(f"{name}-{number}" for number in range(2, len(taken) + 2))]
    return next(one for one in names if one not in taken)
