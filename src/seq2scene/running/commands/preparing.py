"""Preparing a data set: published files are fetched and unpacked, the park is generated."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from seq2scene.building import build
from seq2scene.data.archives import unpack
from seq2scene.data.downloads import DataFile, Report, bytes_to_come, fetch_all
from seq2scene.errors import UserError


def prepare_chosen(cfg: DictConfig) -> None:
    """``python src/prepare.py``: prepares the data set that ``data=NAME`` chooses."""
    known = GlobalHydra.instance().config_loader().get_group_options("prepare")
    prepare(OmegaConf.to_container(cfg, resolve=True), HydraConfig.get().runtime.choices["data"], known)


def prepare(config: Mapping[str, Any], name: str, known: Sequence[str]) -> None:
    """Fetches or generates the data set ``name`` in ``config["data"]["root"]``, and prints what was done.

    config: plain containers: ``data`` (its root), ``prepare`` (its catalogue: ``base`` and ``files``; without
    files, the data module makes them itself) and ``mirror`` (an address instead of base). A catalogue may
    list files to ``unpack``, with their destination and number of files, and have ``counts``: then all data
    are read, which reveals damage, and the object built from it compares ``data`` with the published numbers.
    known: the data sets with a catalogue, for the UserError if ``name`` has none.
    """
    recipe = config.get("prepare")
    if recipe is None:
        raise UserError(f"data={name} cannot be fetched; those that can: {', '.join(sorted(known))}")
    root = Path(config["data"]["root"])
    if recipe["files"]:
        files = catalogue(recipe, config.get("mirror"))
        if size := bytes_to_come(files, root):
            print(f"{name}: fetching {size / 1e6:,.0f} MB into {root}", flush=True)
        print(summary(name, root, fetch_all(files, root)))
        for archive, wanted in recipe.get("unpack", {}).items():
            print(f"{name}: {unpack_all(root / archive, root / wanted['to'], wanted.get('files'))}")
        if "counts" in recipe:
            data = build(config["data"], "data")
            data.prepare_data()
            print(f"{name}: {build(recipe['counts'], 'prepare.counts', data=data)}")
    else:
        data = build(config["data"], "data")
        data.prepare_data()
        print(f"{name}: generated in {data.folder}")


def catalogue(recipe: Mapping[str, Any], mirror: str | None = None) -> list[DataFile]:
    """The files of a recipe of ``conf/prepare``, at ``mirror`` if given, else at the recipe's base."""
    base = (mirror or recipe["base"]).rstrip("/")
    if not base.startswith(("http://", "https://", "file://")):
        raise UserError(f"mirror={base} is not an address: it starts with https://, http:// or file://")
    return [
        DataFile(f"{base}/{entry['from']}", path, entry.get("sha256"), entry.get("size"))
        for path, entry in recipe["files"].items()
    ]


def unpack_all(archive: Path, folder: Path, files: int | None) -> str:
    """Unpacks an archive and returns what was done; raises UserError unless it holds exactly ``files``
    files.
    """
    unpacked, there = unpack(archive, folder)
    if files not in (None, unpacked + there):
        raise UserError(
            f"{archive} holds {unpacked + there:,} files, not {files:,}: it is not the published one; move "
            "it away and run this again"
        )
    return f"{unpacked + there} files of {archive.name}: {unpacked} unpacked, {there} already there"


def summary(name: str, root: Path, report: Report) -> str:
    """One line on what was done."""
    fetched, kept, damaged = len(report.fetched), len(report.kept), len(report.damaged)
    again = f" ({damaged} because damaged)" if damaged else ""
    return f"{name}: {fetched + kept} files in {root}: {fetched} fetched{again}, {kept} already there"
