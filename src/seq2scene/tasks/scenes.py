"""Scenes from sentences: the LightningModule of Text2Scene (Tan, Feng and Ordonez, CVPR 2019)."""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, distributed

from seq2scene.building import build
from seq2scene.compositing.compositor import Compositor
from seq2scene.compositing.pasting import Edges
from seq2scene.errors import UserError
from seq2scene.metrics.faithfulness import Faithfulness
from seq2scene.metrics.rewards import faithfulness_reward
from seq2scene.metrics.scene_scores import HEADINGS, SceneScores
from seq2scene.models.scene import Written
from seq2scene.models.scene_writer import SceneWriter
from seq2scene.nets.losses.scene_losses import doubly_stochastic, fields, pair_losses
from seq2scene.nets.over_ranks import several_ranks
from seq2scene.nets.scene.relational.decoder import RelationalDecoder
from seq2scene.nets.scene.scene_decoder import Taught
from seq2scene.scenes.batch import SceneBatch
from seq2scene.scenes.objects import PAD, Objects
from seq2scene.sequences.batch import Sentences
from seq2scene.tasks.self_critical import reward_metric
from seq2scene.tasks.self_critical_scenes import self_critical_scene_loss
from seq2scene.tasks.task import STAGES, Column, Loss, Task

PAIR_LOSSES = ("statements", "related_place", "unrelated_place")


@dataclass(frozen=True)
class Result:
    """The generated scenes of a batch of a test set, on the CPU. rows: (B,) indices of the samples in their
    split. scores: by name, (B,), nan where a sample does not count.
    """

    rows: Tensor
    objects: Objects
    log_probs: Tensor
    scores: dict[str, Tensor]


