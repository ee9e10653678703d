"""Drawn scenes match the device painter's, only sharper."""

from dataclasses import replace
from itertools import pairwise, permutations

import numpy as np
import pytest
import torch

from seq2scene.plotting.scene_picture import draw_scene, draw_steps
from seq2scene.scenes.canonical_order import in_canonical_order
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.sprites import SpritePainter
from small_clip_art import CANVAS, noise_pixels, random_objects, schema_of, to_png


@pytest.fixture(scope="module")
def discs() -> dict[str, torch.Tensor]:
    """Discs of two colours each, soft at the edge, with a loud colour where they are transparent."""
    pictures = {}
    for number, (name, noise) in enumerate(noise_pixels().items()):
        pixels = noise.copy()
        y, x = np.mgrid[: pixels.shape[0], : pixels.shape[1]] + 0.5
        radius = np.hypot(2 * x / pixels.shape[1] - 1, 2 * y / pixels.shape[0] - 1)
        pixels[..., :3] = (30 * number % 255, 255 - 28 * number % 255, 90)
        pixels[:, : pixels.shape[1] // 2, 2] = 250  # left is not right
        if name != "background":
            pixels[..., 3] = np.clip((0.9 - radius) * 4, 0, 1) * 255
            pixels[radius > 0.9, :3] = (255, 0, 255)
        pictures[name] = to_png(pixels)
    return pictures


def test_at_the_size_of_the_canvas_it_is_what_the_net_sees(discs):
    objects = random_objects(scenes=6, steps=4, seed=5)
    objects = Objects(objects.classes, objects.places.round(), objects.attributes)
    objects = in_canonical_order(objects, schema_of())  # the net sees objects in the order of placing
    painted = SpritePainter(schema_of(), discs, *CANVAS).paint(objects)
    for scene in range(6):
        found = draw_scene(objects[scene : scene + 1], schema_of(), discs) / 255
        expected = painted[scene, -1].permute(1, 2, 0).numpy()
        # whole pixels and another filter at the edges of the discs; the inside is the same
        assert np.abs(found - expected).mean() < 0.02


def test_there_is_one_picture_for_the_empty_canvas_and_one_for_each_object(discs):
    objects = random_objects(scenes=1, steps=6, seed=4)
    steps = draw_steps(objects, schema_of(), discs, 2)
    assert len(steps) == 1 + objects.present.sum()
    assert {step.shape for step in steps} == {(2 * CANVAS[1], 2 * CANVAS[0], 3)}
    assert {step.dtype for step in steps} == {np.dtype(np.uint8)}
    assert np.array_equal(steps[-1], draw_scene(objects, schema_of(), discs, 2))


def test_what_is_far_is_painted_behind_what_is_near_and_the_sky_behind_all_in_whatever_order_they_come(discs):
    sky, far, near = (3, 0), (5, 2), (4, 0)  # class and depth; all in one place
    expected = None
    for order in permutations((sky, far, near)):
        classes, size = torch.tensor([order]).unbind(2)
        attributes = {"size": size, "flip": 0 * size, "pose": 0 * size, "expression": 0 * size}
        objects = Objects(classes, torch.full((1, 3, 2), 20.0), attributes)
        *_, before, last = draw_steps(objects, schema_of(), discs, 2)
        assert not np.array_equal(before, last)  # each is seen
        expected = last if expected is None else expected
        assert np.array_equal(last, expected)
    canonical = in_canonical_order(objects, schema_of())
    assert canonical.classes[0].tolist() == [3, 5, 4]
    flat = replace(schema_of(), depths=False)  # pictures have sizes, but no depths: as placed
    assert np.array_equal(draw_scene(canonical, flat, discs, 2), expected)
    assert not np.array_equal(draw_scene(objects, flat, discs, 2), expected)


def test_a_larger_scale_enlarges_the_scene_and_moves_nothing(discs):
    there = Objects(torch.tensor([[3]]), torch.tensor([[[20.0, 15.0]]]), {})
    blank, final = draw_steps(there, schema_of(), discs, 4)
    rows, columns = np.nonzero((blank != final).any(axis=2))
    assert ((rows.mean() + 0.5) / 4, (columns.mean() + 0.5) / 4) == pytest.approx((15, 20), abs=0.3)


def test_hidden_colours_do_not_bleed_into_edges():
    white = np.full((9, 9, 4), 255, dtype=np.uint8)
    white[[0, 1, -2, -1]] = white[:, [0, 1, -2, -1]] = (255, 0, 0, 0)
    pictures = {"s_0s": to_png(white), "background": to_png(np.full((40, 50, 3), 255, dtype=np.uint8))}
    there = Objects(torch.tensor([[3]]), torch.tensor([[[20.0, 15.0]]]), {"size": torch.tensor([[1]])})
    picture = draw_scene(there, schema_of(("s_0",)), pictures, 3)
    assert picture.min() >= 253  # rounding while the colours are multiplied by alpha


def test_objects_partly_or_wholly_outside_are_cut_off(discs):
    where = torch.tensor([[[0.0, 0.0], [-40, 10], [500, 20], [50, 40]]])
    objects = Objects(torch.full((1, 4), 3), where, {})
    steps = draw_steps(objects, schema_of(), discs)
    changed = [not np.array_equal(before, after) for before, after in pairwise(steps)]
    assert changed == [True, False, False, True]
