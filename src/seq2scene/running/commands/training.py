"""Training: from a composed config to a folder with checkpoints, curves, samples and test scores."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities import rank_zero_only

from seq2scene.building import build
from seq2scene.errors import UserError
from seq2scene.models.checkpoints import find_checkpoint, load_checkpoint
from seq2scene.models.fine_tuning import freeze, take_weights, take_word_vectors
from seq2scene.models.loading import load
from seq2scene.plotting.curves import draw_curves
from seq2scene.plotting.figures import save_picture
from seq2scene.reports.page.page import show_page
from seq2scene.reports.report import Report, attempt, check_reports
from seq2scene.reports.tables import show_results
from seq2scene.running.callbacks.checkpoints import Best, Last
from seq2scene.running.callbacks.endings import Diverged, EarlyStopping, Watch, why_ended
from seq2scene.running.callbacks.provenance import Provenance
from seq2scene.running.commands.evaluation import evaluate_task, finish_reports
from seq2scene.running.installation import program
from seq2scene.running.messages import say
from seq2scene.running.metrics_file import MetricsFile
from seq2scene.running.options.bounds import check_dropped, check_values
from seq2scene.running.options.report_choices import build_reports
from seq2scene.running.options.task_compatibility import check_choices
from seq2scene.running.processes.sweeps import in_sweep
from seq2scene.running.processes.trainers import filter_warnings, make_trainer, processes
from seq2scene.running.resuming.resume import resume
from seq2scene.running.resuming.stored_overrides import given_overrides
from seq2scene.running.run_folders import claim
from seq2scene.running.run_records import git_revision, now, write_run_record
from seq2scene.running.wandb_runs import WandbRun
from seq2scene.tasks.loading import build_task, task_of
from seq2scene.tasks.task import Task


def train(cfg: DictConfig) -> float:
    """``python src/train.py``: trains, tests the best checkpoint, and prints where everything is.

    Returns the best value of the monitored metric, which sweepers optimise.
    """
    overrides, choices = given_overrides(), HydraConfig.get().runtime.choices
    start: Path | None = None
    more: list[pl.Callback] = []
    if cfg.resume is not None:
        run = resume(cfg)
        cfg, overrides, choices = run.cfg, run.overrides, run.choices
        start, more = run.start, [run.callback]
    elif cfg.init is not None:
        find_checkpoint(cfg.init, "best.ckpt")
    check_choices(choices, cfg)
    check_dropped(overrides)
    config = OmegaConf.to_container(cfg, resolve=True)
    check_values(config)
    folder = Path(HydraConfig.get().runtime.output_dir)
    if rank_zero_only.rank == 0:  # another rank may start when the first has already written
        claim(folder, config, start)
    with processes(config["trainer"], program("train")):
        return _train(config, overrides, folder, start, more)


def _train(
    config: dict[str, Any],
    overrides: list[str],
    folder: Path,
    start: Path | None,
    more: Sequence[pl.Callback] = (),
) -> float:
    started = now()
    pl.seed_everything(config["seed"], workers=True, verbose=False)
    filter_warnings()
    data = build(config["data"], "data")
    saved = {} if start is None else load_checkpoint(start)
    if start is not None:
        data.use(saved["hyper_parameters"]["description"])
    data.prepare_data()
    data.setup()
    task = build_task(config, data.description())
    if start is None:
        _initialise(task, data, config)
    freeze(task.model, config["freeze"])
    reports = build_reports(config.get("reports") or {}) if config["test"] else []
    check_reports(reports, task)
    loggers, callbacks = (
        [build(part, f"{group}.{name}") for name, part in (config.get(group) or {}).items()]
        for group in ("logger", "callbacks")
    )
    for logger in loggers:
        if isinstance(logger, MetricsFile) and "metrics_rows" in saved:
            logger.go_on(start, saved["metrics_rows"])
    del saved  # as large as the model and its optimizer
    watch = Watch(_monitored(callbacks, config["schedule"]))
    callbacks += [Provenance(overrides, git_revision()), watch, *more]
    callbacks += [callback for report in reports for callback in report.callbacks()]
    dashboards = [logger for logger in loggers if isinstance(logger, WandbRun)]
    callbacks += [callback for dashboard in dashboards for callback in dashboard.callbacks()]
    trainer = make_trainer(config["trainer"], callbacks=callbacks, logger=loggers, default_root_dir=folder)
    torch.manual_seed(
        config["seed"] + trainer.global_rank
    )  # equal weights, but different dropout on each rank
    for logger in loggers:
        logger.log_hyperparams({**config, "git": git_revision()})
    for dashboard in dashboards:
        dashboard.log_data(config, data.description())
    try:
        diverged = _fit(trainer, task, data, start)
        if trainer.is_global_zero and (folder / "metrics.csv").is_file():
            with attempt(f"{folder / 'curves.png'}"):
                save_picture(folder / "curves.png", draw_curves(folder / "metrics.csv", task.curves))
        chosen = _chosen(trainer) if config["test"] else None
        results = {}
        if chosen is not None:
            task = task_of(chosen, config["paths"])
            results = evaluate_task(trainer, task, data, reports, folder)
            finish_reports(trainer, task, data, reports, folder)
        if trainer.is_global_zero:
            show_results(results, task, reports)
            tested = "nothing"
            if chosen is not None and results:
                tested = f"epoch {chosen['epoch']}, step {chosen['global_step']}"
            write_run_record(
                folder, "train.py", overrides, started, config, task, reports, tested, trainer.world_size
            )
            for dashboard in dashboards:
                for checkpoint in _saved(trainer)[:1]:
                    dashboard.log_checkpoint(checkpoint, results)
            _tell_files(config, folder, reports)
            if results and config["page"]:
                show_page(folder)
    finally:
        finish(loggers)
    if diverged is not None and not in_sweep():  # a sweep goes on with the best score
        raise UserError(str(diverged))
    best = _callback(trainer, Best)
    return float("nan") if best is None or best.best_model_score is None else float(best.best_model_score)


def _initialise(task: Task, data: pl.LightningDataModule, config: dict[str, Any]) -> None:
    """Gives a new model pretrained word vectors (``data.word_vectors``) and then the weights of another model
    (``init``); prints what was taken.
    """
    for language, vectors in data.initial_vectors().items():
        take_word_vectors(task.model, language, vectors, "data.word_vectors")
    if (path := config["init"]) is None:
        return
    frozen = [f"{name}." for name, part in task.net_for_data().items() if part.frozen]
    try:
        told = take_weights(task.model, load(path, cache=config["paths"]["cache"]), keep=frozen)
    except UserError as error:
        raise UserError(f"init={path}: {error}") from error
    for line in told:
        say(f"init={path}: {line}")


def _monitored(callbacks: list[pl.Callback], schedule: dict[str, Any]) -> list[str]:
    """The metrics monitored by callbacks or the schedule."""
    names = [callback.monitor for callback in callbacks if isinstance(callback, Best | EarlyStopping)]
    return list(dict.fromkeys([*names, *([schedule["monitor"]] if "monitor" in schedule else [])]))


def _fit(
    trainer: pl.Trainer, task: Task, data: pl.LightningDataModule, start: Path | None
) -> Diverged | None:
    """Trains, prints why training ended unless by ``trainer.max_epochs``, and validates the last state if the
    trainer has not, as it may be the best. Returns how training diverged, if it did after something was
    saved.

    Raises:
        UserError: training diverged before anything was saved, or anomaly detection found where; or the
        validation interval does not fit the data.
    """
    watch, best, last = (_callback(trainer, kind) for kind in (Watch, Best, Last))
    try:
        trainer.fit(task, datamodule=data, ckpt_path=start, weights_only=None if start is None else True)
    except Diverged as error:
        if not _saved(trainer):
            raise UserError(f"{error}; no earlier checkpoint was saved, so nothing is tested") from None
        say(f"training ended: {error}")
        return error
    except RuntimeError as error:
        if "returned nan values" not in str(error):  # of trainer.detect_anomaly
            raise
        raise UserError(
            f"training diverged at step {trainer.global_step + 1}, epoch {trainer.current_epoch}: {error} "
            "The warning above shows the line that called it"
        ) from error
    except ValueError as error:
        if "`val_check_interval`" not in str(error):
            raise
        raise UserError(
            f"trainer.val_check_interval={trainer.val_check_interval}: an epoch has "
            f"{trainer.num_training_batches} batches; to count through epochs, "
            "trainer.check_val_every_n_epoch=null"
        ) from error
    if reason := why_ended(trainer):
        say(f"training ended at step {trainer.global_step}: {reason}")
    if last is not None and start is not None and not last.best_model_path:
        last.take(trainer, start)  # nothing was left to do
    if watch.validated != trainer.global_step or (best is not None and not best.best_model_path):
        scores = trainer.validate(task, datamodule=data, verbose=False)
        if scores and best is not None and best.monitor in scores[0]:
            best.consider(trainer, scores[0][best.monitor], last and Path(last.best_model_path))
    return None


def _callback(trainer: pl.Trainer, kind: type[pl.Callback]) -> Any:
    """The trainer's callback of a kind, or None."""
    return next((callback for callback in trainer.callbacks if isinstance(callback, kind)), None)


