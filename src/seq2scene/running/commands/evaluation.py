"""Scores of a model on its test sets, and the reports on them."""

import sys
from collections.abc import Container, Iterable, Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from seq2scene.building import build
from seq2scene.compositing.compositor import relocated
from seq2scene.errors import UserError
from seq2scene.json_text import write_json
from seq2scene.models.checkpoints import find_checkpoints, load_checkpoint
from seq2scene.models.loading import chosen_search
from seq2scene.reports.page.page import show_page
from seq2scene.reports.report import Evaluation, Report, ScoredSet, check_reports
from seq2scene.reports.tables import show_results
from seq2scene.running.callbacks.progress import Progress
from seq2scene.running.installation import program
from seq2scene.running.options.bounds import check_dropped, check_values
from seq2scene.running.options.report_choices import build_reports, chosen_reports
from seq2scene.running.options.task_compatibility import check_choices
from seq2scene.running.processes.trainers import filter_warnings, make_trainer, processes
from seq2scene.running.run_folders import claim
from seq2scene.running.run_records import now, write_run_record
from seq2scene.tasks.loading import at_home, load_task
from seq2scene.tasks.task import Task

LANGUAGES = {"source": "source_language", "target": "target_language", "language": "language_code"}
NO_TESTS = "data.tests: there is no test set; give one as +data.tests.NAME=FILES"


def evaluate_task(
    trainer: pl.Trainer,
    task: Task,
    data: pl.LightningDataModule,
    reports: Sequence[Report],
    folder: Path,
) -> dict[str, dict[str, Any]]:
    """Scores a task on every test set and writes metrics.json and the reports on the sets into ``folder``.

    reports: checked, and their callbacks among the trainer's. Returns the scores of each test set by name.
    """
    data.trainer = trainer  # its loaders deal to the ranks
    results = {}
    for name, loader in zip(data.test_names, data.test_dataloader(), strict=True):
        task.test_name = name
        task.outputs = []
        (found,) = trainer.test(task, dataloaders=loader, verbose=False)
        here = _evaluation(trainer, task, data)
        scores = {key.removeprefix(f"test/{name}/"): value for key, value in found.items()}
        outputs = task.in_order(here.gather(task.outputs))
        test = ScoredSet(**vars(here), name=name, outputs=outputs, scores=scores)
        for report in reports:
            report.score(test)
        results[name] = test.scores
        if trainer.is_global_zero:
            folder.mkdir(parents=True, exist_ok=True)
            for report in reports:
                report.write(test, folder)
    if trainer.is_global_zero:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "metrics.json", results)
    return results


def finish_reports(
    trainer: pl.Trainer,
    task: Task,
    data: pl.LightningDataModule,
    reports: Sequence[Report],
    folder: Path,
) -> None:
    """What reports do once all test sets are scored."""
    for report in reports:
        report.finish(_evaluation(trainer, task, data), folder)


def _evaluation(trainer: pl.Trainer, task: Task, data: pl.LightningDataModule) -> Evaluation:
    device = trainer.strategy.root_device
    task.to(device)  # Lightning moves it to the CPU after a test, where NCCL cannot add up metrics
    return Evaluation(task=task, data=data, device=device, rank=trainer.global_rank, world=trainer.world_size)


def data_settings(cfg: DictConfig, parts: Mapping[str, Any], given: Iterable[str] = ()) -> dict[str, Any]:
    """The settings of the test sets: the checkpoint's own with the changes in ``cfg.data``, or another option
    of the group ``data`` with the checkpoint's seed and languages.

    parts: the checkpoint's config and description. given: the overrides of the command line.

    Raises:
        UserError: another option is in other languages and does not offer the checkpoint's.
    """
    cfg.seed = parts["config"].get("seed", 1) if cfg.seed is None else cfg.seed
    if "_target_" not in cfg.data:
        changes = OmegaConf.to_container(cfg.data, resolve=True)
        learnt = at_home(parts["config"]["data"], OmegaConf.to_container(cfg.paths, resolve=True))
        return {**learnt, **{key: value for key, value in changes.items() if value is not None}}
    follow_languages(cfg.data, parts["description"], {one.lstrip("+").split("=")[0] for one in given})
    for split in ("train", "val"):  # which evaluation does not need
        if OmegaConf.is_missing(cfg.data, split):
            if not cfg.data.tests:
                raise UserError(NO_TESTS)
            cfg.data[split] = next(iter(cfg.data.tests.values()))
    return OmegaConf.to_container(cfg.data, resolve=True)


