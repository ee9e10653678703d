"""The canvas of layouts: which pixels a box fills, what is seen before each step, how many parameters."""

from dataclasses import replace

import pytest
import torch

from seq2scene.nets.scene.class_planes_canvas import ClassPlanesCanvas
from seq2scene.scenes.boxes import filled_pixels, pixel_range
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Head, Schema

SCHEMA = Schema(
    names=tuple(f"thing {number}" for number in range(80)),
    grid=Grid(28, 28, 0.001, 0.001, 0.999, 0.999),
    heads={"size": Head(17), "aspect": Head(17)},
    max_objects=4,
    sentences=1,
    canvas=(1.0, 1.0),
)


def make_objects(counts=(4, 2, 0), seed=0) -> Objects:
    generator = torch.Generator().manual_seed(seed)
    present = torch.arange(max(counts)) < torch.tensor(counts).unsqueeze(1)

    def draw(low, high):
        return torch.randint(low, high, present.shape, generator=generator) * present

    places = torch.rand(*present.shape, 2, generator=generator) * present.unsqueeze(2)
    extents = torch.rand(*present.shape, 2, generator=generator) * present.unsqueeze(2)
    attributes = {"size": draw(0, 17), "aspect": draw(0, 17)}
    return SCHEMA.with_end(Objects(draw(3, 6), places, attributes, extents))


def canvas(**settings) -> ClassPlanesCanvas:
    torch.manual_seed(0)
    return ClassPlanesCanvas(SCHEMA, **{"size": (28, 28), "widths": (3, 5), **settings})


def test_the_released_canvas_encoder_has_1732992_parameters() -> None:
    net = ClassPlanesCanvas(SCHEMA, (28, 28))
    assert sum(p.numel() for p in net.parameters()) == 1_732_992
    assert net.output_size == 256


@pytest.mark.parametrize(
    ("box", "pixels"),
    [
        ((0.296704, 0.555444, 0.2505, 0.2505), (11, 28, 27, 43)),
        ((0.333667, 0.481519, 0.574082, 1), (3, 0, 39, 62)),
        ((0.481519, 0.851148, 0.938625, 0.104292), (1, 52, 60, 57)),
        ((0.518481, 0.666333, 0.047529, 0.332703), (32, 32, 34, 53)),
    ],
    ids=["square", "tall", "strip", "pole"],
)
def test_a_box_fills_the_pixels_of_the_authors(box, pixels) -> None:
    left, top, right, bottom = pixels
    expected = torch.zeros(64, 64, dtype=torch.bool)
    expected[top : bottom + 1, left : right + 1] = True
    assert torch.equal(filled_pixels(torch.tensor(box), 64), expected)


def test_a_box_thinner_than_a_pixel_fills_one_or_none() -> None:
    """The rule rounds both edges down after moving the first one up by a pixel."""
    first, last = pixel_range(torch.tensor([0.5, 0.505]), torch.tensor([0.001, 0.001]), 64)
    assert (last - first + 1).tolist() == [1, 0]


def at(objects: Objects, step: int) -> Objects:
    """One step of every scene, T = 1."""
    now = slice(step, step + 1)
    attributes = {name: values[:, now] for name, values in objects.attributes.items()}
    return Objects(objects.classes[:, now], objects.places[:, now], attributes, objects.extents[:, now])


def slow_prefixes(objects: Objects) -> torch.Tensor:
    """The frames before each step, box by box."""
    decoded = replace(objects, places=SCHEMA.grid.point(SCHEMA.cells(objects)), extents=None)
    boxes = SCHEMA.boxes(decoded)
    scenes, steps = objects.classes.shape
    frames = torch.zeros(scenes, steps, SCHEMA.classes, 64, 64)
    for scene in range(scenes):
        frame = torch.zeros(SCHEMA.classes, 64, 64)
        for step in range(steps):
            frames[scene, step] = frame
            if objects.present[scene, step]:
                x, y, w, h = (64 * boxes[scene, step]).tolist()
                low = [int(min(max(v, 0), 63)) for v in (x - w / 2 + 1, y - h / 2 + 1)]
                high = [int(min(max(v, 0), 63)) for v in (x + w / 2, y + h / 2)]
                frame[objects.classes[scene, step], low[1] : high[1] + 1, low[0] : high[0] + 1] = 1
    return frames


def test_frames_show_what_was_placed_before_in_the_plane_of_its_class() -> None:
    objects = make_objects()
    frames = canvas().prefixes(objects)
    assert frames.unique().tolist() == [0, 1] and not frames[:, 0].any() and not frames[2].any()
    assert torch.equal(frames, slow_prefixes(objects))


def test_frames_know_boxes_as_a_model_says_them_whatever_they_were() -> None:
    objects = make_objects()
    said = replace(objects, places=SCHEMA.grid.point(SCHEMA.cells(objects)), extents=None)
    assert torch.equal(canvas().prefixes(objects), canvas().prefixes(said))


def test_placing_one_by_one_makes_the_same_frames() -> None:
    objects, net = make_objects(), canvas()
    frames = net.prefixes(objects)
    shown = net.blank(torch.zeros(3, 1))
    for step in range(objects.classes.shape[1]):
        assert torch.equal(shown, frames[:, step])
        shown = net.place(shown, at(objects, step))


@pytest.mark.parametrize("size", [(28, 28), (7, 5)])
def test_features_have_the_size_of_the_state_and_reach_every_weight(size) -> None:
    net = canvas(size=size)
    features = net(net.prefixes(make_objects()).flatten(0, 1))
    assert features.shape == (15, 5, size[1], size[0])
    features.square().sum().backward()
    assert all(p.grad.abs().sum() > 0 for p in net.parameters())
