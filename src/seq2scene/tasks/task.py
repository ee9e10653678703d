"""What all tasks share: optimisation, with gradients that do not depend on how a batch was divided, and the
scores of validation and tests.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from seq2scene.building import build
from seq2scene.errors import UserError
from seq2scene.models.checkpoints import rename_weights
from seq2scene.models.model import Model
from seq2scene.search.constraints import Constraints

STAGES = ("val", "test")


@dataclass(frozen=True)
class Loss:
    """total: the sum to differentiate. nll: the plain negative log-likelihood, for perplexity. count: of how
    many positions. normaliser: what the gradient of ``total`` is divided by, over all ranks and
    micro-batches.
    """

    total: Tensor
    nll: Tensor
    count: Tensor
    normaliser: Tensor


class Column(NamedTuple):
    """A score in the tables that evaluation prints."""

    name: str
    heading: str
    digits: int = 2


class Task(pl.LightningModule):
    """A model, its loss and its optimisation; subclasses say what a step, a validation and a test are.

    config: the whole composed config as plain containers. description: what the data said about itself. Both
    are kept in checkpoints, which then need nothing else.

    model_class: of the model, which is built from the two. It also makes the model of a checkpoint without
    the task (``models.loading``).

    The gradient is that of (sum of the losses over all ranks and accumulated micro-batches) / (sum of their
    normalisers), however many devices there are and however unequal their batches. Lightning and DDP divide
    by the number of micro-batches and of ranks; ``configure_gradient_clipping``, which sees every gradient
    once before the step, puts that right.
    """

    logs_perplexity = True  # whether exp(loss) is the perplexity of anything
    curves = ("perplexity", "bleu")  # of what learning curves are drawn
    shown: tuple[str, ...] = ("perplexity",)  # the validation scores that the progress line shows
    model_class: ClassVar[type[Model]]
    model: Model
    columns: tuple[Column, ...] = ()  # the test scores that tables show

    def __init__(self, config: dict[str, Any], description: dict[str, Any]) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.config = config
        self._normaliser: Tensor | None = None
        self.test_name = "test"  # of the set being scored, for the names of its scores
        self.model = self.model_class.from_config(config, description)
        self.register_load_state_dict_pre_hook(_rename_weights)
        self.val_search: Constraints | None = None
        if "val_search" in config:
            self.val_search = self.model.build_search(config["val_search"], "val_search")
        self.outputs: list[Any] = []  # of the batches of that set on this rank, for reports

    @property
    def description(self) -> Mapping[str, Any]:
        return self.model.description

    @description.setter
    def description(self, changed: Mapping[str, Any]) -> None:
        self.model.description = changed

    def build_scores(self) -> None:
        """Makes the scores of both stages, once a subclass knows what they need."""
        self.scores = nn.ModuleDict({f"{stage}_scores": self._build_scores() for stage in STAGES})

    def search(self, stage: str) -> Constraints:
        """The search of a stage: in validation its own, in tests the model's."""
        return self.val_search if stage == "val" else self.model.search

    def _build_scores(self) -> nn.Module:
        """The metrics of a stage: a ModuleDict of them by name, where ``_computed`` is as it is here."""
        raise NotImplementedError

    def loss(self, batch: Any) -> Loss:
        raise NotImplementedError

    def training_step(self, batch: Any, index: int) -> Tensor:
        loss = self.loss(batch)
        self._normaliser = loss.normaliser if self._normaliser is None else self._normaliser + loss.normaliser
        per_position = loss.nll / loss.count
        self.log("train/loss", per_position, prog_bar=True, batch_size=len(batch))
        if self.logs_perplexity:
            self.log("train/perplexity", per_position.exp(), prog_bar=True, batch_size=len(batch))
        return loss.total

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Divides the gradients by the true normaliser and rescales them to ``trainer.gradient_clip_val``."""
        if gradient_clip_algorithm == "value":
            raise UserError(
                "trainer.gradient_clip_algorithm=value: gradients are clipped by their norm alone"
            )
        normaliser, self._normaliser = self._normaliser.clone(), None
        if self.trainer.world_size > 1:
            torch.distributed.all_reduce(normaliser)
        divided_by = self.trainer.accumulate_grad_batches * self.trainer.world_size
        scale = divided_by / normaliser
        parameters = (p for group in optimizer.param_groups for p in group["params"])
        gradients = [p.grad for p in parameters if p.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients) * scale
        if gradient_clip_val:
            scale = scale * (gradient_clip_val / norm).clamp(max=1.0)
        torch._foreach_mul_(gradients, scale)
        self.log("train/gradient_norm", norm)

    # Validation and tests

    def _evaluate(self, batch: Any, stage: str) -> Any:
        """Updates the scores of a stage; what it returns for a batch of a test set, callbacks see."""
        raise NotImplementedError

    def validation_step(self, batch: Any, index: int) -> None:
        self._evaluate(batch, "val")

    def test_step(self, batch: Any, index: int) -> Any:
        return self._evaluate(batch, "test")

    def in_order(self, outputs: list[Any]) -> list[Any]:
        """The ``outputs`` of all ranks in the order of the test set; here as they are."""
        return outputs

    def net_for_data(self) -> dict[str, nn.Module]:
        """The parts of the net that the data module reads its data with, by the names of its arguments."""
        return {}

    def _computed(self, stage: str) -> dict[str, Tensor]:
        """The scores of a stage by name; what they were computed from is forgotten."""
        metrics = self.scores[f"{stage}_scores"]
        values = {name: metric.compute().float() for name, metric in metrics.items()}
        for metric in metrics.values():
            metric.reset()
        return values

    def _log_scores(self, stage: str) -> None:
        place = stage if stage == "val" else f"test/{self.test_name}"
        for name, value in self._computed(stage).items():
            self.log(f"{place}/{name}", value, prog_bar=stage == "val" and name in self.shown)

    def on_test_epoch_end(self) -> None:
        self._log_scores("test")

    def on_validation_epoch_end(self) -> None:
        """Logs the scores, and steps a plateau schedule, unless its metric had nothing to count (NaN).

        Lightning would step after the checkpoint of the epoch is written, and a resumed run would miss it;
        and it would want a metric after each epoch, validated or not.
        """
        self._log_scores("val")
        if self.trainer.sanity_checking or self.trainer.state.fn != TrainerFn.FITTING:
            return
        for schedule in self.trainer.lr_scheduler_configs:
            if isinstance(schedule.scheduler, ReduceLROnPlateau):
                metric = self.trainer.callback_metrics.get(schedule.monitor)
                if metric is None:
                    raise UserError(
                        f"schedule.monitor={schedule.monitor}: neither training nor validation gives it"
                    )
                if not torch.isnan(metric):
                    schedule.scheduler.step(metric)

    def lr_scheduler_step(self, scheduler: LRScheduler, metric: Any | None) -> None:
        if not isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step()

    def configure_optimizers(self) -> dict[str, Any]:
        """The optimizer and schedule of the config; a schedule may ask for ``steps_per_epoch``."""
        settings = dict(self.config["optimizer"])
        if self.trainer.precision == "16-mixed":
            settings["fused"] = False  # a fused step removes the loss scale itself, too late for the norm
        optimizer = build(settings, "optimizer", params=self.parameters())
        schedule = dict(self.config["schedule"])
        how = {key: schedule.pop(key) for key in ("interval", "monitor") if key in schedule}
        if "steps_per_epoch" in schedule:
            schedule["steps_per_epoch"] = self._steps_per_epoch()
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": build(schedule, "schedule", optimizer=optimizer),
                "reduce_on_plateau": False,  # on_validation_epoch_end does
                **how,
            },
        }

    def _steps_per_epoch(self) -> int:
        self.trainer.fit_loop.setup_data()  # Lightning would do it later, after the schedule needs its count
        return -(-int(self.trainer.num_training_batches) // self.trainer.accumulate_grad_batches)


def _rename_weights(task: Task, weights: dict[str, Any], prefix: str, *others: Any) -> None:
    rename_weights(weights, task.model.earlier_names, prefix)
