"""Fixtures that many tests share."""

import os
from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parents[1]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of the published data sets; tests that want it skip where it is absent."""
    folder = Path(os.environ.get("SEQ2SCENE_TEST_DATA", ROOT.parent / "shared" / "data"))
    if not folder.is_dir():
        pytest.skip(
            "published data not at hand: set SEQ2SCENE_TEST_DATA to the folder that holds multi30k/ ..."
        )
    return folder
