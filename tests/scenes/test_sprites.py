"""Scenes painted on the device are those of a slow painter that is written from the formulas."""

import numpy as np
import pytest
import torch
from PIL import Image

from seq2scene.errors import UserError
from seq2scene.scenes.objects import EOS, FIRST_CLASS, PAD, Objects
from seq2scene.scenes.sprites import SpritePainter, pack
from small_clip_art import CANVAS, EXPRESSIONS, NAMES, noise_pixels, random_objects, schema_of, to_png

pytestmark = pytest.mark.slow

ROUNDING = 0.5 / 255  # of a picture of bytes


@pytest.fixture(scope="module")
def pixels() -> dict[str, np.ndarray]:
    return noise_pixels()


@pytest.fixture(scope="module")
def pictures(pixels) -> dict[str, torch.Tensor]:
    return {name: to_png(picture) for name, picture in pixels.items()}


@pytest.fixture(scope="module")
def painter(pictures) -> SpritePainter:
    return SpritePainter(schema_of(), pictures, *CANVAS)


def one(name: str, x: float, y: float, names=NAMES, **attributes: int) -> Objects:
    """A scene of one object."""
    values = {head: torch.tensor([[value]]) for head, value in attributes.items()}
    number = FIRST_CLASS + names.index(name)
    return Objects(torch.tensor([[number]]), torch.tensor([[[x, y]]], dtype=torch.float32), values)


def triangle(channel: np.ndarray, scale: tuple[float, float], margin: int) -> np.ndarray:
    """PIL's own triangle filter, on floats, with ``margin`` pixels of the result around a picture."""
    wide = [int(np.ceil((margin + 2) / s)) + 2 for s in scale]
    padded = np.pad(channel, ((wide[1],) * 2, (wide[0],) * 2))
    (height, width), (across, down) = channel.shape, scale
    size = (int(np.ceil(width * across)) + 2 * margin, int(np.ceil(height * down)) + 2 * margin)
    left, top = wide[0] - margin / across, wide[1] - margin / down
    box = (left, top, left + size[0] / across, top + size[1] / down)
    picture = Image.fromarray(padded.astype(np.float32))
    return np.asarray(picture.resize(size, Image.Resampling.BILINEAR, box=box))


def lay_over(canvas: np.ndarray, sprite: np.ndarray, centre, scale, flip: bool) -> np.ndarray:
    """Canvas (H, W, 3) of 0 to 1 under a sprite of straight RGBA bytes: read between the pixels, un-multiply,
    then alpha * colour + (1 - alpha) * ground, as the definition of straight alpha has it."""
    margin = 3
    colour, alpha = sprite[..., :3] / 255, sprite[..., 3] / 255
    layers = [triangle(c * alpha, scale, margin) for c in np.moveaxis(colour, 2, 0)]
    layers = np.pad(np.stack([*layers, triangle(alpha, scale, margin)], axis=2), ((1, 1), (1, 1), (0, 0)))
    height, width = sprite.shape[0] * scale[1], sprite.shape[1] * scale[0]
    y, x = np.mgrid[: canvas.shape[0], : canvas.shape[1]] + 0.5
    u, v = x - (centre[0] - width / 2), y - (centre[1] - height / 2)
    u = width - u if flip else u
    u = np.clip(u + margin + 0.5, 0, layers.shape[1] - 1.001)  # +1 for the pad, -0.5 to the pixel's centre
    v = np.clip(v + margin + 0.5, 0, layers.shape[0] - 1.001)
    i, j = v.astype(int), u.astype(int)
    down, right = (v - i)[..., None], (u - j)[..., None]
    upper = layers[i, j] * (1 - right) + layers[i, j + 1] * right
    lower = layers[i + 1, j] * (1 - right) + layers[i + 1, j + 1] * right
    mixed = upper * (1 - down) + lower * down
    alpha = mixed[..., 3:]
    straight = np.divide(mixed[..., :3], alpha, out=np.zeros_like(mixed[..., :3]), where=alpha > 0)
    return alpha * straight + (1 - alpha) * canvas