def follow_languages(data: DictConfig, description: Mapping[str, Any], given: Container[str]) -> None:
    """Switches a data set to the languages of a checkpoint where its files depend on them.

    given: keys of the command line, which stay as they are.

    Raises:
        UserError: the data are in other languages and cannot be switched.
    """
    wanted = {key: description.get(name) for key, name in LANGUAGES.items()}
    known = set(data.keys())  # with those whose values are missing
    wanted = {key: code for key, code in wanted.items() if code is not None and key in known}
    own = {key: "???" if OmegaConf.is_missing(data, key) else data[key] for key in wanted}
    other = [key for key in wanted if own[key] not in (wanted[key], "???")]
    before = _test_files(data)
    data.update(wanted)
    if not other:
        return
    needed = " ".join(f"data.{key}={code}" for key, code in wanted.items())
    after = _test_files(data)
    turned = before and all(before[name] != after[name] for name in after)
    if not turned or any(f"data.{key}" in given for key in other):
        told = " ".join(f"data.{key}={code}" for key, code in own.items())
        raise UserError(f"{told}: the checkpoint has learnt {needed}; give test sets of these")
    print(f"{needed}, as the checkpoint has learnt", file=sys.stderr)


def _test_files(data: DictConfig) -> dict[str, Any] | None:
    """The files of each test set; None where none are named."""
    return OmegaConf.to_container(data, resolve=True).get("tests")


def require_likelihoods(results: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises UserError, naming the test set, where a model's likelihood is not a number."""
    for name, scores in results.items():
        for key in ("perplexity", "loss"):
            if isnan(scores.get(key, 0.0)):
                raise UserError(
                    f"{name}: the {key} is no number, so the model's weights are too large: give a "
                    "checkpoint from before training diverged"
                )


def evaluate(cfg: DictConfig) -> None:
    """``python src/evaluate.py``: scores a checkpoint on the test sets it was trained with, or on others;
    several translate together, as an ensemble.
    """
    started = now()
    paths = find_checkpoints(cfg.ckpt, "best.ckpt")
    parts = load_checkpoint(paths[0])["hyper_parameters"]
    check_choices(HydraConfig.get().runtime.choices, parts["config"])
    told = HydraConfig.get().overrides.task
    check_dropped(told)
    settings = data_settings(cfg, parts, told)
    chosen = OmegaConf.to_container(cfg, resolve=True)
    folder = Path(HydraConfig.get().runtime.output_dir)
    check_values(chosen)
    if chosen["trainer"]["float32_matmul"] is None:
        chosen["trainer"]["float32_matmul"] = parts["config"]["trainer"].get("float32_matmul", "medium")
    claim(folder, chosen)
    search = chosen_search(chosen["search"], parts["config"])
    changes = {} if search is None else {"search": search}
    task = load_task(paths, cfg.ensemble, chosen["paths"], **changes)
    task.description = relocated(task.description, chosen["patches"], chosen["photos"])
    reports = build_reports(chosen_reports(chosen, task))
    check_reports(reports, task)
    own = task.net_for_data()  # its weights are in the checkpoint
    data = build({key: value for key, value in settings.items() if key not in own}, "data", **own)
    data.use(parts["description"])
    if not data.test_names:
        raise UserError(NO_TESTS)
    filter_warnings()
    with processes(chosen["trainer"], program("evaluate")):
        data.prepare_data()
        data.setup("test")
        callbacks = [callback for report in reports for callback in report.callbacks()]
        trainer = make_trainer(chosen["trainer"], callbacks=[*callbacks, Progress()], logger=False)
        results = evaluate_task(trainer, task, data, reports, folder)
        require_likelihoods(results)
        finish_reports(trainer, task, data, reports, folder)
        if trainer.is_global_zero:
            show_results(results, task, reports)
            ckpts = ", ".join(map(str, paths))
            write_run_record(
                folder, "evaluate.py", told, started, chosen, task, reports, ckpts, trainer.world_size
            )
            print(f"scores and all that they were computed from: {folder}")
            if chosen["page"]:
                show_page(folder)
