"""Self-critical training of scenes: as of sentences (``tasks.self_critical``), with whole scenes as samples.

log p of a scene is that of the classes, attributes and places of its objects, and of its end.
"""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from seq2scene.metrics.rewards import SceneReward
from seq2scene.models.scene_writer import SceneWriter
from seq2scene.nets.losses.scene_losses import fields
from seq2scene.scenes.batch import SceneBatch
from seq2scene.scenes.objects import EOS, PAD, SOS, Objects
from seq2scene.search.constraints import LIMITS, Constraints
from seq2scene.search.stepwise import Greedy, Sample
from seq2scene.sequences.batch import Sentences
from seq2scene.tasks.self_critical import without_dropout
from seq2scene.tasks.task import Loss


def self_critical_scene_loss(
    writer: SceneWriter, batch: SceneBatch, reward: SceneReward, limits: Constraints, per_scene: bool
) -> Loss:
    """The loss of B texts, normalised by the number of fields sampled (classes, ends, attributes and places),
    or of scenes. Objects are sampled, as they are written, at temperature 1; nothing is dropped out.

    writer: in training or evaluation mode, in which it is left. batch: with the facts that the texts state.
    reward: scores scenes by these facts. limits: a search whose limits apply.
    """
    chosen = {name: getattr(limits, name) for name in (*LIMITS, "repeat_objects")}
    with without_dropout(writer):
        with torch.no_grad():
            drawn, greedy = (writer.decode(batch.texts, kind(**chosen)).objects for kind in (Sample, Greedy))
        assert batch.facts is not None, "the reward counts stated facts"
        scores, baseline = (
            torch.tensor(reward(found, batch.facts, writer.schema), device=drawn.places.device)
            for found in (drawn, greedy)
        )
        return scene_policy_loss(writer, batch.texts, drawn, scores, baseline, limits, per_scene)


def scene_policy_loss(
    writer: SceneWriter,
    texts: Sentences,
    drawn: Objects,
    scores: Tensor,
    baseline: Tensor,
    limits: Constraints,
    per_scene: bool,
) -> Loss:
    """-(scores - baseline) log p(drawn), summed over the sampled scenes ``drawn`` (B, T) of B texts; scores,
    baseline: (B,).
    """
    memory, classes = writer.encode(texts), drawn.classes
    steps = torch.arange(classes.shape[1], device=classes.device)
    forced = (classes == EOS) & (steps >= limits.limits(memory.lengths).unsqueeze(1))
    taught = writer.decoder(memory, drawn)
    most = None if limits.repeat_objects else writer.schema.limits()
    never = _impossible(drawn, writer.schema.classes, most)[classes != PAD]
    taught = replace(taught, objects=taught.objects.masked_fill(never, -torch.inf))
    factors = (scores - baseline).unsqueeze(1) * ~forced
    total = sum(field.nll for field in fields(taught, drawn, writer.schema, factors).values())
    if taught.pairs is not None and taught.pairs.stated is not None:
        total = total + 0.0 * taught.pairs.stated.sum()  # every parameter must have a gradient on every rank
    with torch.no_grad():
        plain = fields(taught, drawn, writer.schema).values()
        nll, count = (sum(getattr(field, name) for field in plain) for name in ("nll", "count"))
    normaliser = count.new_tensor(len(drawn)) if per_scene else count
    logged = {"reward": scores.mean(), "greedy_reward": baseline.mean()}
    return Loss(total, nll, count, normaliser.to(nll.dtype), logged)


def _impossible(objects: Objects, classes: int, most: Tensor | None) -> Tensor:
    """(B, T, classes) bool: what a search could not write at each step, given all before and how often each
    class may occur, ``most`` (classes,), None for any number.
    """
    written = F.one_hot(objects.previous(), classes).cumsum(1)
    never = torch.zeros_like(written, dtype=torch.bool)
    if most is not None:
        never = written >= most.to(written.device)
    never[..., [PAD, SOS]] = True
    return never
