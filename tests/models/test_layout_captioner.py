"""Layouts to words: a memory of any number of objects in any order, unaffected by padding."""

import pytest
import torch

from seq2scene.errors import UserError
from seq2scene.models.captioner import Captioner
from seq2scene.nets.losses.linear_cross_entropy import linear_cross_entropy
from seq2scene.nets.scene.object_annotations import ObjectAnnotations
from seq2scene.nets.text.decoders import LuongDecoder
from seq2scene.nets.text.initialisation import initialise_uniform
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.schema import Schema
from seq2scene.search.stepwise import Greedy
from seq2scene.sequences.caption_batch import CaptionBatch, Layouts
from seq2scene.sequences.padding import shift_right
from small_translators import ATTENTIONS, LANGUAGE, TARGETS, gradients, sentences

SYMBOLS = {"bos": 2, "eos": 3, "pad": 0, "unk": 1}
CLASSES = [[3, 4, 3], [4, 5], [], [5, 3, 3, 4], [3]][: len(TARGETS)]
SIZE = 5
SCHEMA = Schema(("dog", "cat", "sky"), Grid(4, 4, 0, 0, 1, 1), {}, 4, 1, (1, 1))


def captioner(attention: str = "general") -> Captioner:
    torch.manual_seed(0)
    decoder = LuongDecoder(
        10, 0, SIZE, 1, ATTENTIONS[attention](7, SIZE), embedding_size=6, hidden_size=7, dropout=0.0
    )
    net = Captioner(None, ObjectAnnotations(6, 8, SIZE), decoder, LANGUAGE, SCHEMA).double()
    initialise_uniform(net, 0.5)
    return net.eval()


def layouts(rows: list[int], extra: int = 0) -> Layouts:
    """Layouts of CLASSES, with random boxes, fixed per row, and ``extra`` positions of padding."""
    width = max(max(len(CLASSES[row]) for row in rows), 1) + extra
    classes = torch.zeros(len(rows), width, dtype=torch.int64)
    boxes = torch.zeros(len(rows), width, 4)
    for place, row in enumerate(rows):
        count = len(CLASSES[row])
        classes[place, :count] = torch.tensor(CLASSES[row], dtype=torch.int64)
        boxes[place, :count] = torch.rand(count, 4, generator=torch.Generator().manual_seed(row))
    return Layouts(classes, boxes)


def batch(rows: list[int] | None = None, extra: int = 0) -> CaptionBatch:
    rows = list(range(len(CLASSES))) if rows is None else rows
    targets = sentences([TARGETS[row] for row in rows])
    return CaptionBatch(None, targets, torch.tensor(rows), layouts=layouts(rows, extra))


def loss(net: Captioner, given: CaptionBatch) -> torch.Tensor:
    gold, output = given.target, net.decoder.output
    features, _ = net(given, shift_right(gold.ids, 2))
    return linear_cross_entropy(features[gold.mask], output.weight, output.bias, gold.ids[gold.mask])[0]


@pytest.mark.parametrize("attention", ["none", "dot", "general", "concat"])
def test_padding_and_neighbours_never_matter(attention: str) -> None:
    net = captioner(attention)
    together = loss(net, batch())
    alone = sum(loss(net, batch([row], extra=row)) for row in range(len(CLASSES)))
    torch.testing.assert_close(together, alone)
    ours, theirs = gradients(net, together), gradients(net, alone)
    for name, grad in ours.items():
        torch.testing.assert_close(grad, theirs[name])


def test_a_memory_has_a_place_for_each_object_and_starts_decoders_from_their_mean() -> None:
    net, given = captioner(), batch()
    memory = net.encode(given)
    assert memory.lengths.tolist() == [len(row) for row in CLASSES]
    assert (memory.states[~memory.mask] == 0).all() and memory.mask.equal(given.layouts.mask)
    first = memory.states[0][memory.mask[0]]
    torch.testing.assert_close(memory.final[0][0, 0], first.mean(0))
    assert (memory.final[0][CLASSES.index([])] == 0).all()


def test_objects_are_told_apart_by_class_by_box_and_by_how_many_there_are() -> None:
    net, given = captioner(), layouts([0])
    as_they_are = net.annotations(given)
    turned = net.annotations(Layouts(given.classes.flip(1), given.boxes.flip(1)))
    torch.testing.assert_close(turned.flip(1), as_they_are)  # their order does not matter
    alike = net.annotations(Layouts(torch.tensor([[3, 4, 4]]), given.boxes))
    for place in range(3):  # another class, or a different number of the same
        assert not torch.allclose(alike[0, place], as_they_are[0, place])
    moved = net.annotations(Layouts(given.classes, given.boxes + 0.1))
    assert not torch.allclose(moved, as_they_are)


def test_images_are_refused() -> None:
    given = batch()
    photos = CaptionBatch(torch.zeros(len(given), 3, 4, 4), given.target, given.rows)
    with pytest.raises(UserError, match="this captioner reads layouts"):
        captioner().encode(photos)


@pytest.mark.slow
def test_captions_of_layouts_are_learnt_by_heart_and_of_an_empty_one_nothing_is_told() -> None:
    net, given = captioner().train(), batch()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for _ in range(120):
        optimizer.zero_grad()
        loss(net, given).backward()
        optimizer.step()
    found = Greedy(max_ratio=0.0, max_extra=8)(net.eval().decoder, net.encode(given), **SYMBOLS)
    told = [target if objects else [3] for target, objects in zip(TARGETS, CLASSES, strict=True)]
    assert [row[row != 0].tolist() for row in found.tokens[:, 0]] == told
