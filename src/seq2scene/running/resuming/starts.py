"""Where training goes on: the newest whole checkpoint of a run, or of the run that it resumed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from seq2scene.errors import UserError
from seq2scene.models.checkpoints import find_checkpoint, load_checkpoint
from seq2scene.running.messages import say
from seq2scene.running.processes.launchers import requeued, slurm_step
from seq2scene.running.saving import LAST, PREVIOUS
from seq2scene.sequences.lines import read_yaml

AUTO = "resume=auto"


def find_start(path: str | Path, quiet: bool = False) -> tuple[Path, dict[str, Any]]:
    """The checkpoint to go on from, and its contents: that at ``path``; or of a run's folder last.ckpt, or
    previous.ckpt if that is damaged or missing; or of a folder with neither, that of the run that it resumed.

    quiet: print nothing about damaged or missing checkpoints.

    Raises:
        UserError: there is none, or all are damaged.
    """
    path, seen = Path(path), set[Path]()
    tell = (lambda line: None) if quiet else say
    while path.is_dir() and path.resolve() not in seen:
        seen.add(path.resolve())
        damage: UserError | None = None
        for file in (path / LAST, path / PREVIOUS):
            if not file.is_file():
                continue
            try:
                checkpoint = load_checkpoint(file)
            except UserError as error:
                damage = damage or error
                tell(f"resume: {error}")
                continue
            if file.name == PREVIOUS:
                tell(f"resume: the checkpoint before it is used: {file}, step {checkpoint['global_step']}")
            return file, checkpoint
        if damage is not None:
            raise damage
        earlier = resumed_by(path)
        if earlier is None:
            break
        tell(f"resume: {path} has no checkpoint yet; it went on from {earlier}")
        path = earlier
    found = find_checkpoint(path, LAST)
    return found, load_checkpoint(found)


def resumed_by(folder: Path) -> Path | None:
    """What the run in ``folder`` resumed, by the overrides that Hydra keeps there; None if it began anew."""
    try:
        overrides, place = (read_yaml(folder / ".hydra" / f"{name}.yaml") for name in ("overrides", "hydra"))
        given = [one for one in overrides if one.startswith("resume=")]
        value = OverridesParser.create().parse_override(given[-1]).value() if given else None
        return None if value is None else Path(place["hydra"]["runtime"]["cwd"], str(value))
    except (UserError, HydraException, KeyError, TypeError, AttributeError):
        return None


def with_start(arguments: Sequence[str], conf: Path) -> list[str]:
    """Command-line arguments of ``train.py`` with ``resume=auto`` replaced by the checkpoint and the folder
    to go on in: ``hydra.run.dir`` if given, else the newest run of this name that has a checkpoint. If there
    is none, training starts anew; prints which. A job that Slurm has requeued goes on in its own folder even
    without ``resume=auto``.

    conf: the folder of the configs.

    Raises:
        UserError: every checkpoint there is damaged, or this is a sweep.
    """
    asked = AUTO in arguments
    if not asked and (not requeued() or any(one.startswith("resume=") for one in arguments)):
        return list(arguments)
    if any(one in ("-m", "--multirun", "hydra.mode=MULTIRUN") for one in arguments):
        if not asked:
            return list(arguments)
        raise UserError(f"{AUTO}: not in a sweep; resume its jobs one by one: resume=FOLDER")
    others = [one for one in arguments if one != AUTO]
    try:
        cfg = _compose([one for one in others if not one.startswith("-")], conf)
        own = any(one.startswith("hydra.run.dir=") for one in others)
        runs = Path(cfg.paths.outputs, cfg.name)
        folder: Path | None
        if own:
            folder = Path(cfg.hydra.run.dir)
        elif asked:
            folder = _newest(runs)
        else:
            folder = runs / step if (step := slurm_step()) else None
    except (HydraException, OmegaConfBaseException):
        return others  # Hydra reports what is wrong with them
    if folder is None or not (start := _start(folder)):
        say(f"resume=auto: no checkpoint in {folder or runs}: a new run starts")
        # a run that was killed before its first checkpoint has left files
        left = own and folder is not None and folder.is_dir()
        return [*others, "overwrite=true"] if left else others
    path, checkpoint = start
    say(f"resume=auto: goes on in {folder} from {path.name}, step {checkpoint['global_step']}")
    if path.parent.resolve() != folder.resolve():
        others.append("overwrite=true")
    if not own:
        others.append(f"hydra.run.dir={folder}")
    return [f"resume={path.parent}", *others]


def _compose(overrides: Sequence[str], conf: Path) -> DictConfig:
    with initialize_config_dir(str(conf), version_base="1.3"):
        try:
            return compose("train", list(overrides), return_hydra_config=True)
        finally:
            GlobalHydra.instance().clear()


def _newest(runs: Path) -> Path | None:
    """The folder of the newest checkpoint of a run."""
    found = [file for name in (LAST, PREVIOUS) for file in runs.glob(f"*/{name}")]
    return max(found, key=lambda file: file.stat().st_mtime_ns).parent if found else None


def _start(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """``find_start``, or None if neither the run in ``folder`` nor one before it has saved anything."""
    try:
        return find_start(folder)
    except UserError:
        if any((folder / name).is_file() for name in (LAST, PREVIOUS)):
            raise
        return None
