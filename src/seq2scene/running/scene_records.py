"""Scenes as they stand in files for others to read: with boxes, and with what patches must be credited to."""

from seq2scene.compositing.patch_store import PatchStore
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.scene_json import PlainObject, to_plain
from seq2scene.scenes.schema import Schema


def scene_records(
    objects: Objects, schema: Schema, store: PatchStore | None = None
) -> list[list[PlainObject]]:
    """As ``scenes.scene_json.to_plain``, which ``from_plain`` reads back, and more where objects are boxes:
    ``width`` and ``height``, in canvas units as the centre ``x`` and ``y``; and of one cut out of a photo
    ``patch``, see ``PatchStore.credit``.

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
                one |= {"patch": store.credit(number)} if number >= 0 else {}
    return scenes
