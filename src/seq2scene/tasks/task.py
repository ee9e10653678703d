"""The base of all tasks: optimisation, with gradients that do not depend on how a batch is split over
devices, and the scores of validation and tests.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import pytorch_lightning as pl
import torch
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from seq2scene.building import build
from seq2scene.errors import UserError
from seq2scene.models.checkpoints import rename_weights
from seq2scene.models.fine_tuning import matching
from seq2scene.models.model import Model
from seq2scene.search.constraints import Constraints

STAGES = ("val", "test")

# The optimizer, the loss and the norm of the whole gradient, both () and of all ranks, and the norms of its
# tensors (parameters,)
Guard = Callable[[torch.optim.Optimizer, Tensor, Tensor, Tensor], None]


@dataclass(frozen=True)
class Loss:
    """total: the sum to differentiate. nll: the plain negative log-likelihood, for perplexity. count: the
    number of positions. normaliser: what the gradient of ``total`` is divided by, summed over all ranks and
    micro-batches. logged: further values to log, means over the batch.
    """

    total: Tensor
    nll: Tensor
    count: Tensor
    normaliser: Tensor
    logged: Mapping[str, Tensor] = field(default_factory=dict)


class Column(NamedTuple):
    """A score column of the tables that evaluation prints."""

    name: str
    heading: str
    digits: int = 2


class Task(pl.LightningModule):
    """A model, its loss and its optimisation; subclasses define training, validation and test steps.

    config: the whole composed config as plain containers. description: the data module's description of its
    data. Checkpoints contain both and need nothing else.

    model_class: the class of the model, which is built from both; ``models.loading`` uses it to load a model
    without the task.

    The gradient is that of (sum of the losses over all ranks and accumulated micro-batches) / (sum of their
    normalisers), however many devices there are and however unequal their batches. Lightning and DDP divide
    by the number of micro-batches and of ranks; ``configure_gradient_clipping``, which sees every gradient
    once before the step, corrects for that.

    guard: sees the loss and the gradient of each step before it is taken.
    signal: a number that the ranks add up at each step. signals: that sum at the last one; None for one rank.
    """

    logs_perplexity = True  # whether exp(loss) is a perplexity
    curves: tuple[str, ...] = ("perplexity", "bleu")  # the scores plotted as learning curves
    shown: tuple[str, ...] = ("perplexity",)  # the validation scores that the progress line shows
    model_class: ClassVar[type[Model]]
    model: Model
    columns: tuple[Column, ...] = ()  # the test scores that tables show
    only_tests: tuple[str, ...] = ()  # the scores that are not computed in validation

    def __init__(self, config: dict[str, Any], description: dict[str, Any]) -> None:
        super().__init__()
        self.save_hyperparameters(logger=False)
        self.config = config
        self._normaliser: Tensor | None = None
        self._total: Tensor | None = None
        self.guard: Guard | None = None
        self.signal, self.signals = 0.0, None
        self.test_name = "test"  # name of the set being scored, a prefix of its scores
        self.model = self.model_class.from_config(config, description)
        self.register_load_state_dict_pre_hook(_rename_weights)
        self.val_search: Constraints | None = None
        if "val_search" in config:
            self.val_search = self.model.build_search(config["val_search"], "val_search")
        self.outputs: list[Any] = []  # for reports: from the batches of that set on this rank

    @property
    def description(self) -> Mapping[str, Any]:
        return self.model.description

    @description.setter
    def description(self, changed: Mapping[str, Any]) -> None:
        self.model.description = changed

    def build_scores(self) -> None:
        """Creates the scores of both stages; called by subclasses once the model is built."""
        self.scores = nn.ModuleDict({f"{stage}_scores": self._build_scores() for stage in STAGES})

    def search(self, stage: str) -> Constraints:
        """The search of a stage: ``val_search`` in validation, if there is one; else the model's."""
        if stage == "val" and self.val_search is not None:
            return self.val_search
        return self.model.search

    def _build_scores(self) -> nn.Module:
        """The metrics of a stage: a ModuleDict by name, unless ``_computed`` is overridden."""
        raise NotImplementedError

    def loss(self, batch: Any) -> Loss:
        raise NotImplementedError

    def loss_state(self) -> dict[str, Any]:
        """What the loss depends on besides the config, the weights and the batch, in plain containers."""
        return {}

    def load_loss_state(self, state: Mapping[str, Any]) -> None:
        """Restores what ``loss_state`` returned."""

    def training_step(self, batch: Any, index: int) -> Tensor:
        loss = self.loss(batch)
        total = loss.total.detach()
        self._normaliser = loss.normaliser if self._normaliser is None else self._normaliser + loss.normaliser
        self._total = total if self._total is None else self._total + total
        per_position = loss.nll / loss.count
        self.log("train/loss", per_position, prog_bar=True, batch_size=len(batch))
        if self.logs_perplexity:
            self.log("train/perplexity", per_position.exp(), prog_bar=True, batch_size=len(batch))
        for name, value in loss.logged.items():
            self.log(f"train/{name}", value, prog_bar=True, batch_size=len(batch))
        return loss.total

    def accumulated(self) -> dict[str, Any] | None:
        """The gradients of this rank's micro-batches since the last step, by parameter, and the sums of their
        normalisers and losses, on the CPU; None right after a step.
        """
        if self._normaliser is None or self._total is None:
            return None
        gradients = {name: p.grad.cpu() for name, p in self.named_parameters() if p.grad is not None}
        sums = {"normaliser": self._normaliser.cpu(), "total": self._total.cpu()}
        return {"gradients": gradients, **sums}

    def accumulate(self, accumulated: Mapping[str, Any]) -> None:
        """Restores what ``accumulated`` returned."""
        self._normaliser = accumulated["normaliser"].to(self.device)
        self._total = accumulated["total"].to(self.device)
        for name, parameter in self.named_parameters():
            if name in accumulated["gradients"]:
                parameter.grad = accumulated["gradients"][name].to(parameter)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Divides gradients by the true normaliser and clips their norm to ``trainer.gradient_clip_val``."""
        if gradient_clip_algorithm == "value":
            raise UserError("trainer.gradient_clip_algorithm=value: gradients can only be clipped by norm")
        assert self._normaliser is not None and self._total is not None, "of the training steps before"
        sums = torch.stack([self._normaliser, self._total.to(self._normaliser)])
        self._normaliser = self._total = None
        if self.trainer.world_size > 1:
            sums = torch.cat([sums, sums.new_tensor([self.signal])])
            torch.distributed.all_reduce(sums)
            self.signals = sums[2]
        normaliser, total = sums[:2]
        divided_by = self.trainer.accumulate_grad_batches * self.trainer.world_size
        scale = divided_by / normaliser
        parameters = (p for group in optimizer.param_groups for p in group["params"])
        gradients = [p.grad for p in parameters if p.grad is not None]
        norms = torch.stack(torch._foreach_norm(gradients))
        norm = torch.linalg.vector_norm(norms) * scale
        if self.guard is not None:
            self.guard(optimizer, total, norm, norms)
        if gradient_clip_val:
            scale = scale * (gradient_clip_val / norm).clamp(max=1.0)
        torch._foreach_mul_(gradients, scale)
        self.log("train/gradient_norm", norm)

    # Validation and tests

    def _evaluate(self, batch: Any, stage: str) -> Any:
        """Updates the scores of a stage; callbacks receive what it returns for a test batch."""
        raise NotImplementedError

    def validation_step(self, batch: Any, index: int) -> None:
        self._evaluate(batch, "val")

    def test_step(self, batch: Any, index: int) -> Any:
        return self._evaluate(batch, "test")

    def in_order(self, outputs: list[Any]) -> list[Any]:
        """The ``outputs`` of all ranks in the order of the test set; unchanged by default."""
        return outputs

    def net_for_data(self) -> dict[str, nn.Module]:
        """The parts of the net that the data module uses to preprocess data, by argument name."""
        return {}

    def is_scored(self, name: str, stage: str) -> bool:
        """Whether a score is computed in a stage."""
        return stage == "test" or name not in self.only_tests

    def _computed(self, stage: str) -> dict[str, Tensor]:
        """The scores of a stage by name; resets the metrics."""
        metrics = self.scores[f"{stage}_scores"]
        values = {name: metrics[name].compute().float() for name in metrics if self.is_scored(name, stage)}
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
        """Logs the scores, and steps a plateau schedule unless its metric is NaN (nothing was counted).

        Lightning would step after the epoch's checkpoint is written, so that a resumed run would miss the
        step; and it would require the metric after every epoch, even without validation.
        """
        self._log_scores("val")
        if self.trainer.sanity_checking or self.trainer.state.fn != TrainerFn.FITTING:
            return
        for schedule in self.trainer.lr_scheduler_configs:
            if isinstance(schedule.scheduler, ReduceLROnPlateau):
                metric = self.trainer.callback_metrics.get(schedule.monitor)
                if metric is None:
                    raise UserError(
                        f"schedule.monitor={schedule.monitor}: neither training nor validation logs it"
                    )
                if not torch.isnan(metric):
                    schedule.scheduler.step(metric)

    def lr_scheduler_step(self, scheduler: LRScheduler, metric: Any | None) -> None:
        if not isinstance(scheduler, ReduceLROnPlateau):
            scheduler.step()

    def configure_optimizers(self) -> dict[str, Any]:
        """The optimizer and schedule of the config; a schedule may have the parameter ``steps_per_epoch``.

        ``optimizer.lr_of`` multiplies the learning rates of the parameters that match its patterns; the
        schedule multiplies these rates like all others.
        """
        settings = dict(self.config["optimizer"])
        factors = settings.pop("lr_of", None) or {}
        parameters = self._groups(factors, settings["lr"]) if factors else self.parameters()
        if self.trainer.precision == "16-mixed":
            settings["fused"] = False  # a fused step unscales the loss itself, too late for the norm
        optimizer = build(settings, "optimizer", params=parameters)
        schedule = dict(self.config["schedule"])
        for name in {"base_lr", "max_lr", "min_lr"} & schedule.keys() if factors else ():
            schedule[name] = [schedule[name] * group["factor"] for group in optimizer.param_groups]
        how = {key: schedule.pop(key) for key in ("interval", "monitor") if key in schedule}
        if "steps_per_epoch" in schedule:
            schedule["steps_per_epoch"] = self._steps_per_epoch()
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": build(schedule, "schedule", optimizer=optimizer),
                "reduce_on_plateau": False,  # done by on_validation_epoch_end
                **how,
            },
        }

    def _groups(self, factors: Mapping[str, float], lr: float) -> list[dict[str, Any]]:
        """The parameters by their learning rate: those of each pattern of ``optimizer.lr_of``, of several the
        last that matches, and all others.

        Raises UserError for a pattern that matches nothing that is trained, and for a bad factor.
        """
        parameters = dict(self.model.named_parameters(remove_duplicate=False))
        chosen: dict[nn.Parameter, str] = {}
        for pattern, factor in factors.items():
            key = f"optimizer.lr_of={{{pattern}: {factor}}}"
            if isinstance(factor, bool) or not (isinstance(factor, int | float) and 0 < factor < math.inf):
                raise UserError(
                    f"{key}: a factor must be a number of more than 0; freeze=[{pattern}] trains none"
                )
            found = [parameters[name] for name in matching(self.model, pattern, key)]
            if not any(value.requires_grad for value in found):
                raise UserError(f"{key}: all parameters that it matches are frozen; leave it out")
            chosen |= dict.fromkeys(found, pattern)
        groups: dict[str, list[nn.Parameter]] = {"others": []}
        for value in self.parameters():
            groups.setdefault(chosen.get(value, "others"), []).append(value)
        rates = {name: float(factors.get(name, 1.0)) for name in groups}
        return [
            {"params": values, "lr": lr * rates[name], "factor": rates[name], "name": name}
            for name, values in groups.items()
            if values
        ]

    def _steps_per_epoch(self) -> int:
        self.trainer.fit_loop.setup_data()  # Lightning does this only after the schedule needs the count
        return -(-int(self.trainer.num_training_batches) // self.trainer.accumulate_grad_batches)


def _rename_weights(task: Task, weights: dict[str, Any], prefix: str, *others: Any) -> None:
    rename_weights(weights, task.model.earlier_names, prefix)
