import math

import pytest
import torch

from seq2scene.metrics.matching import compare_pairs, likeness, match, overlapping_pairs


def test_likeness_is_a_gaussian_of_a_fifth():
    assert likeness(torch.zeros(3)).tolist() == [1, 1, 1]
    assert likeness(torch.tensor(0.2)).item() == pytest.approx(math.exp(-0.5))
    assert likeness(torch.tensor(-0.2), torch.tensor(0.4)).item() == pytest.approx(math.exp(-2.5))


def test_the_first_to_ask_takes_the_best_even_where_another_would_need_it_more():
    similarity = torch.tensor([[[0.9, 0.8], [0.95, 0.1]]])
    matched = match(similarity, torch.ones_like(similarity, dtype=torch.bool))
    assert matched.tolist() == [[[True, False], [False, True]]]


def test_of_equally_alike_ones_the_first_free_is_taken():
    same = torch.ones(1, 2, 3, dtype=torch.bool)
    assert match(torch.full((1, 2, 3), 0.5), same).nonzero().tolist() == [[0, 0, 0], [0, 1, 1]]


def test_items_that_may_be_matched_are_matched_however_little_alike():
    matched = match(torch.zeros(1, 2, 2), torch.tensor([[[False, True], [False, True]]]))
    assert matched.nonzero().tolist() == [[0, 0, 1]]


@pytest.mark.parametrize("shape", [(0, 2, 2), (3, 0, 2), (3, 2, 0)])
def test_nothing_matches_nothing(shape):
    assert not match(torch.ones(shape), torch.ones(shape, dtype=torch.bool)).any()


def test_matches_are_one_to_one_and_leave_no_pair_that_may_be_matched():
    random = torch.Generator().manual_seed(0)
    similarity = torch.rand(200, 6, 7, generator=random)
    same = torch.rand(200, 6, 7, generator=random) < 0.3
    before = similarity.clone()
    matched = match(similarity, same)
    assert torch.equal(similarity, before)
    assert not (matched & ~same).any()
    assert (matched.sum(1) <= 1).all()
    assert (matched.sum(2) <= 1).all()
    left = ~matched.any(2, keepdim=True) & ~matched.any(1, keepdim=True) & same
    assert not left.any()


def pairs_of(*boxes: tuple[float, float, float, float]):
    """The overlapping pairs of one scene of boxes (centre x, y, width, height), classes 3, 4, ..."""
    boxes = torch.tensor([boxes])
    classes = torch.arange(3, 3 + boxes.shape[1]).unsqueeze(0)
    return overlapping_pairs(classes, boxes[..., :2], boxes, torch.ones_like(classes, dtype=torch.bool))


def test_a_pair_is_two_boxes_that_share_area_and_touching_is_not_sharing():
    found = pairs_of((0, 0, 2, 2), (2, 0, 2, 2), (1, 0, 0.5, 0.5), (0, 9, 2, 2))
    assert list(zip(found.first[0].tolist(), found.second[0].tolist(), strict=True)) == [(3, 5), (4, 5)]
    assert found.distance[0].tolist() == pytest.approx([1, 1])


@pytest.mark.parametrize(
    ("x", "y", "angle"), [(1, 0, 0.5), (0, 1, 0.75), (-1, 0, 1.0), (0, -1, 0.25), (1, -1, 0.375)]
)
def test_the_angle_points_from_the_second_to_the_first(x, y, angle):
    assert pairs_of((x, y, 3, 3), (0, 0, 3, 3)).angle.item() == pytest.approx(angle)


def test_angles_are_compared_the_shorter_way_round():
    left_and_a_little_up, left_and_a_little_down = (
        pairs_of((-1, y, 3, 3), (0, 0, 3, 3)) for y in (-0.01, 0.01)
    )
    similarity, same = compare_pairs(left_and_a_little_up, left_and_a_little_down)
    assert same.item()
    assert similarity.item() == pytest.approx(1, abs=1e-3)


def test_pairs_are_the_same_only_with_both_classes_and_padding_never_is():
    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 1, 2, 2], [1, 0, 2, 2]]).expand(2, 3, 4)
    classes = torch.tensor([[3, 4, 4], [3, 4, 4]])
    present = torch.tensor([[True, True, True], [True, True, False]])
    pairs = overlapping_pairs(classes, boxes[..., :2], boxes, present)
    assert pairs.present.sum(1).tolist() == [3, 1]
    _, same = compare_pairs(pairs, pairs)
    assert same[0].tolist() == [[True, True, False], [True, True, False], [False, False, True]]
    assert same[1].nonzero().tolist() == [[0, 0]]
