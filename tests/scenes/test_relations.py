"""What relations between two placed things mean."""

import pytest

from seq2scene.data.park.world import SHELTERS
from seq2scene.scenes.clip_art import SURFACES, THINGS, Placed
from seq2scene.scenes.relations import RELATIONS, on, under

TREE, TABLE = Placed("p_8", 250, 200, 0, 0), Placed("p_6", 250, 250, 0, 0)


def with_bottom(name: str, bottom: float, z: int = 0) -> Placed:
    one = Placed(name, 250, 0, z, 0)
    return Placed(name, 250, bottom - one.height / 2, z, 0)


@pytest.mark.parametrize("name", ["a_4", "a_2", "s_0"])  # owl, dog, helicopter
def test_under_a_tree_is_at_its_foot_and_not_in_its_crown(name: str) -> None:
    assert under(with_bottom(name, TREE.bottom), TREE)
    assert under(with_bottom(name, TREE.bottom + 3), TREE)
    assert not under(with_bottom(name, TREE.top + 0.42 * TREE.height), TREE)
    assert not under(Placed(name, 250, 40, 0, 0), TREE, 20)


def test_a_cat_on_the_table_is_not_under_it() -> None:
    resting = with_bottom("a_1", TABLE.top + SURFACES["p_6"] * TABLE.height)
    assert on(resting, TABLE) and not under(resting, TABLE)
    assert under(with_bottom("a_1", TABLE.bottom), TABLE) and not on(with_bottom("a_1", TABLE.bottom), TABLE)


@pytest.mark.parametrize("z", [0, 1, 2])
@pytest.mark.parametrize("name", [*SURFACES, "p_2", *SHELTERS])
def test_nothing_is_under_what_it_rests_on_or_in(name: str, z: int) -> None:
    other = Placed(name, 250, 250, z, 0)
    for small in (name for name, thing in THINGS.items() if thing.height <= 0.75 * THINGS[other.name].height):
        for bottom in range(int(other.top) - 40, int(other.bottom) + 40):
            one = with_bottom(small, bottom, z)
            assert not (under(one, other) and (on(one, other) or RELATIONS["in"](one, other)))
