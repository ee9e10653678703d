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
from seq2scene.models.reranking import rerank
from seq2scene.reports.page.page import show_page
from seq2scene.reports.report import Evaluation, Report, ScoredSet, check_reports
from seq2scene.reports.tables import show_results
from seq2scene.running.callbacks.progress import Progress
from seq2scene.running.installation import program
from seq2scene.running.messages import say
from seq2scene.running.options.bounds import check_dropped, check_values
from seq2scene.running.options.report_choices import build_reports, chosen_reports
from seq2scene.running.options.task_compatibility import check_choices, updated
from seq2scene.running.processes.trainers import filter_warnings, make_trainer, processes
from seq2scene.running.run_folders import claim
from seq2scene.running.run_records import now, write_run_record
from seq2scene.tasks.loading import load_task, with_local_paths
from seq2scene.tasks.task import Task

LANGUAGES = {"source": "source_language", "target": "target_language", "language": "language_code"}
READING = ("batch_by", "window", "document")  # how plain text is read
NOT_GIVEN = "???"
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
    of the group ``data`` with the checkpoint's seed and languages, and its way to read plain text. Of another
    option, train and val stay ``???`` unless they are given (``data_of``).

    parts: the checkpoint's config and description. given: the overrides of the command line.

    Raises:
        UserError: another option is in other languages and does not offer the checkpoint's, or has no test
            set without the training data.
    """
    cfg.seed = parts["config"].get("seed", 1) if cfg.seed is None else cfg.seed
    if "_target_" not in cfg.data:
        changes = OmegaConf.to_container(cfg.data, resolve=True)
        learnt = with_local_paths(parts["config"]["data"], OmegaConf.to_container(cfg.paths, resolve=True))
        return {**learnt, **{key: value for key, value in changes.items() if value is not None}}
    keys = {one.lstrip("+").split("=")[0] for one in given}
    follow_languages(cfg.data, parts["description"], keys)
    follow_reading(cfg.data, parts["config"].get("data", {}), keys)
    if OmegaConf.is_missing(cfg.data, "train"):
        hold_nothing_out(cfg.data, keys)
    return OmegaConf.to_container(cfg.data, resolve=True)


def data_of(settings: Mapping[str, Any], **parts: Any) -> pl.LightningDataModule:
    """The data module of ``data_settings``, of which only the test sets are prepared. parts: what of it comes
    out of the checkpoint. Raises UserError if there is no test set.
    """
    missing = [split for split in ("train", "val") if settings.get(split) == NOT_GIVEN]
    files = [settings["train"], *(settings["tests"] or {}).values()] if missing else []
    files = [one for one in files if one not in (None, NOT_GIVEN)]
    if missing and not files:
        raise UserError(NO_TESTS)
    filled = dict(settings)
    for split in missing:
        filled[split] = files[0]  # of the right kind, and never read
    data = build({key: value for key, value in filled.items() if key not in parts}, "data", **parts)
    data.test_alone(missing)
    if not data.test_names:
        raise UserError(NO_TESTS)
    return data


def as_precise(trainer: Mapping[str, Any], learnt: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a trainer whose products are as precise as in training, unless they say otherwise.
    learnt: the config of the checkpoint; that of a model folder may have no trainer.
    """
    before = learnt.get("trainer", {}).get("float32_matmul", "medium")
    return {**trainer, "float32_matmul": trainer["float32_matmul"] or before}


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
    turned = before and after and all(before[name] != after[name] for name in after)
    if not turned or any(f"data.{key}" in given for key in other):
        told = " ".join(f"data.{key}={code}" for key, code in own.items())
        raise UserError(f"{told}: the checkpoint has learnt {needed}; give test sets of these")
    print(f"{needed}, as the checkpoint has learnt", file=sys.stderr)


def follow_reading(data: DictConfig, learnt: Mapping[str, Any], given: Container[str]) -> None:
    """Has plain text read as in training, line by line or as a stream. learnt: settings of the checkpoint.
    given: keys of the command line, which stay as they are.
    """
    if "window" not in data:
        return
    wanted = {key: learnt[key] for key in READING if key in learnt and f"data.{key}" not in given}
    if "stream" not in (wanted.get("batch_by"), data.batch_by):
        wanted.pop("batch_by", None)  # batches of sentences or of tokens make no difference
    if wanted.get("batch_by", data.batch_by) != "stream":
        wanted.pop("window", None)
    changed = {key: value for key, value in wanted.items() if value != data[key]}
    data.update(changed)
    if changed:
        told = " ".join(f"data.{key}={value}" for key, value in changed.items())
        print(f"{told}, as in training", file=sys.stderr)


def hold_nothing_out(data: DictConfig, given: Container[str]) -> None:
    """Leaves out what an option of the group ``data`` would hold out of training data that are not given.

    given: keys of the command line.

    Raises:
        UserError: the command line has such a test set, or there is no other.
    """
    tests = data.tests or {}
    for name, share in tests.items():
        if type(share) in (int, float):
            if f"data.tests.{name}" in given:
                raise UserError(
                    f"data.tests.{name}={share} would be held out of the training data, which are not given: "
                    f"give the test set as data.tests.{name}=FILES, or data.train=FILES"
                )
            tests[name] = None
    if all(files is None for files in tests.values()):
        raise UserError(NO_TESTS)
    if not OmegaConf.is_missing(data, "val") and type(data.val) in (int, float):
        data.val = NOT_GIVEN


def without_training(
    reports: Mapping[str, dict[str, Any]], chosen: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """The configs of ``reports`` without those of the checkpoint that need training data.

    chosen: the config of the evaluation.

    Raises:
        UserError: a report that needs training data is chosen there.
    """
    needed = "needs the training data: data.train=FILES"
    if (learn := reports.get("unknown_words", {}).get("learn")) is not None:
        raise UserError(f"learn_dictionary={learn} {needed}")
    if chosen["baselines"] or "caption_baselines" in (chosen.get("reports") or {}):
        raise UserError(f"baselines=true {needed}")
    if "caption_baselines" in reports:
        say(f"the report caption_baselines is left out, as it {needed}")
    return {name: config for name, config in reports.items() if name != "caption_baselines"}


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
    check_choices(HydraConfig.get().runtime.choices, updated(parts["config"]))
    told = HydraConfig.get().overrides.task
    check_dropped(told)
    settings = data_settings(cfg, parts, told)
    chosen = OmegaConf.to_container(cfg, resolve=True)
    folder = Path(HydraConfig.get().runtime.output_dir)
    check_values(chosen)
    chosen["trainer"] = as_precise(chosen["trainer"], parts["config"])
    claim(folder, chosen)
    search = chosen_search(chosen["search"], parts["config"])
    changes = {} if search is None else {"search": search}
    task = load_task(paths, cfg.ensemble, chosen["paths"], **changes)
    if cfg.rerank is not None:
        rerank(task.model, cfg.rerank)
    task.description = relocated(task.description, chosen["patches"], chosen["photos"])
    configs = chosen_reports(chosen, task)
    if settings.get("train") == NOT_GIVEN:
        configs = without_training(configs, chosen)
    reports = build_reports(configs)
    check_reports(reports, task)
    data = data_of(settings, **task.net_for_data())  # whose weights are in the checkpoint
    data.use(parts["description"])
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
