"""Composites of any size are inpainted in the box around what is in them, each as it would be alone."""

from types import SimpleNamespace

import pytest
import torch

from seq2scene.compositing import inpainting
from seq2scene.compositing.inpainting import inpaint
from seq2scene.compositing.pasting import Rendering, stretched


class Darkener:
    """Halves all colours and lifts black, so that every pixel that it made can be told apart."""

    side, photo_side, device = 16, 24, torch.device("cpu")

    def inpaint(self, composite: Rendering) -> SimpleNamespace:
        return SimpleNamespace(pictures=composite.pictures / 2 + 20)


def scenes(count: int = 3, rows: int = 20, columns: int = 30) -> Rendering:
    """Random composites; the last one is empty."""
    generator = torch.Generator().manual_seed(0)
    masks = torch.zeros(count, 1, rows, columns)
    masks[:-1, :, 4:14, 6:21] = (torch.rand(count - 1, 1, 10, 15, generator=generator) < 0.8).float()
    masks[:-1, :, 4, 6] = masks[:-1, :, 13, 20] = 1
    labels = torch.randint(3, 6, (count, rows, columns), generator=generator) * masks[:, 0].long()
    return Rendering(255 * torch.rand(count, 3, rows, columns, generator=generator) * masks, labels, masks)


def test_photos_are_made_inside_the_box_of_a_composite() -> None:
    given = scenes()
    made = inpaint(Darkener(), given)
    assert made.shape == given.pictures.shape and 0 <= made.min() <= made.max() <= 255
    box = torch.zeros(20, 30, dtype=torch.bool)
    box[4:14, 6:21] = True
    for photo in made[:-1]:
        assert (photo[:, box] >= 10).all() and (photo[:, ~box] == 0).all()
    assert (made[-1] >= 10).all()  # of an empty scene the whole canvas
    on_grey = inpaint(Darkener(), given, ground=torch.full((3, 20, 30), 7.0))
    assert torch.equal(on_grey[:, :, box], made[:, :, box]) and (on_grey[:-1][..., ~box] == 7).all()


def test_a_scene_is_inpainted_in_a_batch_as_it_is_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    given = scenes(5)
    monkeypatch.setattr(inpainting, "CHUNK", 2)
    alone = [
        inpaint(Darkener(), Rendering(given.pictures[n, None], given.labels[n, None], given.masks[n, None]))
        for n in range(5)
    ]
    torch.testing.assert_close(inpaint(Darkener(), given), torch.cat(alone), atol=1e-3, rtol=0)
    nothing = Rendering(given.pictures[:0], given.labels[:0], given.masks[:0])
    assert inpaint(Darkener(), nothing).shape == (0, 3, 20, 30)


def test_a_scene_that_fills_a_canvas_of_the_networks_size_is_its_very_output() -> None:
    whole = stretched(scenes(2), Darkener.side)
    whole = Rendering(whole.pictures, whole.labels, torch.ones_like(whole.masks))
    expected = Darkener().inpaint(whole).pictures
    torch.testing.assert_close(inpaint(Darkener(), whole), expected, atol=1e-2, rtol=0)
