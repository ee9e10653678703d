"""Objects of a scene are removed and moved; the scene itself stays as it is."""

import pytest

from seq2scene.errors import UserError
from seq2scene.scenes.scene_edits import moved, without

BALL = {"class": "t_0", "x": 10, "y": 20, "size": 1}
SCENE = [BALL, {"class": "hb1", "x": 30, "y": 40}, {**BALL, "x": 50}]
TITLES = {"t_0": "ball", "hb1": "Jenny"}


def test_objects_go_by_place_by_class_or_by_what_people_call_them() -> None:
    assert without(SCENE, 0) == SCENE[1:]
    assert without(SCENE, "hb1") == without(SCENE, "Jenny", titles=TITLES) == [SCENE[0], SCENE[2]]
    assert without(SCENE, "ball", titles=TITLES) == [SCENE[1]]  # both
    assert without(SCENE, 2, "hb1") == [BALL]
    assert len(SCENE) == 3


def test_one_object_is_moved_and_nothing_else_changes() -> None:
    assert moved(SCENE, "Jenny", 7, 8.5, titles=TITLES) == [
        BALL,
        {"class": "hb1", "x": 7, "y": 8.5},
        SCENE[2],
    ]
    assert moved(SCENE, 0, 1, 2)[0] == {**BALL, "x": 1, "y": 2} and BALL["x"] == 10
    with pytest.raises(UserError, match="t_0: the scene has 2 of them; give the index of one: 0, 2"):
        moved(SCENE, "t_0", 1, 2)


@pytest.mark.parametrize("which", ["Mike", 3, -1, "Jenny "])
def test_what_the_scene_does_not_have_is_named_beside_what_it_has(which: int | str) -> None:
    with pytest.raises(
        UserError, match=f"{which}: the scene has no such object; it has 0 ball, 1 Jenny, 2 ball"
    ):
        without(SCENE, which, titles=TITLES)
    with pytest.raises(UserError, match="it has none"):
        moved([], which, 0, 0)
