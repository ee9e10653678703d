"""What evaluation is told to change of a checkpoint, refused where it has no meaning."""

from typing import Any

import pytest

from seq2scene.errors import UserError
from seq2scene.running.evaluation import find_changes

SCENES = {"task": {"name": "layout"}, "search": {}, "gallery": 20}


def test_what_is_chosen_replaces_what_the_checkpoint_has() -> None:
    search = {"size": 3}
    chosen = {"search": search, "gallery": 0, "baselines": False}
    assert find_changes(chosen, SCENES) == {"search": search, "gallery": 0}
    assert find_changes({"gallery": None}, SCENES) == {}


@pytest.mark.parametrize(
    ("chosen", "name"), [({"gallery": 5}, "nmt"), ({"search": {"size": 3}}, "inpainting")]
)
def test_what_a_task_does_not_do_is_refused_by_name(chosen: dict[str, Any], name: str) -> None:
    (key,) = chosen
    with pytest.raises(UserError, match=f"^{key}: has no meaning with task={name}; leave it out"):
        find_changes(chosen, {"task": {"name": name}})


@pytest.mark.parametrize("count", [-1, "many", True])
def test_a_gallery_has_a_number_of_scenes(count: Any) -> None:
    with pytest.raises(UserError, match=f"gallery={count}: give a number"):
        find_changes({"gallery": count}, SCENES)
