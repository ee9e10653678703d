"""Scenes as written to files for other programs: with boxes, and the credits of patches."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from seq2scene.compositing.patch_store import PatchStore
from seq2scene.errors import UserError
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.scene_json import PlainObject, from_plain, require_scene, to_plain
from seq2scene.scenes.schema import Schema


def scene_records(
    objects: Objects, schema: Schema, store: PatchStore | None = None
) -> list[list[PlainObject]]:
    """As ``scenes.scene_json.to_plain``, which ``from_plain`` reads back. Objects that are boxes also have
    ``width`` and ``height``, in canvas units like the centre ``x`` and ``y``; objects cut out of a photo have
    a ``patch``, see ``PatchStore.credit``.

    store: the one that the patch numbers of ``objects`` refer to.
    """
    scenes = to_plain(objects, schema)
    if schema.sizes is not None:  # clip art: its boxes follow from its pictures
        return scenes
    extents = schema.boxes(objects)[..., 2:].double().round(decimals=5)
    for row, (scene, present) in enumerate(zip(scenes, objects.present, strict=True)):
        for one, (width, height) in zip(scene, extents[row, present].tolist(), strict=True):
            one |= {"width": width, "height": height}
        if store is not None and objects.patches is not None:
            for one, number in zip(scene, objects.patches[row, present].tolist(), strict=True):
                one |= {"patch": store.credit(number)} if number >= 0 else {}
    return scenes


def read_records(
    scenes: Sequence[Sequence[PlainObject]],
    names: Sequence[str],
    schema: Schema,
    store: PatchStore | None = None,
) -> Objects:
    """The inverse of ``scene_records``. Objects without ``width`` and ``height`` get the extents that follow
    from their attributes; those without a ``patch`` get the number -1.

    names: of the scenes, for messages. Raises UserError, naming scene, object and key, for a scene that is
    not of this schema or has a patch that is not in the store.
    """
    for name, scene in zip(names, scenes, strict=True):
        require_scene(scene, schema, name)
    objects = from_plain([list(scene) for scene in scenes], schema)
    if schema.sizes is not None:
        return objects
    extents, patches = schema.boxes(objects)[..., 2:].clone(), torch.full_like(objects.classes, -1)
    for row, (name, scene) in enumerate(zip(names, scenes, strict=True)):
        for step, one in enumerate(scene):
            for axis, key in enumerate(("width", "height")):
                extents[row, step, axis] = one.get(key, extents[row, step, axis])
            if store is not None and "patch" in one:
                patches[row, step] = _patch(one, schema, store, f"{name}, object {step + 1}")
    return replace(objects, extents=extents, patches=None if store is None else patches)


def _patch(one: PlainObject, schema: Schema, store: PatchStore, where: str) -> int:
    """The number of an object's patch."""
    try:
        number = store.number(one["patch"])
    except (KeyError, TypeError):
        raise UserError(f"{where}: patch={one['patch']} is not in {store.folder}") from None
    if store.classes[number] != schema.number(one["class"]):
        kind = schema.name(int(store.classes[number]))
        raise UserError(f"{where}: patch={one['patch']} shows an object of class {kind}, not {one['class']}")
    return number
