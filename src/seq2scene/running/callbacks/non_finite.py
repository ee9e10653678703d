"""Numbers gone wrong: a loss or a gradient that is not finite, at its step and before the weights change."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from torch import Tensor

from seq2scene.errors import UserError
from seq2scene.running.callbacks.endings import REMEDY, Diverged
from seq2scene.running.callbacks.provenance import random_state
from seq2scene.running.messages import say
from seq2scene.running.saving import save_whole
from seq2scene.tasks.task import Loss, Task

SHOWN = 3  # tensors named in a message


@dataclass(frozen=True)
class Step:
    """What a step was made of. values: its loss, the norm of its gradient, and the norms of the gradient's
    tensors ``names``. ready: an event on the device after which ``values`` can be read; None on a CPU.
    batches: its micro-batches. random: the random state before them.
    """

    number: int
    epoch: int
    values: Tensor
    names: Sequence[str]
    ready: torch.cuda.Event | None
    batches: Sequence[Any]
    random: Mapping[str, Tensor]


class NonFinite(pl.Callback):
    """Stops training at a step whose loss or gradient is not finite, or skips the step: the weights stay
    those of before. Its micro-batches, the weights and the random state are saved in ``folder`` as
    ``non_finite_step_N.pt``, for ``replay``.

    action: stop (with Diverged) or skip; skipped steps are counted in ``train/skipped_steps`` and messages.

    On a GPU the device itself decides whether to take a fused step, and this learns of it one step later, so
    it never waits for the device; with other optimizers it waits at every step. With 16-mixed precision it
    does nothing: overflows are normal there, and the gradient scaler skips them.
    """

    def __init__(self, folder: str, action: Literal["stop", "skip"] = "stop") -> None:
        self.folder, self.action = Path(folder), action
        self.skipped = 0
        self._batches: list[Any] = []
        self._random: dict[str, Tensor] = {}
        self._names: list[str] = []
        self._unread: Step | None = None

    def state_dict(self) -> dict[str, int]:
        return {"skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self.skipped = state_dict["skipped"]

    def on_train_start(self, trainer: pl.Trainer, module: Task) -> None:
        self._trainer = trainer
        if trainer.precision != "16-mixed":
            module.guard = self._guard

    def on_train_batch_start(self, trainer: pl.Trainer, module: Task, batch: Any, index: int) -> None:
        if module.guard is None:
            return
        if not self._batches:
            self._random = random_state()
        self._batches.append(batch)

    def on_train_batch_end(self, trainer: pl.Trainer, module: Task, *batch: Any) -> None:
        if self.skipped:
            module.log("train/skipped_steps", float(self.skipped))

    def on_save_checkpoint(self, trainer: pl.Trainer, module: Task, checkpoint: dict[str, Any]) -> None:
        self._read()

    def on_train_end(self, trainer: pl.Trainer, module: Task) -> None:
        self._read()
        module.guard = None

    def _guard(self, optimizer: torch.optim.Optimizer, loss: Tensor, norm: Tensor, norms: Tensor) -> None:
        self._read()
        trainer, module = self._trainer, self._trainer.lightning_module
        values = torch.cat([loss.reshape(1), norm.reshape(1), norms])
        ready = None
        if values.is_cuda and all(group.get("fused") for group in optimizer.param_groups):
            optimizer.found_inf = values[:2].isfinite().all().logical_not().float()
            values, ready = values.to("cpu", non_blocking=True), torch.cuda.Event()
            ready.record()
        if len(self._names) != len(norms):
            self._names = [name for name, value in module.named_parameters() if value.grad is not None]
        step = Step(
            number=trainer.global_step + 1,
            epoch=trainer.current_epoch,
            values=values,
            names=self._names,
            ready=ready,
            batches=self._batches,
            random=self._random,
        )
        self._batches = []
        if ready is not None:
            self._unread = step
        elif self._is_bad(step):
            for parameter in module.parameters():
                parameter.grad = None  # so that the optimizer changes nothing
            self._tell(step)

    def _read(self) -> None:
        """Acts on the step before, whose values have arrived by now."""
        step, self._unread = self._unread, None
        if step is not None:
            assert step.ready is not None, "steps without an event are judged at once"
            step.ready.synchronize()
            if self._is_bad(step):
                self._tell(step)

    def _is_bad(self, step: Step) -> bool:
        return not bool(step.values[:2].isfinite().all())

    def _tell(self, step: Step) -> None:
        """Saves a bad step, and raises Diverged unless bad steps are skipped."""
        loss, _, *norms = step.values.tolist()
        bad = [
            name for name, good in zip(step.names, torch.tensor(norms).isfinite(), strict=True) if not good
        ]
        parts = [f"the loss is {loss}"] if loss - loss != 0 else []
        if bad:
            more = f" and {len(bad) - SHOWN} others" if len(bad) > SHOWN else ""
            parts.append(f"the gradient is not finite in {', '.join(bad[:SHOWN])}{more}")
        why = "; ".join(parts) or "the norm of the gradient is not finite"
        path = self._save(step, why)
        place = f"step {step.number}, epoch {step.epoch}: {why}; its batch is saved in {path}"
        if self.action == "stop":
            raise Diverged(f"training diverged at {place}; {REMEDY}, or callbacks.non_finite.action=skip")
        self.skipped += 1
        say(f"skipped {place}; {self.skipped} skipped so far")

    def _save(self, step: Step, why: str) -> Path:
        rank = f"_rank{self._trainer.global_rank}" if self._trainer.world_size > 1 else ""
        path = self.folder / f"non_finite_step_{step.number}{rank}.pt"
        module = self._trainer.lightning_module
        weights = {name: value.cpu() for name, value in module.state_dict().items()}
        batches = [to_containers(batch) for batch in step.batches]
        kept = {"why": why, "batches": batches, "random_state": dict(step.random), "state_dict": weights}
        kept["loss_state"] = module.loss_state()
        save_whole(kept, path)
        return path


def replay(path: Path, task: Task) -> list[Loss]:
    """The losses of the micro-batches in a ``non_finite_step_N.pt``, as training computed them; sets the
    weights of ``task``, built from the run's checkpoint, and the global random state.
    """
    kept = torch.load(path, map_location="cpu", weights_only=True)
    task.load_state_dict(kept["state_dict"])
    task.load_loss_state(kept.get("loss_state", {}))  # earlier files do not have it
    torch.set_rng_state(kept["random_state"]["cpu"])
    task.train()
    return [task.loss(from_containers(batch)) for batch in kept["batches"]]


def to_containers(value: Any) -> Any:
    """A batch as plain containers and tensors on the CPU: dataclasses as {"class": ..., "fields": {...}}."""
    if is_dataclass(value):
        kind = type(value)
        parts = {field.name: to_containers(getattr(value, field.name)) for field in fields(value)}
        return {"class": f"{kind.__module__}.{kind.__qualname__}", "fields": parts}
    if isinstance(value, Mapping):
        return {"class": None, "fields": {key: to_containers(part) for key, part in value.items()}}
    if isinstance(value, tuple | list):
        return type(value)(map(to_containers, value))
    return value.detach().cpu() if isinstance(value, Tensor) else value


def from_containers(value: Any) -> Any:
    """The batch of ``to_containers``. Raises UserError for a class that is no dataclass of this project."""
    if isinstance(value, tuple | list):
        return type(value)(map(from_containers, value))
    if not isinstance(value, Mapping):
        return value
    parts = {key: from_containers(part) for key, part in value["fields"].items()}
    if value["class"] is None:
        return parts
    module, _, name = value["class"].rpartition(".")
    kind = getattr(import_module(module), name) if module.startswith("seq2scene.") else None
    if not (isinstance(kind, type) and is_dataclass(kind)):
        raise UserError(f"{value['class']} is not a batch of this project")
    return kind(**parts)
