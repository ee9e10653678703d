"""Completing given scenes: the model adds objects before, between and after the given ones, in the order it
learnt.

In training, no object follows one that comes later in this order, so a model almost never writes one there:
if all given objects came first, most of what the text mentions would be missing.
"""

from collections import Counter
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from seq2scene.errors import UserError
from seq2scene.scenes.canonical_order import Rank, ranks
from seq2scene.scenes.objects import FIRST_CLASS, PAD, Objects
from seq2scene.scenes.schema import Schema


def require_room(given: Objects, names: Sequence[str], schema: Schema, repeat: bool) -> None:
    """Raises UserError, its message starting with the scene's name, for more objects than the model places,
    and unless ``repeat`` for more of a class than any training scene has.
    """
    limits = None if repeat else schema.limits()
    for name, classes in zip(names, given.classes, strict=True):
        kinds = classes[classes != PAD]
        if len(kinds) > schema.max_objects:
            raise UserError(
                f"{name}: {len(kinds)} objects; this model places at most {schema.max_objects} per scene"
            )
        if limits is None:
            continue
        counts = kinds.bincount(minlength=schema.classes)
        for number in (counts > limits).nonzero().flatten().tolist():
            raise UserError(
                f"{name}: {int(counts[number])} objects of class {schema.name(number)}, and no training "
                f"scene has more than {int(limits[number])}; remove some, or set "
                "search.repeat_objects=true"
            )


def interleaved(
    write: Callable[[Objects], Objects], given: Objects, schema: Schema, room: Tensor, limits: Tensor | None
) -> Objects:
    """The ``given`` objects of B scenes, in canonical order, with those that the model inserts before each of
    them: scenes up to their last given object.

    write: beginnings of scenes -> the scenes continued by the model. room: (B,) the greatest number of
    objects of each scene. limits: (classes,) the greatest number of each class, or None.

    Before each given object the model continues the scene so far. Its continuation is kept up to the first
    object that does not come before the given one in canonical order, or that leaves no room for the
    remaining given objects, in total or of its class.
    """
    begun, turns, counts = given.cut(0), ranks(given, schema), given.present.sum(1).tolist()
    for number in range(max(counts)):
        written = write(begun)
        added, order = _things(written, schema), []
        first, last = begun.classes.shape[1], begun.classes.shape[1] + written.classes.shape[1]
        for row, stands in enumerate(begun.present.sum(1).tolist()):
            places = list(range(stands))
            if number < counts[row]:
                coming = given.classes[row, number : counts[row]].tolist()
                free = max(int(room[row]) - stands - len(coming), 0)
                known = Counter(begun.classes[row].tolist() + coming)
                own = _before(turns[row][number], added[row][stands : stands + free], known, limits)
                places += [first + stands + place for place in range(own)] + [last + number]
            order.append(torch.tensor(places, dtype=torch.int64))
        taken = pad_sequence(order, batch_first=True, padding_value=-1).to(given.classes.device)
        begun = begun.beside(written).beside(given).take(taken)
    return begun


def _things(objects: Objects, schema: Schema) -> list[list[tuple[int, Rank]]]:
    """The class and the rank of each object of each scene."""
    rows = zip(objects.classes.tolist(), ranks(objects, schema), strict=True)
    return [list(zip(*row, strict=True)) for row in rows]


def _before(rank: Rank, added: list[tuple[int, Rank]], known: Counter[int], limits: Tensor | None) -> int:
    """How many of the objects that the model ``added`` come before a given one of ``rank`` and are kept.
    known: counts of the objects placed or still to come, by class.
    """
    for number, (kind, own) in enumerate(added):
        known[kind] += 1
        if kind < FIRST_CLASS or own >= rank or (limits is not None and known[kind] > int(limits[kind])):
            return number
    return len(added)
