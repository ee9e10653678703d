"""What a run keeps of its training: the best state by validation, and the last one, to go on from.

States are saved where training goes on from them exactly: behind a whole epoch, behind a validation within
one, or behind a batch at which no validation is due.
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


class Kept(ModelCheckpoint):
    """One file, ``dirpath/NAME.ckpt``; subclasses say in ``_keep`` whether a state is to be in it."""

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *batch: Any) -> None:
        pass

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if is_part_of_training(trainer) and not trainer.is_last_batch:
            self._keep(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        if trainer.is_last_batch:
            self._keep(trainer)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Nothing: its paths are those of the run that was saved."""

    def _keep(self, trainer: pl.Trainer) -> None:
        raise NotImplementedError


class Best(Kept):
    """Keeps in ``best.ckpt`` the state whose ``monitor`` was best, which one that is not finite never is.

    A run that goes on from a checkpoint starts with the best one that lies beside it, and so has the same
    best as if it had not been interrupted.
    """

    def __init__(self, dirpath: str, monitor: str, mode: str = "min") -> None:
        super().__init__(dirpath, "best", monitor, mode=mode, enable_version_counter=False)
        self._validated = False  # since a state was held against the best

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

    def consider(self, trainer: pl.Trainer, score: float, last: Path | None) -> None:
        """Holds the state that training ended in against the best, by its score in a validation made since.
        last: where it is saved, if it is: from there training goes on exactly.
        """
        current = torch.tensor(score)
        if self.check_monitor_top_k(trainer, current):
            self._take(trainer, current, last and load_checkpoint(last))

    def on_load_checkpoint(
        self, trainer: pl.Trainer, module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if trainer.state.fn != TrainerFn.FITTING:
            return
        start = Path(trainer.ckpt_path)
        beside = start.with_name("best.ckpt")
        if not beside.is_file():
            known = checkpoint["callbacks"].get(self.state_key, {}).get("best_model_path")
            self._say_forgotten(f"there is no best.ckpt beside {start}" if known else None)
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
            self._say_forgotten(f"{beside} is of a later step than {start}")
        else:
            self._take(trainer, state["current_score"], best)

    def _say_forgotten(self, why: str | None) -> None:
        if why is not None:
            say(f"{why}: the best checkpoint is chosen from now on")

    def _take(self, trainer: pl.Trainer, score: torch.Tensor, checkpoint: dict[str, Any] | None) -> None:
        """Makes a checkpoint, or else the state of the trainer, the best one."""
        path = self.format_checkpoint_name({})
        self.current_score = self.best_model_score = self.kth_value = score
        self.best_k_models = {path: score}
        self.best_model_path = self.kth_best_model_path = path
        if checkpoint is None:
            return trainer.save_checkpoint(path, weights_only=False)
        checkpoint["callbacks"][self.state_key] = self.state_dict()
        trainer.strategy.save_checkpoint(checkpoint, path)
        trainer.strategy.barrier("best.ckpt")


class Last(Kept):
    """Keeps in ``last.ckpt`` where training stands: after each epoch, after validations within it, every so
    many steps, and wherever it is ended. A state whose weights are not finite is not kept.
    """

    def __init__(self, dirpath: str, every_n_train_steps: int | None = None) -> None:
        super().__init__(dirpath, "last", enable_version_counter=False)
        self.every_n_train_steps = every_n_train_steps

    def on_train_batch_end(self, trainer: pl.Trainer, module: pl.LightningModule, *batch: Any) -> None:
        if trainer.is_last_batch or validation_due(trainer):
            return  # it is kept a little later
        ends = trainer.should_stop or 0 < trainer.max_steps <= trainer.global_step
        if ends or (self.every_n_train_steps and trainer.global_step % self.every_n_train_steps == 0):
            self._keep(trainer)

    def take(self, trainer: pl.Trainer, checkpoint: Path) -> None:
        """Keeps a checkpoint of another run, from which training did not go on."""
        self.best_model_path = self.format_checkpoint_name({})
        trainer.strategy.save_checkpoint(load_checkpoint(checkpoint), self.best_model_path)
        trainer.strategy.barrier("last.ckpt")

    def _keep(self, trainer: pl.Trainer) -> None:
        if self._last_global_step_saved != trainer.global_step:
            require_finite(trainer)
            self._save_none_monitor_checkpoint(trainer, {})


def is_part_of_training(trainer: pl.Trainer) -> bool:
    """Whether a validation is one of a run's: neither Lightning's sanity check nor one after training."""
    return trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking


def validation_due(trainer: pl.Trainer) -> bool:
    """Whether the trainer's plan is to validate behind the batch it has just trained on."""
    every, batches = trainer.check_val_every_n_epoch, trainer.val_check_batch
    if not trainer.enable_validation or batches is None:
        return False
    if every is not None and (trainer.current_epoch + 1) % every:
        return False
    place = trainer.fit_loop.total_batch_idx if every is None else trainer.fit_loop.batch_idx
    return (place + 1) % batches == 0
