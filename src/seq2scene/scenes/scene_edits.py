"""Edits of scenes as plain values: objects removed, an object moved; always as a new list."""

from collections.abc import Iterable, Mapping

from seq2scene.errors import UserError
from seq2scene.scenes.scene_json import PlainObject


def without(
    objects: Iterable[PlainObject], *which: int | str, titles: Mapping[str, str] | None = None
) -> list[PlainObject]:
    """The objects except those given by ``which``.

    which: indices in the scene, from 0, or classes, of which all objects are removed. titles: readable names
    of the classes, accepted as well. Raises UserError for an object that the scene does not have.
    """
    objects = list(objects)
    gone = {number for one in which for number in _find(objects, one, titles or {})}
    return [one for number, one in enumerate(objects) if number not in gone]


def moved(
    objects: Iterable[PlainObject],
    which: int | str,
    x: float,
    y: float,
    titles: Mapping[str, str] | None = None,
) -> list[PlainObject]:
    """The objects with the centre of one of them at (x, y), in canvas units. Arguments and errors as for
    ``without``; also raises UserError for a class with several objects.
    """
    objects = list(objects)
    found = _find(objects, which, titles or {})
    if len(found) > 1:
        numbers = ", ".join(map(str, found))
        raise UserError(f"{which}: the scene has {len(found)} of them; give the index of one: {numbers}")
    return [{**one, "x": x, "y": y} if number in found else one for number, one in enumerate(objects)]


def _find(objects: list[PlainObject], which: int | str, titles: Mapping[str, str]) -> list[int]:
    """The indices of the objects meant, at least one."""
    if isinstance(which, int):
        found = [which] if 0 <= which < len(objects) else []
    else:
        kinds = [one["class"] for one in objects]
        found = [number for number, kind in enumerate(kinds) if which in (kind, titles.get(kind))]
    if not found:
        there = ", ".join(
            f"{number} {titles.get(one['class'], one['class'])}" for number, one in enumerate(objects)
        )
        raise UserError(f"{which}: the scene has no such object; it has {there or 'none'}")
    return found
