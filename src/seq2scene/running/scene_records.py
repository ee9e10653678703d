"""Scenes as they stand in files for others to read: with boxes, and with what patches must be credited to."""

from typing import Any

from seq2scene.compositing.patch_store import PatchStore
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.scene_json import PlainObject, to_plain
from seq2scene.scenes.schema import Schema


def scene_records(
    objects: Objects, schema: Schema, store: PatchStore | None = None
) -> list[list[PlainObject]]:
    """As ``scenes.scene_json.to_plain``, which ``from_plain`` reads back, and more where objects are boxes:
    ``width`` and ``height``, in canvas units as the centre ``x`` and ``y``; and of one cut out of a photo
    ``patch``, see ``credit``.

    store: what the patches of ``objects`` are numbers in.
    """
    scenes = to_plain(objects, schema)
    if schema.sizes is not None:  # clip art, whose boxes follow from its pictures
        return scenes
    extents = schema.boxes(objects)[..., 2:].double().round(decimals=5)
    for row, (scene, present) in enumerate(zip(scenes, objects.present, strict=True)):
        for one, (width, height) in zip(scene, extents[row, present].tolist(), strict=True):
            one |= {"width": width, "height": height}
        if store is not None:
            for one, number in zip(scene, objects.patches[row, present].tolist(), strict=True):
                one |= {"patch": credit(store, number)} if number >= 0 else {}
    return scenes


def credit(store: PatchStore, number: int) -> dict[str, Any]:
    """Where a patch is from: its photo's file name, its number among the annotations, and the name and
    address of the photo's licence, None where that is not known.
    """
    photo = store.photo[number]
    terms = store.terms.get(int(store.licenses[photo]))
    known = None if terms is None else dict(zip(("name", "url"), terms, strict=True))
    return {"photo": str(store.files[photo]), "id": str(store.ids[number]), "license": known}
