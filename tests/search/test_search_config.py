"""conf/search has all options of a search."""

from dataclasses import fields
from pathlib import Path

import pytest
from hydra.utils import get_class
from omegaconf import OmegaConf

FOLDER = Path(__file__).resolve().parents[2] / "conf" / "search"


@pytest.mark.parametrize("name", ["greedy", "beam", "sample"])
def test_options_are_the_arguments(name):
    config = OmegaConf.to_container(OmegaConf.load(FOLDER / f"{name}.yaml"))
    search = get_class(config.pop("_target_"))
    assert config.keys() == {field.name for field in fields(search)}
    search(**config)