def _saved(trainer: pl.Trainer) -> list[Path]:
    """This run's checkpoints, the one to test first."""
    kept = [_callback(trainer, kind) for kind in (Best, Last)]
    return [Path(one.best_model_path) for one in kept if one is not None and one.best_model_path]


def _chosen(trainer: pl.Trainer) -> dict[str, Any] | None:
    """The best checkpoint, or else the last, and prints which; None if there is none."""
    if not (saved := _saved(trainer)):
        say("no checkpoint was saved, so nothing is tested")
        return None
    checkpoint, best = load_checkpoint(saved[0]), _callback(trainer, Best)
    why = "nothing was best by validation"
    if best is not None and best.best_model_path:
        why = f"{best.monitor} {float(best.best_model_score):.4g}"
    say(f"testing {saved[0].name}, epoch {checkpoint['epoch']}, step {checkpoint['global_step']}: {why}")
    return checkpoint


def finish(loggers: list) -> None:
    """Finishes the loggers, so that the next job of a sweep starts its own run. W&B shows a run as failed if
    this is called while an exception is on its way.
    """
    failed = sys.exc_info()[0] is not None
    for logger in loggers:
        logger.finalize("success")
        if isinstance(logger, WandbRun) and rank_zero_only.rank == 0:
            logger.experiment.finish(exit_code=int(failed))


def _tell_files(config: dict[str, Any], folder: Path, reports: Sequence[Report]) -> None:
    """Lists what a person may want to open of a run."""
    if "csv" not in (config.get("logger") or {}):
        print("no learning curves: they need logger=csv")
    print(f"\nThis run is in {folder}")
    for name, what in (
        ("best.ckpt", f"best checkpoint by {config['monitor']['metric']}"),
        ("last.ckpt", "last checkpoint, to resume from"),
        ("metrics.csv", "every logged number"),
        ("curves.png", "learning curves"),
        ("fit-profile.txt", "time by part of training"),
        ("metrics.json", "scores on the test sets"),
        ("samples", "sample outputs of the model, by step"),
    ):
        if (folder / name).exists():
            print(f"  {name:14} {what}")
    for pattern, what in (pair for report in reports for pair in report.files):
        for path in sorted(folder.glob(pattern)):
            print(f"  {path.relative_to(folder)!s:14} {what}")
