"""Fixtures that many tests share."""

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the published data sets; tests that want it skip where it is absent."""
    folder = Path(os.environ.get("SEQ2SCENE_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(
            "published data not at hand: set SEQ2SCENE_TEST_DATA to the folder that holds multi30k/ ..."
        )
    return folder


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that run whole commands come first: they are the longest, and would else run alone at the end."""
    items.sort(key=lambda item: not item.path.stem.endswith("_commands"))