def slowly(objects: Objects, pixels, schema, size, expressions: int) -> np.ndarray:
    """(T + 1, H, W, 3): the background, then the first scene of ``objects`` after each of its steps."""
    background = pixels["background"][..., :3] / 255
    zoom = size[0] / schema.canvas[0], size[1] / schema.canvas[1]
    channels = [Image.fromarray(c.astype(np.float32)) for c in np.moveaxis(background, 2, 0)]
    canvas = np.stack([np.asarray(c.resize(size, Image.Resampling.BILINEAR)) for c in channels], axis=2)
    frames = [canvas]
    for step, number in enumerate(objects.classes[0].tolist()):
        if number >= FIRST_CLASS:
            value = {name: int(values[0, step]) for name, values in objects.attributes.items()}
            name = schema.names[number - FIRST_CLASS]
            if name.startswith("hb"):
                name += f"_{expressions * value['pose'] + value['expression']}"
            scale = [schema.scales[value["size"]] * z for z in zoom]
            centre = objects.places[0, step].numpy() * zoom
            canvas = lay_over(canvas, pixels[f"{name}s"], centre, scale, value["flip"] == 1)
        frames.append(canvas)
    return np.stack(frames)


@pytest.mark.parametrize("size", [(50, 40), (22, 22), (90, 110)], ids=["as is", "smaller", "larger"])
def test_every_step_of_every_scene_is_that_of_the_slow_painter(pictures, pixels, size):
    objects = random_objects(scenes=12, steps=5)
    painted = SpritePainter(schema_of(), pictures, *size).paint(objects)
    for scene in range(12):
        expected = slowly(objects[scene : scene + 1], pixels, schema_of(), size, EXPRESSIONS)
        found = painted[scene].permute(0, 2, 3, 1).numpy()
        assert np.abs(found - expected).max() < ROUNDING / 4


def test_the_whole_canvas_and_the_rectangles_give_one_picture(pictures):
    objects = random_objects(scenes=9, steps=6, seed=3)
    rectangles = SpritePainter(schema_of(), pictures, 37, 31, whole_canvas=False).paint(objects)
    whole = SpritePainter(schema_of(), pictures, 37, 31, whole_canvas=True).paint(objects)
    torch.testing.assert_close(whole, rectangles, atol=1e-5, rtol=0)


@pytest.mark.gpu
def test_a_gpu_paints_what_the_cpu_paints(pictures):
    objects = random_objects(scenes=9, steps=6, seed=3)
    painter = SpritePainter(schema_of(), pictures, 37, 31)
    expected = painter.paint(objects)
    found = painter.to("cuda").paint(objects.to("cuda")).cpu()
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("whole_canvas", [False, True], ids=["rectangles", "whole canvas"])
def test_a_step_without_an_object_leaves_the_canvas_as_it_was(pictures, whole_canvas):
    painter = SpritePainter(schema_of(), pictures, *CANVAS, whole_canvas=whole_canvas)
    objects = one("s_0", 20.3, 10.6, size=0, flip=0)
    pad = torch.nn.functional.pad
    objects = Objects(
        torch.tensor([[objects.classes.item(), EOS, PAD]]),
        pad(objects.places, (0, 0, 0, 2)),
        {name: pad(values, (0, 2)) for name, values in objects.attributes.items()},
    )
    blank, first, after_end, after_pad = painter.paint(objects)[0]
    assert torch.equal(blank, painter.background)
    assert not torch.equal(first, blank)
    assert torch.equal(after_end, first)
    assert torch.equal(after_pad, first)


def test_placing_one_by_one_paints_the_prefixes_and_keeps_the_canvas_given(painter):
    objects = random_objects(scenes=4, steps=5, seed=1)
    prefixes = painter.paint(objects)
    canvas = painter.blank(4)
    for step in range(5):
        attributes = {name: values[:, step : step + 1] for name, values in objects.attributes.items()}
        last = Objects(objects.classes[:, step : step + 1], objects.places[:, step : step + 1], attributes)
        canvas = painter.place(canvas, last)
        assert torch.equal(canvas, prefixes[:, step + 1])
    assert torch.equal(painter.blank(1)[0], prefixes[0, 0])


