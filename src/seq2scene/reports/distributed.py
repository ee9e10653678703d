"""Results on a test set: gathered from all ranks, and split into chunks of samples."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import torch

from seq2scene.scenes.objects import Objects
from seq2scene.tasks.scenes import Result


def gather(part: list[Any], world: int) -> list[Any]:
    """The ``part`` of each of ``world`` ranks, joined in rank order, on every rank."""
    if world == 1:
        return part
    parts: list[Any] = [None] * world
    torch.distributed.all_gather_object(parts, part)
    return [one for part in parts for one in part]


def samples(
    found: Sequence[Result], rows: Collection[int], chunk: int
) -> Iterator[tuple[list[int], Objects]]:
    """The scenes of the samples ``rows`` and their numbers, up to ``chunk`` at a time, each sample once."""
    wanted = set(rows)
    for result in found:
        places = []
        for place, row in enumerate(result.rows.tolist()):
            if row in wanted:
                wanted.remove(row)
                places.append(place)
        for some in torch.tensor(places, dtype=torch.int64).split(chunk) if places else ():
            yield result.rows[some].tolist(), result.objects[some]
