"""Keys that nothing reads. Hydra refuses a misspelt ``KEY=``, but takes every ``+KEY=`` and ``++KEY=``, and
whatever the files of ``--config-dir`` hold.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra import compose
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from seq2scene.errors import UserError
from seq2scene.running.installation import CONF
from seq2scene.running.options.nearest import at, nearest_keys, or_other

# To these anything may be added, as it is checked where it is used; and so are the keys beside a _target_.
OPEN = ("callbacks", "data", "heads", "logger", "optimizer.lr_of", "published", "reports", "takes")


def check_added(cfg: DictConfig, command: str) -> None:
    """Raises UserError if this job's config has a key that no config of the project has and no interpolation
    names. Composes once more, if anything was added.
    """
    hydra = HydraConfig.get()
    files = [one for one in hydra.runtime.config_sources if one.schema == "file"]
    own = [source.path for source in files if source.provider != "main"]
    lines = [line for line in hydra.overrides.task if line.startswith("+")]
    lines = [line for line in lines if not line.lstrip("+").startswith(OPEN)]
    if not own and not lines:
        return
    choices = {group: choice for group, choice in hydra.runtime.choices.items() if choice is not None}
    folders = {group: CONF / group.partition("@")[0] for group in choices if not group.startswith("hydra/")}
    ours = [group for group, folder in folders.items() if (folder / f"{choices[group]}.yaml").is_file()]
    if any(folders[group].is_dir() for group in folders.keys() - {*ours, "experiment"}):
        return  # a part of the user's, which may have keys of its own
    try:
        known = OmegaConf.to_container(
            compose(command, [f"{group}={choices[group]}" for group in ours]), resolve=False
        )
    except HydraException:  # a file of the user's adds groups
        return
    named = {f"{one}." for one in re.findall(r"\$\{\s*([\w.]+)", OmegaConf.to_yaml(cfg))}
    for key in _added(OmegaConf.to_container(cfg, resolve=False), known):
        if key not in choices and not any(one.startswith(f"{key}.") for one in named):
            where = next((f"{line}: " for line in lines if line.lstrip("+").startswith(key)), "")
            for folder in own:
                where = where or line_with(rf"\b{re.escape(key.rpartition('.')[2])}\b.*:", folder)
            raise UserError(f"{where}nothing reads {key}{instead(key, known)}")


def instead(key: str, known: Mapping[str, Any], sign: str = "") -> str:
    """The end of a message on a key that the config ``known`` lacks: the nearest keys, or all beside it.

    sign: what precedes them on the command line.
    """
    if near := nearest_keys(key, known):
        return f"; {or_other([f'{sign}{one}' for one in near])}"
    parent, beside, there = key, known, False
    while not there and (parent := parent.rpartition(".")[0]):
        beside, there = at(known, parent)
    beside = beside if there else known
    if not isinstance(beside, Mapping):
        return f"; {parent} is a value, without options of its own"
    listed = ", ".join(sorted(one for one in beside if not one.startswith(("_", "hydra"))))
    said = f"; options{f' of {parent}' if parent else ''} are {listed}" if listed else ""
    target = str(beside.get("_target_", ""))
    if target and not target.startswith(("seq2scene.", "hydra.")):
        return f"{said}; other arguments of {target} with +: +{key}=..."
    return f"{said}; +{key}=... adds it" if parent.startswith(OPEN) and not target else said


def line_with(pattern: str, folder: str) -> str:
    """The first line of a user's configs that has something, ``FILE, line N: ``; empty if none has."""
    for file in sorted(Path(folder).rglob("*.yaml")):
        for number, line in enumerate(file.read_text("utf-8").splitlines(), start=1):
            if re.search(pattern, line):
                return f"{file}, line {number}: "
    return ""


def _added(config: Mapping[str, Any], known: Mapping[str, Any], start: str = "") -> Iterator[str]:
    for key, value in config.items():
        place, before = f"{start}{key}", known.get(key)
        if key not in known:
            yield place
        elif isinstance(value, Mapping) and isinstance(before, Mapping) and not place.startswith(OPEN):
            yield from () if "_target_" in {**value, **before} else _added(value, before, f"{place}.")
