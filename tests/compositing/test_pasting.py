"""Pasting: where a patch lands, what covers what, held to a slow reference that goes pixel by pixel."""

from dataclasses import replace
from math import floor, sqrt

import numpy as np
import pytest
import torch

from seq2scene.compositing.pasting import Rendering, paste, render, stretched
from seq2scene.scenes.objects import PAD
from seq2scene.scenes.photos import Patches

THING, OTHER, STUFF, GRASS = 3, 4, 5, 6
FIRST_STUFF = STUFF


def make_patches(shape, side=9, seed=0) -> Patches:
    """Random pictures, and masks with holes inside of random boxes."""
    draw = np.random.default_rng(seed)
    pictures = torch.from_numpy(draw.uniform(0, 255, (*shape, 3, side, side)))
    masks, boxes = torch.zeros(*shape, 1, side, side, dtype=torch.float64), torch.zeros(*shape, 4)
    for at in np.ndindex(*shape):
        (left, top), (width, height) = draw.integers(0, 3, 2), draw.integers(4, 7, 2)
        inside = torch.from_numpy(draw.random((height, width)) < 0.8).double()
        masks[(*at, 0)][top : top + height, left : left + width] = inside
        boxes[at] = torch.tensor([left + width / 2, top + height / 2, width, height])
    return Patches(pictures, masks, boxes.double())


def make_boxes(shape, seed=1) -> torch.Tensor:
    draw = np.random.default_rng(seed)
    centres, extents = draw.uniform(0.1, 0.9, (*shape, 2)), draw.uniform(0.2, 0.9, (*shape, 2))
    return torch.from_numpy(np.concatenate([centres, extents], axis=-1))


def cubic(distance: float) -> float:
    """The convolution kernel of Keys (1981), a = -0.75."""
    x, a = abs(distance), -0.75
    if x <= 1:
        return (a + 2) * x**3 - (a + 3) * x**2 + 1
    return a * (x**3 - 5 * x**2 + 8 * x - 4) if x < 2 else 0.0


def slow_paste(picture, mask, own, box, size, aspect):
    """One patch on a canvas, by numpy: colours and mask, pixel by pixel."""
    rows, columns = size
    x, y, width, height = box[0] * columns, box[1] * rows, box[2] * columns, box[3] * rows
    across, down = own[2] / width, own[3] / height
    if aspect == "kept":
        across = down = sqrt(own[2] * own[3] / (width * height))
    high, wide = mask.shape
    colours, shown = np.zeros((3, rows, columns)), np.zeros(size)
    for row, column in np.ndindex(rows, columns):
        u = (column + 0.5 - x) * across + own[0] - 0.5  # in pixels of the patch, whole at their centres
        v = (row + 0.5 - y) * down + own[1] - 0.5
        if 0 <= floor(u + 0.5) < wide and 0 <= floor(v + 0.5) < high:
            shown[row, column] = mask[floor(v + 0.5), floor(u + 0.5)]
        for i in range(floor(u) - 1, floor(u) + 3):
            for j in range(floor(v) - 1, floor(v) + 3):
                pixel = picture[:, min(max(j, 0), high - 1), min(max(i, 0), wide - 1)]
                colours[:, row, column] += cubic(u - i) * cubic(v - j) * pixel
    return colours.clip(0, 255), shown


def one(patches: Patches, at):
    parts = patches.pictures[at], patches.masks[at][0], patches.boxes[at]
    return [part.double().numpy() for part in parts]


@pytest.mark.parametrize("aspect", ["kept", "predicted"])
def test_a_patch_lands_where_the_reference_puts_it(aspect) -> None:
    patches, boxes, size = make_patches((5,)), make_boxes((5,)), (12, 17)
    colours, masks = paste(patches, boxes, size, aspect)
    for n in range(5):
        expected, shown = slow_paste(*one(patches, n), boxes[n].tolist(), size, aspect)
        np.testing.assert_array_equal(masks[n, 0].numpy(), shown)
        np.testing.assert_allclose(colours[n].numpy(), expected, atol=1e-8)
    assert 0 < masks.mean() < 1


def test_the_box_of_a_pasted_patch_has_the_area_asked_for_and_its_own_aspect() -> None:
    """A solid 20 x 5 object into a box of 40 x 40 pixels: 80 x 20."""
    mask = torch.zeros(1, 1, 30, 30)
    mask[..., 10:15, 4:24] = 1
    patch = Patches(torch.zeros(1, 3, 30, 30), mask, torch.tensor([[14.0, 12.5, 20.0, 5.0]]))
    box = torch.tensor([[0.5, 0.5, 0.4, 0.4]])
    for aspect, width, height in (("kept", 80, 20), ("predicted", 40, 40)):
        _, shown = paste(patch, box, (100, 100), aspect)
        rows, columns = shown[0, 0].any(1).nonzero(), shown[0, 0].any(0).nonzero()
        assert (columns.max() - columns.min() + 1, rows.max() - rows.min() + 1) == (width, height)
        assert (columns.min() + columns.max() + 1) / 2 == 50 == (rows.min() + rows.max() + 1) / 2


