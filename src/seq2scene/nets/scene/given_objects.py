"""Given objects: when a search continues a scene, decoders place its objects unchanged."""

from dataclasses import replace

import torch

from seq2scene.scenes.objects import Objects


def given_at(given: Objects | None, step: int, rows: int) -> Objects | None:
    """The ``given`` objects number ``step``, from 0, of B scenes, repeated for ``rows`` beams: (rows, 1), PAD
    where a scene has fewer; None if no scene has that many.
    """
    if given is None or step >= given.classes.shape[1]:
        return None
    scenes = torch.arange(len(given), device=given.classes.device)
    return given[scenes.repeat_interleave(rows // len(given))].at(step)


def as_given(objects: Objects, given: Objects | None) -> Objects:
    """Objects (N, 1) with the places, attributes and patches of ``given`` (N, 1) where it has an object."""
    if given is None:
        return objects
    known = given.present
    return replace(
        objects,
        places=given.places.where(known.unsqueeze(2), objects.places),
        attributes={
            name: given.attributes[name].where(known, own) for name, own in objects.attributes.items()
        },
        patches=None if given.patches is None else given.patches.where(known, -1),
    )
