"""A run's checkpoints: the best state by validation, and the last one, to resume from.

States are saved where training can resume exactly: after an epoch, after a validation within one, after a
batch with no validation due, or, when training is stopped, within a validation, which is then repeated.
"""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from pytorch_lightning.trainer.states import TrainerFn

from seq2scene.errors import UserError
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.running.callbacks.endings import require_finite
from seq2scene.running.messages import say
from seq2scene.running.processes.stopping import deferral
from seq2scene.running.saving import copy


class Kept(ModelCheckpoint):
    """A checkpoint in one file, ``dirpath/NAME.ckpt``; ``_keep`` of subclasses decides whether to save a
    state.
    """

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *batch: Any) -> None:
        pass

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if is_part_of_training(trainer) and not trainer.is_last_batch:
            self._keep(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.is_last_batch:
            self._keep(trainer)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Does nothing: the paths are those of the saved run."""

    def _keep(self, trainer: pl.Trainer) -> None:
        raise NotImplementedError


class Best(Kept):
    """Saves in ``best.ckpt`` the state with the best ``monitor``; a non-finite value is never best.

    A resumed run starts with the best.ckpt next to its checkpoint, and so has the same best state as an
    uninterrupted one. The best state is saved as last.ckpt first, which best.ckpt then links to: a run killed
    in between finds in its last.ckpt that this is the best state.

    best_step: the training step of the best state.
    """

    def __init__(self, dirpath: str, monitor: str, mode: str = "min") -> None:
        super().__init__(dirpath, "best", monitor, mode=mode, enable_version_counter=False)
        self.best_step: int | None = None
        self._validated = False  # since the last comparison with the best

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "best_step": self.best_step}

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self._validated = is_part_of_training(trainer)
        super().on_validation_end(trainer, module)

    def _keep(self, trainer: pl.Trainer) -> None:
        if self._validated:
            self._validated = False
            self._save_topk_checkpoint(trainer, self._monitor_candidates(trainer))

    def check_monitor_top_k(self, trainer: pl.Trainer, current: torch.Tensor | None = None) -> bool:
        finite = current is not None and bool(torch.isfinite(current))
        return finite and super().check_monitor_top_k(trainer, current)

    def _save_checkpoint(self, trainer: pl.Trainer, filepath: str) -> None:
        self.best_step = trainer.global_step
        last = next((callback for callback in trainer.callbacks if isinstance(callback, Last)), None)
        if last is None or not last.save(trainer):
            return super()._save_checkpoint(trainer, filepath)
        if trainer.is_global_zero:
            copy(Path(last.best_model_path), Path(filepath))
        trainer.strategy.barrier("best.ckpt")

    def consider(self, trainer: pl.Trainer, score: float, last: Path | None) -> None:
        """Compares the final state of training with the best, by its ``score`` in a later validation. last:
        the checkpoint of that state, from which training can resume exactly, or None.
        """
        current = torch.tensor(score)
        if self.check_monitor_top_k(trainer, current):
            self._take(trainer, current, None if last is None else load_checkpoint(last))

    def on_load_checkpoint(
        self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn != TrainerFn.FITTING:
            return
        start = Path(trainer.ckpt_path)
        beside, known = start.with_name("best.ckpt"), checkpoint["callbacks"].get(self.state_key, {})
        if known.get("best_step") == checkpoint["global_step"]:
            return self._take(trainer, known["best_model_score"], load_checkpoint(start))
        if not beside.is_file():
            missing = f"there is no best.ckpt next to {start}"
            self._say_forgotten(missing if known.get("best_model_path") else None)
            return
        try:
            best = load_checkpoint(beside)
        except UserError as error:
            self._say_forgotten(str(error))
            return
        state = best.get("callbacks", {}).get(self.state_key)
        if state is None or state["current_score"] is None:
            self._say_forgotten(f"{beside} was not chosen by {self.monitor}")
        elif best["global_step"] > checkpoint["global_step"]:
            self._say_forgotten(f"{beside} is from a later step than {start}")
        else:
            self._take(trainer, state["current_score"], best)

    def _say_forgotten(self, why: str | None) -> None:
        if why is not None:
            say(f"{why}: the best checkpoint is chosen from now on")

    def _take(self, trainer: pl.Trainer, score: torch.Tensor, checkpoint: dict[str, Any] | None) -> None:
        """Makes a checkpoint, or if None the trainer's state, the best one."""
        path = self.format_checkpoint_name({})
        self.best_step = (checkpoint or {}).get("global_step", trainer.global_step)
        self.current_score = self.best_model_score = self.kth_value = score
        self.best_k_models = {path: score}
        self.best_model_path = self.kth_best_model_path = path
        if checkpoint is None:
            return trainer.save_checkpoint(path, weights_only=False)
        checkpoint["callbacks"][self.state_key] = self.state_dict()
        trainer.strategy.save_checkpoint(checkpoint, path)
        trainer.strategy.barrier("best.ckpt")


class Last(Kept):
    """Saves the state of training in ``last.ckpt``: after each epoch, after validations within it, every
    ``every_n_train_steps`` steps, and when training ends. A state with non-finite weights is not saved.

    After a stop signal it saves the state as soon as a step is done, and raises Stopped. Several ranks agree
    on the step when they add up their losses; on GPUs they do so every ``trainer.log_every_n_steps`` steps.
    A validation is interrupted in one process only.
    """

    def __init__(self, dirpath: str, every_n_train_steps: int | None = None) -> None:
        super().__init__(dirpath, "last", enable_version_counter=False)
        self.every_n_train_steps = every_n_train_steps
        self._step = 0  # the number of steps before the current batch
        self._saved: int | None = None  # the batch after which the state was saved

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        deferral.begin(alone=trainer.world_size == 1)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        deferral.end()

    def on_exception(self, trainer: pl.Trainer, module: pl.LightningModule, error: BaseException) -> None:
        deferral.end()

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, *batch: Any) -> None:
        self._step = trainer.global_step
        module.signal = float(deferral.received or 0)

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *batch: Any) -> None:
        if trainer.world_size > 1 and module.signals is not None:
            cheap = not module.signals.is_cuda or trainer.global_step % trainer.log_every_n_steps == 0
            deferral.agree(module.signals.item() if cheap else 0)
        if trainer.is_last_batch or validation_due(trainer):
            return  # saved after the validation
        stepped, every = trainer.global_step > self._step, self.every_n_train_steps
        ends = trainer.should_stop or 0 < trainer.max_steps <= trainer.global_step
        if ends or deferral.due is not None or (stepped and every and trainer.global_step % every == 0):
            self._keep(trainer)
        deferral.check()

    def on_validation_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, *batch: Any) -> None:
        if is_part_of_training(trainer) and deferral.due is not None and trainer.world_size == 1:
            repeat_validation(trainer)
            self._keep(trainer)
            deferral.check()

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        super().on_validation_end(trainer, module)
        if not trainer.is_last_batch:
            deferral.check()

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        super().on_train_epoch_end(trainer, module)
        deferral.check()

    def take(self, trainer: pl.Trainer, checkpoint: Path) -> None:
        """Saves another run's checkpoint as the last one, if resuming left nothing to do."""
        self.best_model_path = self.format_checkpoint_name({})
        trainer.strategy.save_checkpoint(load_checkpoint(checkpoint), self.best_model_path)
        trainer.strategy.barrier("last.ckpt")

    def save(self, trainer: pl.Trainer) -> bool:
        """Saves the state unless that after this batch is saved already; returns whether it did."""
        if self._saved == trainer.fit_loop.total_batch_idx:
            return False
        require_finite(trainer)
        self._saved = trainer.fit_loop.total_batch_idx
        self._save_none_monitor_checkpoint(trainer, {})
        return True

    def _keep(self, trainer: pl.Trainer) -> None:
        self.save(trainer)


def repeat_validation(trainer: pl.Trainer) -> None:
    """Makes the progress of the current validation that of its first batch, from where Lightning repeats the
    whole validation when training resumes.
    """
    progress = trainer.fit_loop.epoch_loop.val_loop.batch_progress
    for count in (progress.total, progress.current):
        count.ready, count.started, count.processed, count.completed = 1, 1, 0, 0
    progress.is_last_batch = False


def is_part_of_training(trainer: pl.Trainer) -> bool:
    """Whether a validation belongs to training: neither Lightning's sanity check nor one afterwards."""
    return trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking


def validation_due(trainer: pl.Trainer) -> bool:
    """Whether the trainer will validate after the batch it has just trained on."""
    every, batches = trainer.check_val_every_n_epoch, trainer.val_check_batch
    if not trainer.enable_validation or batches is None:
        return False
    if every is not None and (trainer.current_epoch + 1) % every:
        return False
    place = trainer.fit_loop.total_batch_idx if every is None else trainer.fit_loop.batch_idx
    return (place + 1) % batches == 0
