"""The canvas of composites: the numbers of 294 planes without the planes, what is seen before each step."""

import pytest
import torch
import torch.nn.functional as F

from seq2scene.compositing.pasting import render
from seq2scene.nets.scene.colour_canvas import ClassColours, ColourCanvas
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.photos import Patches, Photos
from seq2scene.scenes.schema import Head, Schema


def schema(classes: int, things: int = 3) -> Schema:
    return Schema(
        names=tuple(f"class {number}" for number in range(classes)),
        grid=Grid(32, 32, 0.001, 0.001, 0.999, 0.999),
        heads={"size": Head(17), "aspect": Head(17)},
        max_objects=3,
        sentences=1,
        canvas=(1.0, 1.0),
        things=things,
    )


SMALL, THINGS, SIDE = schema(5), 3, 16  # classes 3, 4, 5 are things, 6 and 7 stuff


def canvas(**settings) -> ColourCanvas:
    torch.manual_seed(0)
    plain = {"size": (4, 4), "side": SIDE, "widths": (6, 7, 9)}
    return ColourCanvas(SMALL, **{**plain, **settings})


def test_the_released_canvas_encoder_has_6865096_parameters() -> None:
    net = ColourCanvas(schema(95, 80), (32, 32))
    assert sum(p.numel() for p in net.parameters()) == 6_865_096
    assert net.output_size == 392


def labelled(pictures=3, classes=8, side=SIDE, dtype=torch.float64):
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(0, classes, (pictures, side, side), generator=generator)
    labels[labels < 3] = 0
    colours = 255 * torch.rand(pictures, 3, side, side, generator=generator, dtype=dtype)
    return labels, colours * (labels > 0).unsqueeze(1)


def dense(net: ClassColours, labels, colours):
    """The same convolution over all the planes."""
    planes = F.one_hot(labels, net.out_channels).permute(0, 3, 1, 2).unsqueeze(2) * colours.unsqueeze(1)
    planes = (planes.flatten(1, 2) - net.shift) / net.scale
    return F.conv2d(planes, net.weight, net.bias, net.stride, net.padding, groups=net.groups)


@pytest.mark.parametrize(("shift", "scale"), [(128.0, 1.0), (0.0, 1.0), (128.0, 64.0)])
@pytest.mark.parametrize(("kernel", "side"), [(7, 16), (3, 9)])
def test_the_first_convolution_is_the_dense_one(shift, scale, kernel, side) -> None:
    """Outputs, at the border too, where the padding is 0 and the planes are not; and gradients."""
    torch.manual_seed(0)
    net = ClassColours(8, kernel, 2, shift, scale).double()
    labels, colours = labelled(side=side)
    found = []
    for made in (net(labels, colours), dense(net, labels, colours)):
        net.zero_grad()
        made.sin().sum().backward()
        found.append((made, net.weight.grad.clone(), net.bias.grad.clone()))
    for cheap, expected in zip(*found, strict=True):
        torch.testing.assert_close(cheap, expected, atol=1e-9, rtol=1e-9)


def test_gradients_of_the_first_convolution() -> None:
    torch.manual_seed(0)
    net = ClassColours(5, 3, 2, 128.0, 100.0).double()
    labels, colours = labelled(1, 5, 6)

    def changed(weight, bias, colours):
        return torch.func.functional_call(net, {"weight": weight, "bias": bias}, (labels, colours))

    inputs = [net.weight.detach().clone(), net.bias.detach().clone(), colours]
    assert torch.autograd.gradcheck(changed, [value.requires_grad_() for value in inputs])


def make_scene(seed=0, counts=(3, 2, 0)):
    """Objects with END, and their photo: random colours, each object in a random rectangle of it."""
    generator = torch.Generator().manual_seed(seed)
    present = torch.arange(3) < torch.tensor(counts).unsqueeze(1)
    classes = torch.randint(3, 8, present.shape, generator=generator) * present
    places = torch.rand(*present.shape, 2, generator=generator) * present.unsqueeze(2)
    extents = (0.2 + 0.6 * torch.rand(*present.shape, 2, generator=generator)) * present.unsqueeze(2)
    objects = SMALL.with_end(Objects(classes, places, {}, extents))
    masks = torch.zeros(len(counts), 3, SIDE, SIDE, dtype=torch.bool)
    for row, step in present.nonzero().tolist():
        top, left = torch.randint(0, 8, (2,), generator=generator).tolist()
        masks[row, step, top : top + 8, left : left + 8] = True
    pictures = torch.randint(1, 256, (len(counts), 3, SIDE, SIDE), generator=generator, dtype=torch.uint8)
    return objects, Photos(pictures, masks)


