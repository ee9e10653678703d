"""The published folder is known by its numbers of scenes and sentences."""

import pytest

from seq2scene.data.park.scenes_writing import ensure_scenes
from seq2scene.data.scenes.abstract_counts import verify_counts
from seq2scene.data.scenes.abstract_scenes import AbstractScenes
from seq2scene.errors import UserError

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> AbstractScenes:
    folder = tmp_path_factory.mktemp("scenes")
    data = AbstractScenes(
        root=str(ensure_scenes(folder, train=6, val=2, test=2)), cache=str(folder / "cache")
    )
    data.prepare_data()
    return data


def test_the_numbers_are_said(small) -> None:
    said = "10 scenes, 10 of them with objects and sentences; 60 sentences 0 to 2 of both groups"
    assert verify_counts(small, 10, 10, 60) == said


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ((11, 10, 60), "holds 10 scenes, not 11"),
        ((10, 9, 60), "holds 10 usable scenes, not 9"),
        ((10, 10, 10_000), "holds 60 sentences, not 10,000"),
    ],
    ids=["scenes", "usable", "sentences"],
)
def test_other_numbers_are_refused_with_both(small, expected: tuple[int, int, int], message: str) -> None:
    with pytest.raises(UserError, match=message):
        verify_counts(small, *expected)