def test_a_batch_is_its_scenes_alone(painter):
    objects = random_objects(scenes=5, steps=4, seed=2)
    together = painter.paint(objects)
    for scene in range(5):
        assert torch.equal(painter.paint(objects[scene : scene + 1])[0], together[scene])


def test_the_later_object_covers_the_earlier():
    red, blue = (np.zeros((10, 10, 4), dtype=np.uint8) for _ in range(2))
    red[..., [0, 3]] = blue[..., [2, 3]] = 255
    pictures = {"s_0s": to_png(red), "t_0s": to_png(blue), "background": to_png(red[..., 1:])}
    painter = SpritePainter(schema_of(("s_0", "t_0")), pictures, *CANVAS)
    there = torch.full((2, 2, 2), 20.0)
    final = painter.paint(Objects(torch.tensor([[3, 4], [4, 3]]), there, {}))[:, -1, :, 20, 20]
    assert final.tolist() == [[0, 0, 1], [1, 0, 0]]


def square(side: int, around: int, colour, hidden) -> np.ndarray:
    """An opaque square within transparent pixels of a colour that must never be seen."""
    picture = np.zeros((side + 2 * around, side + 2 * around, 4), dtype=np.uint8)
    picture[..., :3] = hidden
    picture[around:-around, around:-around] = (*colour, 255)
    return picture


@pytest.mark.parametrize("size", [0, 1, 2])
def test_the_colour_of_transparent_pixels_is_never_seen(size):
    white = np.full((40, 50, 3), 255, dtype=np.uint8)
    pictures = {"s_0s": to_png(square(9, 4, (255,) * 3, (255, 0, 255))), "background": to_png(white)}
    painter = SpritePainter(schema_of(("s_0",)), pictures, *CANVAS)
    final = painter.paint(one("s_0", 25.4, 19.7, size=size))[0, -1]
    assert (final - 1).abs().max() < 1e-5


def test_depth_shrinks_a_picture_about_its_centre():
    black = np.zeros((40, 50, 3), dtype=np.uint8)
    pictures = {"s_0s": to_png(square(20, 1, (255,) * 3, (0,) * 3)), "background": to_png(black)}
    painter = SpritePainter(schema_of(("s_0",)), pictures, *CANVAS)
    for size, scale in enumerate((1.0, 0.7, 0.49)):
        light = painter.paint(one("s_0", 24.2, 19.6, size=size))[0, -1, 0]
        assert light.sum().item() == pytest.approx((20 * scale) ** 2, rel=1e-3)
        x = (light.sum(0) * (torch.arange(50) + 0.5)).sum() / light.sum()
        y = (light.sum(1) * (torch.arange(40) + 0.5)).sum() / light.sum()
        assert (x.item(), y.item()) == pytest.approx((24.2, 19.6), abs=0.02)


def test_a_flipped_object_is_the_mirror_image(pictures):
    grey = to_png(np.full((40, 50, 3), 90, dtype=np.uint8))
    painter = SpritePainter(schema_of(), {**pictures, "background": grey}, *CANVAS)
    plain = painter.paint(one("hb0", 19.3, 20.1, size=1, flip=0, pose=1, expression=2))[0, -1]
    flipped = painter.paint(one("hb0", 50 - 19.3, 20.1, size=1, flip=1, pose=1, expression=2))[0, -1]
    torch.testing.assert_close(flipped.flip(2), plain, atol=1e-5, rtol=0)


def test_objects_beyond_the_edge_leave_no_trace(painter):
    for x, y in [(-30, 20), (90, 20), (25, -60), (25, 120), (598, 704)]:
        blank, final = painter.paint(one("t_0", x, y))[0]
        assert torch.equal(final, blank)


def test_an_attribute_without_a_head_counts_as_zero(painter):
    bare = painter.paint(one("hb0", 20.5, 15.0))
    full = painter.paint(one("hb0", 20.5, 15.0, size=0, flip=0, pose=0, expression=0))
    assert torch.equal(bare, full)


