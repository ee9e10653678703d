"""Photos made into composites again: what is seen of them, in which colours, and the way back."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from seq2scene.compositing.pasting import Rendering, stretched
from seq2scene.compositing.simulated_composites import (
    Stencils,
    colour_maps,
    mend,
    openings,
    put_back,
    rims,
    transport,
    union_boxes,
)
from seq2scene.scenes.photos import Photos

FIRST_STUFF = 5
SIDE = 12
SAME = torch.eye(3, 4)


def covariances(number: int, size: int = 3, seed: int = 0) -> torch.Tensor:
    roots = torch.randn(number, size, size, generator=torch.Generator().manual_seed(seed)).double()
    return roots @ roots.mT + 0.1 * torch.eye(size)


def pixels(number: int = 4, count: int = 50, seed: int = 0) -> torch.Tensor:
    """Colours with a mean and a covariance of their own."""
    generator = torch.Generator().manual_seed(seed)
    mixed = torch.randn(number, 3, 3, generator=generator) @ torch.randn(
        number, 3, count, generator=generator
    )
    return 10 * mixed + 255 * torch.rand(number, 3, 1, generator=generator)


# Colours


def test_transport_takes_one_gaussian_to_the_other() -> None:
    given, wanted = covariances(20), covariances(20, seed=1)
    maps = transport(given, wanted)
    torch.testing.assert_close(maps @ given @ maps.mT, wanted)
    torch.testing.assert_close(maps, maps.mT)
    assert (torch.linalg.eigvalsh(maps) > 0).all()


def test_transport_is_known_where_axes_are_shared() -> None:
    """It scales each axis by the ratio of the deviations, and changes nothing where there is no ratio."""
    given, wanted = torch.rand(7, 3).double() + 0.1, torch.rand(7, 3).double() + 0.1
    expected = torch.diag_embed((wanted / given).sqrt())
    torch.testing.assert_close(transport(torch.diag_embed(given), torch.diag_embed(wanted)), expected)
    same = covariances(3)
    torch.testing.assert_close(transport(same, same), torch.eye(3).double().expand(3, 3, 3))


def test_no_linear_map_to_the_same_gaussian_moves_colours_less() -> None:
    given, wanted = covariances(10), covariances(10, seed=1)

    def moved(maps: torch.Tensor) -> torch.Tensor:
        """The mean squared distance between x and T x."""
        step = maps - torch.eye(3)
        return (step @ given @ step.mT).diagonal(dim1=1, dim2=2).sum(1)

    turned = torch.linalg.qr(torch.randn(10, 3, 3).double())[0]
    roots, others = (torch.linalg.cholesky(each) for each in (given, wanted))
    assert (moved(transport(given, wanted)) <= moved(others @ turned @ roots.inverse()) + 1e-9).all()


def test_mapped_colours_have_the_mean_and_covariance_of_the_others() -> None:
    given, wanted = pixels(), pixels(count=80, seed=1)
    maps = colour_maps(given, wanted, grain=0)
    mapped = maps[:, :, :3] @ given + maps[:, :, 3:]
    torch.testing.assert_close(mapped.mean(2), wanted.mean(2), atol=1e-2, rtol=1e-4)
    for one, other in zip(mapped, wanted, strict=True):
        torch.testing.assert_close(one.cov(correction=0), other.cov(correction=0), atol=0.1, rtol=1e-3)


def test_flat_colours_are_moved_but_their_noise_is_not_blown_up() -> None:
    flat = torch.full((1, 3, 40), 100.0)
    maps = colour_maps(flat, pixels(1, seed=3))
    assert maps.isfinite().all()
    shifted = maps[:, :, :3] @ flat + maps[:, :, 3:]
    torch.testing.assert_close(shifted.mean(2), pixels(1, seed=3).mean(2), atol=0.1, rtol=0)
    deviation = pixels(1, seed=3)[0].cov(correction=0).trace().sqrt()
    assert torch.linalg.matrix_norm(maps[0, :, :3], 2) <= (deviation**2 + 1).sqrt()


# Composites


def make(photos: int = 2, objects: int = 3, seed: int = 0, **parts) -> Stencils:
    """Photos of chance, with objects in boxes of whole pixels, seen through masks of chance of their size."""
    draw = np.random.default_rng(seed)
    masks = np.zeros((photos, objects, SIDE, SIDE), dtype=bool)
    boxes = np.zeros((photos, objects, 4), dtype=np.float32)
    for at in np.ndindex(photos, objects):
        (left, top), (width, height) = draw.integers(0, 4, 2), draw.integers(3, 8, 2)
        masks[at][top : top + height, left : left + width] = draw.random((height, width)) < 0.9
        boxes[at] = np.array([left + width / 2, top + height / 2, width, height]) / SIDE
    pictures = draw.integers(0, 256, (photos, 3, SIDE, SIDE), dtype=np.uint8)
    plain = Stencils(
        photos=Photos(torch.from_numpy(pictures), torch.from_numpy(masks)),
        classes=torch.from_numpy(draw.integers(3, 7, (photos, objects))),
        boxes=torch.from_numpy(boxes),
        masks=torch.from_numpy(draw.random((photos, objects, 8, 8)) < 0.7),
        middles=torch.tensor([4.0, 4.0, 4.0, 4.0]).expand(photos, objects, 4),
        paired=torch.ones(photos, objects, dtype=torch.bool),
        colours=SAME.repeat(photos, objects, 1, 1),
        rows=torch.arange(photos),
    )
    return replace(plain, **parts)


def test_the_others_mask_is_stretched_to_the_box_of_the_object() -> None:
    stencils = make()
    through = openings(stencils)
    for at in np.ndindex(2, 3):
        x, y, width, height = (SIDE * stencils.boxes[at]).tolist()
        own = stencils.masks[at][2:6, 2:6]  # what lies in its box
        for row, column in np.ndindex(SIDE, SIDE):
            u, v = 4 * (column + 0.5 - x + width / 2) / width, 4 * (row + 0.5 - y + height / 2) / height
            if 0 <= u < 4 and 0 <= v < 4 and min(abs(u - round(u)), abs(v - round(v))) > 1e-3:
                assert through[at][0, row, column] == own[int(v), int(u)]


def test_what_is_seen_are_own_pixels_that_the_other_has_too() -> None:
    stencils = make()
    made = mend(stencils, SIDE, FIRST_STUFF)
    union = (stencils.photos.masks.unsqueeze(2) & openings(stencils)).any(1)
    whole = stretched(Rendering(stencils.photos.pictures.float(), made.labels, union.float()), SIDE)
    assert torch.equal(made.composite.masks, whole.masks)
    torch.testing.assert_close(made.pictures, whole.pictures)
    assert ((made.composite.labels > 0) == (made.composite.masks[:, 0] > 0)).all()
    assert 0.1 < made.composite.masks.mean() < 0.9


def test_objects_without_another_are_seen_whole_and_padding_never() -> None:
    """One object that fills its box: nothing but that is cut out, and it is the photo itself."""
    stencils = make(objects=1, paired=torch.zeros(2, 1, dtype=torch.bool))
    x, y, width, height = (SIDE * stencils.boxes[0, 0]).tolist()
    solid = torch.zeros(2, 1, SIDE, SIDE, dtype=torch.bool)
    top, left = round(y - height / 2), round(x - width / 2)
    solid[..., top : top + round(height), left : left + round(width)] = True
    photos = replace(stencils.photos, masks=solid)
    made = mend(replace(stencils, photos=photos), 8, FIRST_STUFF)
    torch.testing.assert_close(made.composite.pictures, made.pictures, atol=1e-3, rtol=0)
    assert (made.composite.masks == 1).all()
    assert torch.equal(made.composite.labels, made.labels)
    assert (made.labels == stencils.classes[:, :, None]).all()

    twice = {
        name: torch.cat([value, torch.zeros_like(value)], 1)
        for name, value in vars(stencils).items()
        if name not in ("photos", "rows", "speckles")
    }
    padded = Photos(photos.pictures, torch.cat([solid, torch.zeros_like(solid)], 1))
    again = mend(replace(stencils, photos=padded, **twice), 8, FIRST_STUFF)
    assert torch.equal(again.composite.pictures, made.composite.pictures)
    assert torch.equal(again.composite.labels, made.composite.labels)


def test_colours_are_mapped_in_the_object_alone_and_never_in_the_photo() -> None:
    stencils = make(objects=1)
    darker = torch.tensor([0.5, 0.5, 0.5]).diag()
    colours = torch.cat([darker, torch.full((3, 1), 7.0)], dim=1).expand(2, 1, 3, 4)
    plain, mapped = (mend(each, SIDE, FIRST_STUFF) for each in (stencils, replace(stencils, colours=colours)))
    assert torch.equal(plain.pictures, mapped.pictures)
    inside = plain.composite.masks.expand_as(plain.pictures)
    expected = (
        0.5 * plain.composite.pictures
        + 7
        * stretched(
            Rendering(
                openings(stencils)[:, 0].expand(-1, 3, -1, -1) * stencils.photos.masks.float(),
                plain.labels,
                (stencils.photos.masks & openings(stencils)[:, 0]).float(),
            ),
            SIDE,
        ).pictures
    )
    torch.testing.assert_close(mapped.composite.pictures, expected)
    assert not torch.equal(mapped.composite.pictures * inside, plain.composite.pictures * inside)


# Noisy edges


def test_rims_lie_along_edges_and_not_along_the_border() -> None:
    masks = torch.zeros(2, 1, 60, 60)
    masks[0, :, :, :30] = 1
    masks[1] = 1
    found = rims(masks)
    columns = found[0, 0].any(0).nonzero()
    assert found[0, 0, 30, 29] and found[0, 0, 30, 30]
    assert (columns.min(), columns.max()) == (28, 31)  # an edge two pixels wide, dilated by a disc of 3
    assert found[0, 0, 0, 29] and not found[1].any()


def test_half_of_a_noisy_edge_is_white_and_masks_stay() -> None:
    speckles = torch.from_numpy(np.random.default_rng(0).random((2, SIDE, SIDE)) < 0.5)
    clean, noisy = (mend(make(speckles=each), SIDE, FIRST_STUFF) for each in (None, speckles))
    assert torch.equal(clean.composite.masks, noisy.composite.masks)
    assert torch.equal(clean.pictures, noisy.pictures) and torch.equal(clean.labels, noisy.labels)
    changed = (clean.composite.pictures != noisy.composite.pictures).any(1)
    assert changed.any() and (noisy.composite.pictures >= clean.composite.pictures - 1e-3).all()


# The way back


@pytest.mark.parametrize("box", [(0, 0, 12, 12), (3, 1, 6, 6), (2, 5, 3, 6)])
def test_what_was_stretched_is_put_back_where_it_was(box) -> None:
    left, top, width, height = box
    masks = torch.zeros(1, 1, SIDE, SIDE)
    masks[..., top : top + height, left : left + width] = 1
    x = torch.arange(SIDE).float()
    ramp = torch.stack([20 * x + 3 * x[:, None], 5 * x + 0 * x[:, None], 9 * x[:, None] + 0 * x]).unsqueeze(0)
    scene = Rendering(ramp * masks, torch.zeros(1, SIDE, SIDE, dtype=torch.int64), masks)
    expected = torch.tensor([left + width / 2, top + height / 2, width, height]) / SIDE
    torch.testing.assert_close(union_boxes(masks), expected.unsqueeze(0))
    back = put_back(stretched(scene, 6 * max(width, height)).pictures, masks)
    assert (back * (1 - masks) == 0).all()
    torch.testing.assert_close(back, scene.pictures, atol=2.0, rtol=0)


def test_the_box_of_nothing_is_the_whole_canvas() -> None:
    assert union_boxes(torch.zeros(2, 1, 5, 7)).tolist() == [[0.5, 0.5, 1, 1]] * 2
    painted = put_back(torch.full((2, 3, 4, 4), 9.0), torch.zeros(2, 1, 5, 7))
    torch.testing.assert_close(painted, torch.full((2, 3, 5, 7), 9.0))


def test_a_batch_moves_whole() -> None:
    stencils = make(speckles=torch.ones(2, SIDE, SIDE, dtype=torch.bool))
    moved = stencils.to("meta")
    assert len(moved) == 2 and moved.rows.device.type == "cpu"
    assert {moved.classes.device.type, moved.speckles.device.type, moved.photos.masks.device.type} == {"meta"}
