"""Objects that are given: where a search goes on from a scene, a decoder places them as they are."""

from dataclasses import replace

import torch

from seq2scene.scenes.objects import Objects


def given_at(given: Objects | None, step: int, rows: int) -> Objects | None:
    """The objects that B scenes are ``given`` as their number ``step``, from 0, for ``rows`` beams of the
    scenes: (rows, 1), PAD where a scene has fewer; None where none has as many.
    """
    if given is None or step >= given.classes.shape[1]:
        return None
    scenes = torch.arange(len(given), device=given.classes.device)
    return given[scenes.repeat_interleave(rows // len(given))].at(step)


def as_given(objects: Objects, given: Objects | None) -> Objects:
    """Objects (N, 1) with the places, attributes and patches of those ``given`` (N, 1), where these are."""
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