@pytest.mark.parametrize("stuff", ["behind", "over"])
@pytest.mark.parametrize("seed", range(5))
def test_frames_show_the_photo_through_the_masks_placed_before(stuff, seed) -> None:
    objects, photos = make_scene(seed)
    frames = canvas(stuff=stuff).prefixes(objects, photos)
    assert frames.shape == (3, 4, 4, SIDE, SIDE)
    for row, classes in enumerate(objects.classes.tolist()):
        labels = torch.zeros(SIDE, SIDE)
        for step, number in enumerate(classes):
            assert torch.equal(frames[row, step, 0], labels)
            assert torch.equal(frames[row, step, 1:], photos.pictures[row] * (labels > 0))
            if number >= 3:
                behind = number >= 3 + THINGS and stuff == "behind"
                shown = photos.masks[row, step] & ((labels == 0) if behind else True)
                labels[shown] = number


def test_masks_of_no_object_show_nothing() -> None:
    objects, photos = make_scene()
    everywhere = Photos(photos.pictures, photos.masks | ~objects.present[:, :3, None, None])
    assert torch.equal(canvas().prefixes(objects, everywhere), canvas().prefixes(objects, photos))


def make_patches(objects: Objects, seed=0) -> Patches:
    generator = torch.Generator().manual_seed(seed)
    shape = objects.classes.shape
    masks = torch.zeros(*shape, 1, 20, 20)
    masks[..., 4:16, 6:14] = 1
    boxes = torch.tensor([10.0, 10, 8, 12]).expand(*shape, 4)
    return Patches(255 * torch.rand(*shape, 3, 20, 20, generator=generator), masks, boxes)


def placed_one_by_one(net: ColourCanvas, objects: Objects, patches: Patches) -> list[torch.Tensor]:
    shown = [net.blank(torch.zeros(len(objects), 1))]
    for step in range(objects.classes.shape[1]):
        one = Objects(*(o[:, step : step + 1] for o in (objects.classes, objects.places)), {})
        one = Objects(one.classes, one.places, {}, objects.extents[:, step : step + 1])
        own = Patches(patches.pictures[:, step], patches.masks[:, step], patches.boxes[:, step])
        shown.append(net.place(shown[-1], one, own))
    return shown


@pytest.mark.parametrize("aspect", ["kept", "predicted"])
@pytest.mark.parametrize("seed", range(4))
def test_what_is_placed_one_by_one_is_what_is_rendered_in_the_end(aspect, seed) -> None:
    objects, _ = make_scene(seed)
    patches, net = make_patches(objects), canvas(aspect=aspect)
    shown = placed_one_by_one(net, objects, patches)
    boxes = SMALL.boxes(objects)
    made = render(objects.classes, boxes, patches, (SIDE, SIDE), 3 + THINGS, aspect)
    assert torch.equal(shown[-1][:, 0].long(), made.labels) and (made.labels[:2] > 0).any()
    torch.testing.assert_close(shown[-1][:, 1:], made.pictures)


def test_frames_do_not_change_when_a_later_one_is_painted() -> None:
    objects, _ = make_scene()
    net, patches = canvas(), make_patches(objects)
    shown = placed_one_by_one(net, objects, patches)
    assert not shown[0].any() and shown[1].any()


def test_a_photo_pasted_into_its_own_place_makes_the_frames_of_teaching() -> None:
    """Masks and boxes that agree, at the resolution of the canvas: generation continues what was taught."""
    objects, photos = make_scene()
    rows, columns = photos.masks.any(3), photos.masks.any(2)
    first = [side.int().argmax(2) for side in (columns, rows)]
    extents = torch.stack([side.sum(2) for side in (columns, rows)], dim=2).float()
    centres = torch.stack(first, dim=2) + extents / 2
    boxes = F.pad(torch.cat([centres, extents], dim=2), (0, 0, 0, 1))
    own = Objects(objects.classes, boxes[..., :2] / SIDE, {}, boxes[..., 2:] / SIDE)
    pictures = photos.pictures.unsqueeze(1).expand(-1, 4, -1, -1, -1)
    patches = Patches(pictures, F.pad(photos.masks, (0, 0, 0, 0, 0, 1)).unsqueeze(2), boxes)
    shown, frames = placed_one_by_one(canvas(), own, patches), canvas().prefixes(objects, photos)
    for step in range(4):
        torch.testing.assert_close(shown[step], frames[:, step], atol=1e-2, rtol=0)


@pytest.mark.parametrize("size", [(4, 4), (7, 5)])
def test_features_have_the_size_of_the_state_and_reach_every_weight(size) -> None:
    net = canvas(size=size, scale=128.0)
    features = net(net.prefixes(*make_scene()).flatten(0, 1))
    assert features.shape == (12, 9, size[1], size[0])
    features.square().sum().backward()
    assert all(p.grad.isfinite().all() and p.grad.abs().sum() > 0 for p in net.parameters())


def test_a_batch_is_its_scenes_alone() -> None:
    objects, photos = make_scene()
    net = canvas(scale=128.0).eval()
    together = net(net.prefixes(objects, photos).flatten(0, 1)).unflatten(0, (3, 4))
    for row in range(3):
        now = slice(row, row + 1)
        frames = net.prefixes(objects[now], Photos(photos.pictures[now], photos.masks[now]))
        torch.testing.assert_close(net(frames[0]), together[row], atol=1e-5, rtol=1e-5)
