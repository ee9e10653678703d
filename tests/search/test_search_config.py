"""conf/search has all options of a search."""

from dataclasses import fields
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_class
from omegaconf import OmegaConf

CONF = Path(__file__).resolve().parents[2] / "conf"


@pytest.mark.parametrize("name", ["greedy", "beam", "sample"])
def test_options_are_the_arguments(name):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = OmegaConf.to_container(compose(f"search/{name}").search)
    search = get_class(config.pop("_target_"))
    assert config.keys() == {field.name for field in fields(search)}
    search(**config)
