"""Scenes around given objects: the model adds its own before, between and after them, in the order it learnt.

A model has never seen an object follow one that comes later in this order, and hardly ever writes one there:
if all given objects came first, most of what a text names would be missing.
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
    """Raises UserError, which begins with the name of the scene, for more objects than a model places, and
    for more of a class than any training scene has, unless these may ``repeat``.
    """
    limits = None if repeat else schema.limits()
    for name, classes in zip(names, given.classes, strict=True):
        kinds = classes[classes != PAD]
        if len(kinds) > schema.max_objects:
            raise UserError(
                f"{name}: {len(kinds)} objects; this model places at most {schema.max_objects} of a scene"
            )
        counts = kinds.bincount(minlength=schema.classes)
        for number in [] if limits is None else (counts > limits).nonzero().flatten().tolist():
            raise UserError(
                f"{name}: {int(counts[number])} objects of class {schema.name(number)}, and no training "
                f"scene has more than {int(limits[number])}; leave some out, or set "
                "search.repeat_objects=true"
            )


def interleaved(
    write: Callable[[Objects], Objects], given: Objects, schema: Schema, room: Tensor, limits: Tensor | None
) -> Objects:
    """The ``given`` objects of B scenes, in canonical order, with those that a model writes before each of
    them: scenes up to their last given object.

    write: beginnings of scenes -> these scenes with what the model adds to them. room: (B,) the most objects
    of each scene. limits: (classes,) the most objects of each class, or None.

    Before each given object the model continues what stands so far. Of its continuation, everything is kept
    up to the first object that does not come before the given one, or whose class or number leaves no room
    for the given objects still to come.
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
    """The class and the rank at each place of each scene."""
    rows = zip(objects.classes.tolist(), ranks(objects, schema), strict=True)
    return [list(zip(*row, strict=True)) for row in rows]


def _before(rank: Rank, added: list[tuple[int, Rank]], known: Counter[int], limits: Tensor | None) -> int:
    """How many of the objects that a model ``added`` come before a given one of ``rank`` and are kept. known:
    how many of each class stand or are still to come.
    """
    for number, (kind, own) in enumerate(added):
        known[kind] += 1
        if kind < FIRST_CLASS or own >= rank or (limits is not None and known[kind] > int(limits[kind])):
            return number
    return len(added)