@pytest.mark.parametrize(("wider", "higher"), [(2, 1), (1, 3), (3, 2)])
def test_a_stretched_patch_that_knows_its_ratio_lands_as_the_one_it_was(wider, higher) -> None:
    """Pixels repeated, so that nothing is lost, and colours that grow evenly, so that little is."""
    whole, boxes = make_patches((5,), side=12), make_boxes((5,))
    x, y = (torch.arange(12 * scale).double().add(0.5) / scale for scale in (wider, higher))
    pictures = torch.stack([3 * x + y.unsqueeze(1), (5 * y).unsqueeze(1).expand(-1, len(x))]).repeat(2, 1, 1)[
        :3
    ]
    masks = whole.masks.repeat_interleave(wider, 3).repeat_interleave(higher, 2)
    own = whole.boxes * torch.tensor([wider, higher, wider, higher])
    ratios = whole.boxes[:, 2] / whole.boxes[:, 3]
    known = Patches(pictures.expand(5, -1, -1, -1), masks, own, ratios)
    small = pictures.unflatten(2, (12, wider)).unflatten(1, (12, higher)).mean((2, 4))
    whole = Patches(small.expand(5, -1, -1, -1), whole.masks, whole.boxes)
    colours, shown = paste(whole, boxes, (40, 50))
    others, too = paste(known, boxes, (40, 50))
    assert torch.equal(shown, too) and 0 < shown.mean() < 1
    torch.testing.assert_close(colours * shown, others * shown, atol=2, rtol=0)
    assert not torch.equal(paste(replace(known, ratios=None), boxes, (40, 50))[1], shown)


def test_a_stretched_patch_lands_where_the_reference_puts_it() -> None:
    patches, boxes, size = make_patches((5,)), make_boxes((5,)), (12, 17)
    ratios = torch.tensor([0.2, 0.7, 1, 1.5, 4]).double()
    colours, masks = paste(replace(patches, ratios=ratios), boxes, size)
    for n, ratio in enumerate(ratios.tolist()):
        x, y, width, height = boxes[n].tolist()
        pixels = sqrt(17 * width * 12 * height * ratio)  # wide
        target = [x, y, pixels / 17, pixels / ratio / 12]
        expected, shown = slow_paste(*one(patches, n), target, size, "predicted")
        np.testing.assert_array_equal(masks[n, 0].numpy(), shown)
        np.testing.assert_allclose(colours[n].numpy(), expected, atol=1e-8)


def test_a_ratio_that_is_that_of_the_box_changes_nothing_and_none_is_asked_for_where_it_is_predicted() -> (
    None
):
    patches, boxes = make_patches((2, 3)), make_boxes((2, 3)).flatten(0, 1)
    own = replace(patches, ratios=patches.boxes[..., 2] / patches.boxes[..., 3])
    wrong = replace(patches, ratios=own.ratios + 1)
    for known, aspect in ((own, "kept"), (wrong, "predicted")):
        pairs = zip(*(paste(p.flatten(), boxes, (9, 9), aspect) for p in (known, patches)), strict=True)
        for given, expected in pairs:
            torch.testing.assert_close(given, expected)


def test_a_patch_in_its_own_box_is_itself() -> None:
    patches = make_patches((4,), side=9)
    colours, masks = paste(patches, patches.boxes / 9, (9, 9))
    torch.testing.assert_close(colours, patches.pictures)
    assert torch.equal(masks, patches.masks)


def test_soft_edges_lie_between_nothing_and_all_around_the_same_middle() -> None:
    patches, boxes = make_patches((3,)), make_boxes((3,))
    _, soft = paste(patches, boxes, (64, 64), edges="soft")
    _, hard = paste(patches, boxes, (64, 64))
    assert ((soft > 0) & (soft < 1)).any() and soft.max() <= 1
    assert torch.equal(soft > 0.999, (soft > 0.999) & (hard == 1))


CLASSES = torch.tensor(
    [[THING, OTHER, THING, STUFF], [STUFF, THING, GRASS, OTHER], [GRASS, STUFF, PAD, PAD], [PAD] * 4]
)


def scene(seed=0):
    boxes = make_boxes(CLASSES.shape, seed + 1) * (CLASSES > 0).unsqueeze(2)
    return CLASSES, boxes, make_patches(CLASSES.shape, seed=seed)


