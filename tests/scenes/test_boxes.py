"""Boxes keep what they are through every format, and end at the canvas."""

import numpy as np
import torch

from seq2scene.scenes.boxes import areas, common, edges, from_edges, normalised, on_canvas, overlap

BOX = [0.5, 0.25, 0.5, 0.125]


def test_edges_and_back_for_tensors_and_arrays() -> None:
    low, high = edges(torch.tensor(BOX))
    assert low.tolist() == [0.25, 0.1875] and high.tolist() == [0.75, 0.3125]
    assert from_edges(low, high).tolist() == BOX
    assert [edge.tolist() for edge in edges(np.array(BOX))] == [low.tolist(), high.tolist()]


def test_what_lies_beyond_the_canvas_is_cut_off() -> None:
    boxes = torch.tensor([[0.0, 0.5, 0.5, 2.0], [1.5, 0.5, 0.5, 0.5], BOX])
    assert on_canvas(boxes).tolist() == [[0.125, 0.5, 0.25, 1.0], [1.0, 0.5, 0.0, 0.5], BOX]
    assert areas(on_canvas(boxes)).tolist() == [0.25, 0.0, 0.0625]


def test_boxes_apart_have_a_negative_length_in_common_and_no_overlap() -> None:
    one, other = torch.tensor([0.25, 0.5, 0.5, 0.5]), torch.tensor([0.875, 0.5, 0.25, 1.0])
    assert common(edges(one), edges(other)).tolist() == [-0.25, 0.5]
    assert overlap(one, other) == 0 and overlap(one, one) == 1


def test_normalised_boxes_are_shares_of_their_own_side() -> None:
    boxes = torch.tensor([250.0, 100.0, 500.0, 400.0])
    assert normalised(boxes, (500, 400)).tolist() == [0.5, 0.25, 1.0, 1.0]
