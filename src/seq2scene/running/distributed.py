"""What the ranks found, each of its own share, brought together and dealt anew."""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import torch

from seq2scene.scenes.objects import Objects
from seq2scene.tasks.scenes import Result


def gather(part: list[Any], world: int) -> list[Any]:
    """The ``part`` of each of ``world`` ranks, joined in their order, on every rank."""
    if world == 1:
        return part
    parts: list[Any] = [None] * world
    torch.distributed.all_gather_object(parts, part)
    return [one for part in parts for one in part]


def samples(
    found: Sequence[Result], rows: Collection[int], at_once: int
) -> Iterator[tuple[list[int], Objects]]:
    """The scenes of the samples ``rows``, up to ``at_once`` together, with their numbers: each once, though
    ranks may have written it twice.
    """
    wanted = set(rows)
    for result in found:
        places = []
        for place, row in enumerate(result.rows.tolist()):
            if row in wanted:
                wanted.remove(row)
                places.append(place)
        for some in torch.tensor(places, dtype=torch.int64).split(at_once) if places else ():
            yield result.rows[some].tolist(), result.objects[some]
