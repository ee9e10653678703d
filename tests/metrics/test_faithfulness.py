"""Faithfulness: shares of the facts that hold, at two tolerances, of what was held out apart, over ranks."""

from dataclasses import replace

import pytest
import torch

from rank_processes import in_ranks
from seq2scene.errors import UserError
from seq2scene.metrics.faithfulness import Faithfulness
from seq2scene.scenes.clip_art import THINGS
from seq2scene.scenes.facts import Fact, Facts
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.objects import Objects
from seq2scene.scenes.schema import Head, Schema

HEADS = {"size": Head(3), "flip": Head(2), "pose": Head(7), "expression": Head(5)}
GRID = Grid(28, 28, 1, 1, 499, 399)
SIZES = torch.ones(len(THINGS), 7, 5, 2)
SCHEMA = Schema(
    tuple(THINGS),
    GRID,
    HEADS,
    9,
    3,
    (500, 400),
    SIZES,
    (1.0, 0.7, 0.49),
    most=tuple(k % 2 for k in range(len(THINGS))),
)

# Mike's hand is at (150, 282): the ball is in it, ten pixels off, or far away; or there are two balls.
SCENES = [
    [("hb0", 100, 300), ("t_0", 150, 282)],
    [("hb0", 100, 300), ("t_0", 160, 282)],
    [("hb0", 100, 300), ("t_0", 400, 282)],
    [("hb0", 100, 300), ("t_0", 150, 282), ("t_0", 300, 282)],
    [],
]
HELD = Fact("hold", "hb0", "t_0")
TEXTS: list[Facts] = [
    (Fact("thing", "hb0"), Fact("thing", "t_0"), HELD),
    (Fact("thing", "hb0"), Fact("thing", "t_0"), HELD),
    (Fact("thing", "hb0"), Fact("thing", "t_0"), Fact("hold", "hb0", "t_0", held_out=True)),
    (Fact("thing", "hb0"), Fact("hold", "hb0", "t_0", denied=True)),
    (),
]


def objects(scenes: list[list[tuple[str, int, int]]]) -> Objects:
    classes = torch.zeros(len(scenes), 3, dtype=torch.int64)
    places = torch.zeros(len(scenes), 3, 2)
    for row, scene in enumerate(scenes):
        for step, (name, *place) in enumerate(scene):
            classes[row, step], places[row, step] = SCHEMA.number(name), torch.tensor(place)
    return Objects(classes, places, {name: torch.zeros_like(classes) for name in HEADS})


def score(rows: slice) -> Faithfulness:
    metric = Faithfulness(SCHEMA)
    metric.update(objects(SCENES[rows]), TEXTS[rows])
    return metric


def found(metric: Faithfulness) -> dict[str, float]:
    return {name.removeprefix("faithfulness_"): value.item() for name, value in metric.found().items()}


def score_of_rank(rank: int) -> dict[str, float]:
    return found(score([slice(0, 2), slice(2, 5)][rank]))


EXPECTED = {
    "thing": 1,
    "hold": 2 / 3,
    "hold_strict": 1 / 3,
    "relation": 2 / 3,
    "relation_strict": 1 / 3,
    "denial": 0,
    "all": 9 / 11,
    "all_strict": 8 / 11,
    "text": 2 / 4,
    "text_strict": 1 / 4,
    "seen_relation": 1,
    "seen_relation_strict": 1 / 2,
    "held_out_relation": 0,
    "held_out_relation_strict": 0,
    "seen_text": 2 / 3,
    "seen_text_strict": 1 / 3,
    "held_out_text": 0,
    "held_out_text_strict": 0,
    "duplicates": 1 / 5,
}


def test_shares_by_kind_tolerance_and_what_was_held_out() -> None:
    assert found(score(slice(0, 5))) == pytest.approx(EXPECTED)


def test_batches_add_up() -> None:
    metric = Faithfulness(SCHEMA)
    for row in range(5):
        metric.update(objects(SCENES[row : row + 1]), TEXTS[row : row + 1])
    assert found(metric) == pytest.approx(EXPECTED)


@pytest.mark.slow
def test_two_ranks_with_unequal_shares_count_what_one_does() -> None:
    assert in_ranks(score_of_rank) == [pytest.approx(EXPECTED)] * 2


def test_each_scene_has_its_own_shares() -> None:
    each = Faithfulness(SCHEMA).each(objects(SCENES), TEXTS)
    expected = {
        "faithfulness": [1, 1, 2 / 3, 1 / 2, torch.nan],
        "faithfulness_strict": [1, 2 / 3, 2 / 3, 1 / 2, torch.nan],
        "faithfulness_relation": [1, 1, 0, torch.nan, torch.nan],
        "faithfulness_relation_strict": [1, 0, 0, torch.nan, torch.nan],
        "faithfulness_duplicates": [0, 0, 0, 1, 0],
    }
    assert {name: values.tolist() for name, values in each.items()} == {
        name: pytest.approx(values, nan_ok=True) for name, values in expected.items()
    }


def test_a_wider_tolerance_forgives_more_and_a_narrower_one_than_strict_is_refused() -> None:
    wide = Faithfulness(SCHEMA, tolerance=300)
    wide.update(objects(SCENES[2:3]), TEXTS[2:3])
    assert wide.compute()["faithfulness_hold"] == 1 and wide.compute()["faithfulness_hold_strict"] == 0
    with pytest.raises(UserError, match=r"tolerance=4: .* at least the strict 8"):
        Faithfulness(SCHEMA, tolerance=4)


def test_without_facts_only_duplicates_are_counted() -> None:
    metric = Faithfulness(SCHEMA)
    metric.update(objects(SCENES))
    assert found(metric) == {"duplicates": pytest.approx(1 / 5)}
    metric = Faithfulness(
        replace(SCHEMA, most=())
    )  # of a checkpoint that does not know how often classes come
    metric.update(objects(SCENES))
    assert found(metric) == {}