def test_things_have_one_picture_whatever_their_pose(painter):
    posed = painter.paint(one("s_0", 20.5, 15.0, pose=1, expression=2))
    assert torch.equal(posed, painter.paint(one("s_0", 20.5, 15.0)))


def test_buffers_stay_out_of_checkpoints(painter):
    assert not painter.state_dict()


def test_pictures_do_not_overlap_in_the_atlas():
    sizes = [(5, 700), (9, 400), (3, 3), (9, 624), (2, 1030)]
    atlas, corners = pack([torch.full((1, *size), float(i + 1)) for i, size in enumerate(sizes)])
    for i, ((height, width), (left, top)) in enumerate(zip(sizes, corners.tolist(), strict=True)):
        assert (atlas[0, top : top + height, left : left + width] == i + 1).all()


def test_a_picture_that_is_missing_or_broken_is_named(pictures):
    lacking = {name: picture for name, picture in pictures.items() if name != "hb0_4s"}
    with pytest.raises(UserError, match=r"hb0_4s\.png"):
        SpritePainter(schema_of(), lacking, *CANVAS)
    with pytest.raises(UserError, match=r"clip art t_0s.png is (not a readable|a damaged) image"):
        SpritePainter(schema_of(), {**pictures, "t_0s": pictures["t_0s"][:40]}, *CANVAS)


# Real clip art ------------------------------------------------------------------------------------------

ABSTRACT = (
    *(f"{prefix}_{k}" for prefix, count in (("s", 8), ("a", 6), ("e", 7)) for k in range(count)),
    *("hb0", "hb1"),
    *(f"{prefix}_{k}" for prefix, count in (("p", 10), ("c", 10), ("t", 15)) for k in range(count)),
)


def read_scenes(path, count: int) -> Objects:
    """The first scenes of the published file, in the order of the file."""
    lines = iter(path.read_text().splitlines()[1:])
    objects = Objects(
        torch.zeros(count, 9, dtype=torch.int64),
        torch.zeros(count, 9, 2),
        {h: torch.zeros(count, 9, dtype=torch.int64) for h in ("size", "flip", "pose", "expression")},
    )
    for scene in range(count):
        for step in range(int(next(lines).split()[1])):
            name, _, _, x, y, z, flip = next(lines).split()
            if step < 9:
                name, _, variant = name.removesuffix("s.png").partition("_")
                child = name.startswith("hb")
                pose, expression = divmod(int(variant), 5) if child else (0, 0)
                number = FIRST_CLASS + ABSTRACT.index(name if child else f"{name}_{variant}")
                objects.classes[scene, step] = number
                objects.places[scene, step] = torch.tensor([float(x), float(y)])
                values = {"size": int(z), "flip": int(flip), "pose": pose, "expression": expression}
                for head, value in values.items():
                    objects.attributes[head][scene, step] = value
    return objects


def test_real_scenes_are_those_of_the_slow_painter_and_near_those_of_the_paper(shared_data):
    folder = shared_data / "AbstractScenes_v1.1"
    files = list((folder / "Pngs").glob("*.png"))
    pixels = {file.stem: np.asarray(Image.open(file).convert("RGBA")) for file in files}
    pictures = {
        file.stem: torch.frombuffer(bytearray(file.read_bytes()), dtype=torch.uint8) for file in files
    }
    schema = schema_of(ABSTRACT, (500, 400), 7, 5)
    objects = read_scenes(folder / "Scenes_10020.txt", 4)
    painted = SpritePainter(schema, pictures, 224, 224).paint(objects)[:, -1].permute(0, 2, 3, 1).numpy()
    for scene in range(4):
        row = objects[scene : scene + 1]
        assert np.abs(painted[scene] - slowly(row, pixels, schema, (224, 224), 5)[-1]).max() < ROUNDING
        # the paper's way: paint at the size of the canvas, then shrink the picture
        large = slowly(row, pixels, schema, (500, 400), 5)[-1]
        shrunk = Image.fromarray((large * 255).round().astype(np.uint8)).resize((224, 224), 2)
        assert np.abs(painted[scene] - np.asarray(shrunk) / 255).mean() < 1.5 / 255
