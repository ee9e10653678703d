"""Hydra and OmegaConf as they are, but files of conf/ and expressions in them are parsed once per process:
hundreds of tests compose configs of thirty files.
"""

from copy import deepcopy
from functools import cache

import omegaconf._utils
import omegaconf.base
import yaml
from hydra._internal.core_plugins.file_config_source import FileConfigSource
from hydra.plugins.config_source import ConfigResult

from seq2scene.running.installation import CONF

read = FileConfigSource.load_config


@cache
def read_once(name: str) -> ConfigResult:
    return read(FileConfigSource("conf", str(CONF)), name)


def load_config(source: FileConfigSource, config_path: str) -> ConfigResult:
    if source.path != str(CONF):
        return read(source, config_path)
    found = deepcopy(read_once(config_path))  # Hydra changes it
    found.provider = source.provider
    return found


FileConfigSource.load_config = load_config
omegaconf.base.parse = omegaconf._utils.parse = cache(omegaconf.base.parse)
yaml.SafeLoader = yaml.CSafeLoader  # OmegaConf's is one
