"""Hydra and OmegaConf as they are, only faster: files of conf/, and expressions in them, are parsed once per
process, as hundreds of tests compose configs of thirty files.
"""

import pickle
from functools import cache
from typing import Any

import hydra._internal.defaults_list as defaults
import omegaconf._utils
import omegaconf.base
import yaml
from hydra._internal.hydra import Hydra
from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins
from hydra.plugins.config_source import ConfigResult, ConfigSource

from seq2scene.running.installation import CONF

Plugins.instance()  # registers the source of files: another class than that of its module as imported
FileSource = SourcesRegistry.instance().resolve("file")
read = FileSource.load_config
map_choices = defaults._create_interpolation_map
composed_mode = Hydra.get_mode


@cache
def read_once(name: str) -> bytes:
    return pickle.dumps(read(FileSource("conf", str(CONF)), name))


def load_config(source: ConfigSource, config_path: str) -> ConfigResult:
    if source.path != str(CONF):
        return read(source, config_path)
    found = pickle.loads(read_once(config_path))  # Hydra changes it
    found.provider = source.provider
    return found


def map_choices_if_used(overrides: Any, choices: list, self_added: bool) -> Any:
    """Hydra makes this map for each file, and reads it where a defaults list has an interpolation."""
    used = any(one.is_interpolation() for one in choices)
    return map_choices(overrides, choices, self_added) if used else None


def get_mode(hydra: Hydra, config_name: str | None, overrides: list[str]) -> Any:
    """Hydra composes the config of a command once more, to read a mode that no config here sets."""
    given = any(one.startswith("hydra.mode") for one in overrides)
    return composed_mode(hydra, config_name, overrides) if given else None


FileSource.load_config = load_config
Hydra.get_mode = get_mode
defaults._create_interpolation_map = map_choices_if_used
omegaconf.base.parse = omegaconf._utils.parse = cache(omegaconf.base.parse)
yaml.SafeLoader = yaml.CSafeLoader  # OmegaConf's is one
