"""What a writer of scenes weighed when it chose each object of a scene."""

from dataclasses import dataclass

import torch
from torch import Tensor

from seq2scene.models.scene import Scene
from seq2scene.models.scene_writer import SceneWriter
from seq2scene.scenes.objects import EOS, FIRST_CLASS, SOS
from seq2scene.search.constraints import Constraints
from seq2scene.search.stepwise import Greedy


@dataclass(frozen=True)
class Candidate:
    """A class that could be next, among those of which the scene may have another. name: None for the end of
    the scene.
    """

    name: str | None
    probability: float


@dataclass(frozen=True)
class Choice:
    """A step of a scene. chosen: what was. alternatives: the likeliest, best first. attention: over
    ``SceneWriter.words``, that of the classes, by their probabilities; None without attention.
    """

    chosen: Candidate
    alternatives: tuple[Candidate, ...]
    attention: tuple[float, ...] | None


def greedy_like(search: Constraints) -> Greedy:
    """Greedy search with the constraints of another search."""
    return Greedy(**search.shared())


@torch.inference_mode()
def choices(writer: SceneWriter, scene: Scene, count: int = 8) -> list[Choice]:
    """A choice for each object, and one for the end, of a scene that ``writer`` has written with greedy
    search, from no given objects. count: of alternatives. No choices if no word of the text is known.
    """
    if writer.is_empty(text := " ".join(scene.sentences)):
        return []
    memory, decoder = writer.encode(writer.read([text])), writer.decoder
    state, previous = decoder.start(memory), torch.tensor([SOS], device=writer.device)
    words, left, found = len(writer.words(scene.sentences)), _left(writer), []
    for number in [*(writer.schema.number(one["class"]) for one in scene.objects), EOS]:
        features, state, weights, _ = decoder.step(previous, state, memory)
        possible = torch.where(left > 0, decoder.output(features)[0].float(), -torch.inf).softmax(0)
        best = possible.topk(min(count, int((left > 0).sum())))
        found.append(
            Choice(
                _candidate(writer, number, possible),
                tuple(_candidate(writer, one, possible) for one in best.indices.tolist()),
                None if weights is None else tuple(weights[0, :words].tolist()),
            )
        )
        left[number] -= 1
        previous = torch.tensor([number], device=writer.device)
    return found


def _left(writer: SceneWriter) -> Tensor:
    """(classes,) how often each id may still be written."""
    schema, limits = writer.schema, writer.schema.limits()
    left = torch.full((schema.classes,), schema.max_objects) if limits is None else limits.clone()
    left[:FIRST_CLASS] = 0
    left[EOS] = 1
    return left.to(writer.device)


def _candidate(writer: SceneWriter, number: int, probabilities: Tensor) -> Candidate:
    name = None if number == EOS else writer.schema.name(number)
    return Candidate(name, float(probabilities[number]))