@pytest.mark.parametrize("overlap", ["cover", "maximum"])
def test_composites_are_those_of_pasting_one_by_one(overlap) -> None:
    """``cover``: things over all, stuff into free pixels. ``maximum``: a layer per class, as the authors'."""
    classes, boxes, patches = scene()
    size = (14, 14)
    made = render(classes, boxes, patches, size, FIRST_STUFF, overlap=overlap)
    for row in range(len(classes)):
        labels, picture = np.zeros(size, int), np.zeros((3, *size))
        layers = np.zeros((7, 3, *size))
        for step, number in enumerate(classes[row].tolist()):
            if number == PAD:
                continue
            patch = one(patches, (row, step))
            colours, shown = slow_paste(*patch, boxes[row, step].tolist(), size, "kept")
            shown = (shown > 0) & ((labels == 0) | (number < FIRST_STUFF))
            labels[shown] = number
            picture[:, shown] = colours[:, shown]
            layers[number][:, shown] = colours[:, shown]
        if overlap == "maximum":
            things, stuff = layers[:FIRST_STUFF].max(0), layers[FIRST_STUFF:].max(0)
            is_thing = (labels > 0) & (labels < FIRST_STUFF)
            picture = np.where(is_thing, things, stuff)
        np.testing.assert_array_equal(made.labels[row].numpy(), labels)
        np.testing.assert_array_equal(made.masks[row, 0].numpy(), labels > 0)
        np.testing.assert_allclose(made.pictures[row].numpy(), picture, atol=1e-8)


def test_the_authors_maximum_brightens_what_is_hidden_and_changes_nothing_else() -> None:
    classes, boxes, patches = scene()
    cover, maximum = (
        render(classes, boxes, patches, (14, 14), FIRST_STUFF, overlap=o) for o in ("cover", "maximum")
    )
    assert torch.equal(cover.labels, maximum.labels)
    assert (maximum.pictures >= cover.pictures - 1e-9).all()
    assert (maximum.pictures > cover.pictures + 1).any()


def test_any_resolution_shows_the_same_choices() -> None:
    classes, boxes, patches = scene()
    small, large = (
        render(classes, boxes, patches, (side, side), FIRST_STUFF, edges="soft") for side in (16, 128)
    )
    assert large.pictures.shape == (4, 3, 128, 128)
    shares = [made.masks.mean((1, 2, 3)) for made in (small, large)]
    torch.testing.assert_close(*shares, atol=0.03, rtol=0)


def test_soft_layers_add_up_to_their_mask() -> None:
    """A white patch everywhere: the picture is 255 where the mask is whole and in proportion elsewhere."""
    classes, boxes, patches = scene()
    white = Patches(torch.full_like(patches.pictures, 255), patches.masks, patches.boxes)
    made = render(classes, boxes, white, (32, 32), FIRST_STUFF, edges="soft")
    torch.testing.assert_close(made.pictures, (255 * made.masks).expand(-1, 3, -1, -1))


@pytest.mark.parametrize("overlap", ["cover", "maximum"])
def test_a_batch_is_its_scenes_alone(overlap) -> None:
    classes, boxes, patches = scene()
    together = render(classes, boxes, patches, (16, 16), FIRST_STUFF, overlap=overlap)
    for row in range(len(classes)):
        now = slice(row, row + 1)
        own = Patches(patches.pictures[now], patches.masks[now], patches.boxes[now])
        alone = render(classes[now], boxes[now], own, (16, 16), FIRST_STUFF, overlap=overlap)
        torch.testing.assert_close(alone.pictures[0], together.pictures[row])
        assert torch.equal(alone.labels[0], together.labels[row])


def test_an_inpainter_sees_the_box_around_all_that_is_there() -> None:
    """A 4 x 3 corner of numbered pixels becomes 12 x 12, each pixel 3 wide and 4 high."""
    labels = torch.zeros(2, 10, 8, dtype=torch.int64)
    labels[0, 2:5, 3:7] = torch.arange(3, 15).view(3, 4)
    pictures = labels.unsqueeze(1).expand(-1, 3, -1, -1).double()
    scene = Rendering(pictures, labels, (labels > 0).unsqueeze(1).double())
    made = stretched(scene, 12)
    expected = torch.arange(3, 15).view(3, 4).repeat_interleave(4, 0).repeat_interleave(3, 1)
    assert torch.equal(made.labels[0], expected) and (made.masks[0] == 1).all()
    top = torch.tensor([3.0, 4, 5, 6]).double()  # an eighth of the way to the pixels below, which are 4 more
    torch.testing.assert_close(made.pictures[0, 0, 2, 1::3], top + 4 / 8)
    torch.testing.assert_close(made.pictures[0, 0, 0, 1::3], top)  # nothing bleeds in from outside
    assert not made.labels[1].any() and not made.masks[1].any() and made.pictures.shape == (2, 3, 12, 12)


def test_what_fills_the_canvas_is_not_stretched() -> None:
    pictures = 255 * torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    labels, masks = torch.full((1, 9, 9), THING), torch.ones(1, 1, 9, 9)
    made = stretched(Rendering(pictures, labels, masks), 9)
    torch.testing.assert_close(made.pictures, pictures, atol=1e-3, rtol=0)
    assert torch.equal(made.labels, labels) and torch.equal(made.masks, masks)


def test_a_box_without_an_area_pastes_nothing() -> None:
    """Not even where its centre is that of a pixel."""
    patches = make_patches((2,))
    patches.masks[:] = 1
    boxes = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.5, 0.5, 0.3, 0.0]])
    assert not paste(patches, boxes, (9, 9))[1].any()
    assert paste(patches, boxes + 0.1, (9, 9))[1].any()
