"""Training: from a composed config to a folder with checkpoints, curves, samples and test scores."""

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from seq2scene.building import build
from seq2scene.painting.curves import draw_curves
from seq2scene.painting.figures import save_picture
from seq2scene.running.callbacks.provenance import Provenance
from seq2scene.running.checkpoints import build_task, load_checkpoint, task_of
from seq2scene.running.choices import check_choices
from seq2scene.running.entry import ROOT
from seq2scene.running.evaluation import evaluate_task, show_results
from seq2scene.running.resuming import given_overrides, resume
from seq2scene.running.trainers import make_trainer, processes, quieten


def train(cfg: DictConfig, script: Path) -> float:
    """``python src/train.py``: trains, tests the best checkpoint, says where everything is.

    script: the entry point, which further processes of the same job run too. Returns the best value of the
    monitored metric, which sweepers optimise.
    """
    overrides, choices = given_overrides(), HydraConfig.get().runtime.choices
    start: Path | None = None
    more: list[pl.Callback] = []
    if cfg.resume is not None:
        run = resume(cfg)
        cfg, overrides, choices = run.cfg, run.overrides, run.choices
        start, more = run.start, [run.callback]
    check_choices(choices, cfg)
    config = OmegaConf.to_container(cfg, resolve=True)
    folder = Path(HydraConfig.get().runtime.output_dir)
    with processes(config["trainer"], script):
        return _train(config, overrides, folder, start, more)


def _train(
    config: dict[str, Any],
    overrides: list[str],
    folder: Path,
    start: Path | None,
    more: Sequence[pl.Callback] = (),
) -> float:
    pl.seed_everything(config["seed"], workers=True, verbose=False)
    quieten()
    data = build(config["data"], "data")
    if start is not None:
        data.use(load_checkpoint(start)["hyper_parameters"]["description"])
    data.prepare_data()
    data.setup()
    task = build_task(config, data.description())
    loggers = [build(logger, f"logger.{name}") for name, logger in config["logger"].items()]
    callbacks = [build(callback, f"callbacks.{name}") for name, callback in config["callbacks"].items()]
    callbacks += [Provenance(overrides, git_revision()), *more]
    if not config["trainer"]["enable_progress_bar"]:
        callbacks = [c for c in callbacks if not isinstance(c, pl.callbacks.ProgressBar)]
    trainer = make_trainer(config["trainer"], callbacks=callbacks, logger=loggers, default_root_dir=folder)
    torch.manual_seed(config["seed"] + trainer.global_rank)  # equal weights, but dropout of each rank's own
    for logger in loggers:
        logger.log_hyperparams({**config, "git": git_revision()})
    try:
        trainer.fit(task, datamodule=data, ckpt_path=start, weights_only=None if start is None else True)
        if trainer.is_global_zero and (folder / "metrics.csv").is_file():
            save_picture(folder / "curves.png", draw_curves(folder / "metrics.csv", task.curves))
        monitored = trainer.checkpoint_callback
        best = monitored and monitored.best_model_score
        results = {}
        if config["test"] and monitored and monitored.best_model_path:
            best_task = task_of(load_checkpoint(Path(monitored.best_model_path)), config["paths"])
            results = evaluate_task(trainer, best_task, data, folder)
        if trainer.is_global_zero:
            _report(config, folder, results)
    finally:
        finish(loggers)
    return float("nan") if best is None else float(best)


def git_revision() -> str | None:
    """The commit of the project, ``+`` behind it where files differ from it; None outside a checkout."""
    try:
        ask = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
        return subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def finish(loggers: list) -> None:
    """Ends the loggers, so that the next job of a sweep starts a run of its own."""
    for logger in loggers:
        logger.finalize("success")
        if isinstance(logger, WandbLogger) and rank_zero_only.rank == 0:
            logger.experiment.finish()


def _report(config: dict[str, Any], folder: Path, results: dict[str, Any]) -> None:
    show_results(results)
    print(f"\nThis run is in {folder}")
    for name, what in (
        ("best.ckpt", f"best checkpoint by {config['monitor']['metric']}"),
        ("last.ckpt", "last checkpoint, to resume from"),
        ("metrics.csv", "every logged number"),
        ("curves.png", "learning curves"),
        ("metrics.json", "scores on the test sets"),
        ("samples", "samples of what the model writes, by step"),
    ):
        if (folder / name).exists():
            print(f"  {name:14} {what}")
    for path in sorted(folder.glob("*.gallery/index.html")):
        print(f"  {path.relative_to(folder)}  scenes beside the true ones, a page to open")
    for path in sorted(folder.glob("*.by_length*.png")):
        print(f"  {path.name:14} BLEU by sentence length")