class SceneTask(Task):
    """Teacher forcing in training; validation and tests also generate scenes and score them against the true
    ones with the metric of the config (``metrics.scene_scores``, ``metrics.layout_scores``). ``score``, the
    mean over the row of the paper's table, is the single number that selects checkpoints.
    """

    logs_perplexity = False
    curves = ("loss", "score", "u_recall", "pose", "faithfulness_relation", "faithfulness_all")
    shown = ("loss", "u_precision", "score", "faithfulness_relation", "faithfulness_all")
    model_class = SceneWriter
    model: SceneWriter
    columns = tuple(Column(name, heading, 3) for name, heading in HEADINGS.items())

    def __init__(self, config: dict[str, Any], description: dict[str, Any]) -> None:
        super().__init__(config, description)
        self.schema = self.model.schema
        rewards = {None: None, "faithfulness": faithfulness_reward}
        self.reward = rewards[reward_metric(config["loss"], ("faithfulness",))]
        own = (Column(name, name, 3) for name in self.schema.heads if name not in HEADINGS)
        self.columns = (*type(self).columns, *own)
        self.weights = self._weights()
        # They never change, and DDP would broadcast them at every step.
        self._ddp_params_and_buffers_to_ignore = [
            name for name, _ in self.named_buffers() if ".painter." in name
        ]
        self.build_scores()
        self.faithfulness = torch.nn.ModuleDict(
            {f"{stage}_faithfulness": Faithfulness(self.schema) for stage in STAGES}
        )
        self._nll: dict[str, list[Tensor]] = {}

    def _weights(self) -> dict[str, float]:
        """The weights of the loss terms and of the attention regularisers."""
        loss = self.config["loss"]
        if loss["per"] not in ("field", "scene"):
            raise UserError(f"loss.per={loss['per']} is not a choice; choose one of field, scene")
        if self.config.get("heads") is None:
            raise UserError("heads=null: choose an option; one of its heads is dropped with '~heads.NAME'")
        for name, weight in loss.items():
            number = isinstance(weight, int | float) and not isinstance(weight, bool)
            if name not in ("per", "self_critical") and not (number and 0 <= weight < float("inf")):
                raise UserError(f"loss.{name}={weight} must be a number of 0 or more")
        relates = isinstance(self.model.decoder, RelationalDecoder)
        for name in PAIR_LOSSES:
            if loss.get(name) and not relates:  # older configs do not have them
                raise UserError(
                    f"loss.{name}={loss[name]}: only model=relational learns pairs of objects; set it to 0"
                )
        heads = {name: head.weight for name, head in self.schema.heads.items()}
        return {"object": loss["object"], "place": loss["place"], **heads}

    def _build_scores(self) -> SceneScores:
        return build(self.config["scores"], "scores", schema=self.schema)

    def setup(self, stage: str) -> None:
        if stage == "fit" and self.reward is not None:
            self.trainer.datamodule.train_on_facts()

    # Teacher forcing

    def loss(self, batch: SceneBatch) -> Loss:
        """The weighted sum of -log p over all fields, divided by the number of fields (``loss.per=field``,
        the authors' code) or of scenes (``loss.per=scene``, the paper's sums). With ``loss=self_critical``
        that of sampled scenes, unweighted (``self_critical_scene_loss``).
        """
        if self.reward is not None and self.training:
            per_scene = self.config["loss"]["per"] == "scene"
            return self_critical_scene_loss(self.model, batch, self.reward, self.search("val"), per_scene)
        memory = self.model.encode(batch.texts)
        taught = self.model.decoder(memory, batch.target, batch.photos)
        found = fields(taught, batch.target, self.schema)
        total = sum(self.weights[name] * field.nll for name, field in found.items())
        count = sum(field.count for field in found.values())
        per_field = self.config["loss"]["per"] == "field"
        normaliser = count if per_field else count.new_tensor(len(batch))
        steps = {
            "object_attention": batch.target.classes != PAD,
            "attribute_attention": batch.target.present,
        }
        for name, real in steps.items():
            weight, weights = self.config["loss"][name], getattr(taught, name)
            if weight and weights is not None:
                each = doubly_stochastic(weights, real, memory.mask)  # (B,), a mean over scenes
                scenes = count.new_tensor(len(batch))
                total = total + share_of_mean(weight * each.mean(), scenes, normaliser)
        if taught.pairs is not None:
            for name, nll in pair_losses(taught.pairs, batch.stated, batch.target).items():
                total = total + self.config["loss"][name] * nll
        if (extra := self._extra_loss(taught, batch)) is not None:
            total = total + share_of_mean(*extra, normaliser)
        nll = sum(field.nll.detach() for field in found.values())
        return Loss(total, nll, count, normaliser.to(nll.dtype))

    def _extra_loss(self, taught: Taught, batch: SceneBatch) -> tuple[Tensor, Tensor] | None:
        """An additional loss term, a mean, and how many values it is the mean of."""
        return None

    # Free running

    def compositor(self, edges: Edges = "hard") -> Compositor | None:
        return self.model.compositor(edges)

    def build_retrieval_index(self, folder: str | None = None) -> None:
        self.model.build_retrieval_index(folder)

    def write(self, texts: Sentences, stage: str = "test", **options: Any) -> Written:
        """Searches for scenes of the ``texts`` (B * S sentences) with the search of ``stage``."""
        return self.model.decode(texts, self.search(stage), **options)

    def _evaluate(self, batch: SceneBatch, stage: str) -> None:
        for member in self.model.members:  # of an ensemble: the mean of their -log p
            taught = member(batch.texts, batch.target, batch.photos)
            for name, field in fields(taught, batch.target, self.schema).items():
                sums = torch.stack([field.nll, field.count.to(field.nll.dtype)])
                self._nll.setdefault(name, []).append(sums)
        written = self.write(batch.texts, stage)
        first = torch.arange(len(batch), device=written.log_probs.device) * written.log_probs.shape[1]
        objects = written.objects[first]
        metric = self.scores[stage + "_scores"]
        metric.update(objects, batch.truth)
        faithfulness = self.faithfulness[stage + "_faithfulness"]
        faithfulness.update(objects, batch.facts)
        if stage == "test":
            scores = metric.each(objects, batch.truth)
            if batch.facts is not None:
                scores |= faithfulness.each(objects, batch.facts)
            scores = {name: values.cpu() for name, values in scores.items()}
            self.outputs.append(Result(batch.rows, objects.to("cpu"), written.log_probs[:, 0].cpu(), scores))

    def _computed(self, stage: str) -> dict[str, Tensor]:
        """-log p of each field, ``nll_NAME``, and of all, ``loss``; the scores of the generated scenes, and
        the ``score`` that selects checkpoints.
        """
        names = ("object", "place", *self.schema.heads)  # the same on a rank without batches
        nothing = [torch.zeros(2, device=self.device)]
        rows = [torch.stack(self._nll.get(name, nothing)).sum(0) for name in names]
        sums = torch.stack(rows)  # (fields, 2)
        self._nll.clear()
        if self.trainer.world_size > 1:
            torch.distributed.all_reduce(sums)
        values = {f"nll_{name}": value for name, value in zip(names, sums[:, 0] / sums[:, 1], strict=True)}
        metric = self.scores[f"{stage}_scores"]
        scores = metric.compute()
        metric.reset()
        loss = sums[:, 0].sum() / sums[:, 1].sum()
        faithfulness = self.faithfulness[f"{stage}_faithfulness"]
        found = faithfulness.found(brief=stage == "val")
        faithfulness.reset()
        return {**values, "loss": loss, **scores, **found, "score": metric.score(scores).float()}


def share_of_mean(mean: Tensor, count: Tensor, normaliser: Tensor) -> Tensor:
    """What a rank adds to its loss for a term that is a mean over the micro-batches of all ranks, of which
    ``mean`` is that over its own ``count`` values. All ranks must call it equally often.
    """
    share = mean * normaliser
    if not several_ranks():
        return share
    own = torch.stack([count, normaliser]).to(share)
    every = own.clone()
    distributed.all_reduce(every)
    of_count, of_normaliser = own / every.clamp(min=1)
    return share * of_count / of_normaliser
