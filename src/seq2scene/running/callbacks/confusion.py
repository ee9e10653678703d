"""What a scene model takes for what: confusion of object classes and of each attribute in validation."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

from seq2scene.nets.scene.scene_decoder import Taught
from seq2scene.reports.report import attempt
from seq2scene.scenes.clip_art import EXPRESSIONS, POSES
from seq2scene.scenes.objects import PAD, Objects
from seq2scene.scenes.schema import Schema
from seq2scene.tasks.scenes import SceneTask

VALUES = {
    "pose": POSES,
    "expression": EXPRESSIONS,
    "size": ("near", "middle", "far"),
    "flip": ("right", "left"),
}


@dataclass(frozen=True)
class Counts:
    """names: of the classes. counts: (classes, classes), of true and predicted ones."""

    names: tuple[str, ...]
    counts: Tensor

    def rows(self, most: int) -> list[list[Any]]:
        """True class, predicted class and count, of every pair of classes that occur; of more than ``most``
        classes all but the most frequent are ``other``.
        """
        seen = self.counts.sum(0) + self.counts.sum(1)
        chosen = seen.argsort(descending=True, stable=True)[:most]
        chosen = chosen[seen[chosen] > 0].sort().values.tolist()
        rest = [number for number in seen.nonzero().flatten().tolist() if number not in chosen]
        groups = {self.names[number]: [number] for number in chosen} | ({"other": rest} if rest else {})
        return [
            [true, predicted, int(self.counts[numbers][:, others].sum())]
            for true, numbers in groups.items()
            for predicted, others in groups.items()
        ]


class Confusion(pl.Callback):
    """Passes to ``show`` the ``Counts`` of ``object`` and of each head, and the step, after each validation.

    A prediction is the most probable value given the true objects before it, and for an attribute the true
    place of its object. Does nothing for other tasks than scenes.
    """

    def __init__(self, show: Callable[[Mapping[str, Counts], int], None]) -> None:
        self.show = show
        self._taught: Taught | None = None
        self._counts: dict[str, Tensor] = {}

    def on_validation_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if isinstance(module, SceneTask):
            sizes = {"object": module.schema.classes}
            sizes |= {name: head.classes for name, head in module.schema.heads.items()}
            self._counts = {name: torch.zeros(size * size, dtype=torch.int64) for name, size in sizes.items()}
            self._hook = module.model.register_forward_hook(self._keep)

    def _keep(self, model: torch.nn.Module, inputs: Any, taught: Taught) -> None:
        self._taught = taught

    def on_validation_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, *place: Any
    ) -> None:
        if self._taught is None:
            return
        for name, (true, predicted) in _pairs(self._taught, batch.target, module.schema).items():
            size = round(len(self._counts[name]) ** 0.5)
            flat = (true * size + predicted).cpu()
            self._counts[name] += flat.bincount(minlength=size * size)
        self._taught = None

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if not self._counts:
            return
        self._hook.remove()
        counts, self._counts = self._counts, {}
        if trainer.sanity_checking:
            return
        found = {}
        for name, flat in counts.items():
            total = trainer.strategy.reduce(flat.to(module.device), reduce_op="sum").cpu()
            size = round(len(total) ** 0.5)
            found[name] = Counts(names_of(name, module.schema), total.view(size, size))
        with attempt(f"confusion of step {trainer.global_step}"):
            self.show(found, trainer.global_step)


def names_of(name: str, schema: Schema) -> tuple[str, ...]:
    """The classes of ``object``, or the values of a head."""
    if name == "object":
        return tuple(map(schema.title, range(schema.classes)))
    size = schema.heads[name].classes
    known = VALUES.get(name, ())
    return known if len(known) == size else tuple(map(str, range(size)))


def _pairs(taught: Taught, target: Objects, schema: Schema) -> dict[str, tuple[Tensor, Tensor]]:
    """The true and the predicted classes of every step, and values of every object that has the head."""
    present = target.present
    classes = target.classes[present]
    pairs = {"object": (target.classes[target.classes != PAD], taught.objects.argmax(1))}
    for name, logits in taught.attributes.items():
        has = schema.has(name).to(classes.device)[classes]
        pairs[name] = target.attributes[name][present][has], logits[has].argmax(1)
    return pairs
