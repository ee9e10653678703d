"""Edits of scenes as plain values: objects removed, an object moved; always in a new list."""

from collections.abc import Iterable, Mapping

from seq2scene.errors import UserError
from seq2scene.scenes.scene_json import PlainObject


def without(
    objects: Iterable[PlainObject], *which: int | str, titles: Mapping[str, str] | None = None
) -> list[PlainObject]:
    """The objects but those named.

    which: places in the scene, from 0, or classes, all objects of which go. titles: what people call the
    classes, if these names are understood too. Raises UserError for one that the scene does not have.
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
    """The objects, one of them with its centre at (x, y), in canvas units. Arguments and errors as of
    ``without``; UserError also for a class of which there are several.
    """
    objects = list(objects)
    found = _find(objects, which, titles or {})
    if len(found) > 1:
        numbers = ", ".join(map(str, found))
        raise UserError(f"{which}: the scene has {len(found)} of them; say which by its place: {numbers}")
    return [{**one, "x": x, "y": y} if number in found else one for number, one in enumerate(objects)]


def _find(objects: list[PlainObject], which: int | str, titles: Mapping[str, str]) -> list[int]:
    """The places of the objects that are meant, at least one."""
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
