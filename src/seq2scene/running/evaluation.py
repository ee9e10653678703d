"""Scores of a model on its test sets, with the outputs they are scores of."""

import sys
from collections.abc import Container, Iterable, Iterator, Mapping
from math import isnan
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.table import Table
from torch import nn

from seq2scene.building import build
from seq2scene.compositing.compositor import relocated
from seq2scene.data.text.parallel_text import ParallelText
from seq2scene.errors import UserError
from seq2scene.json_text import write_json
from seq2scene.metrics.scene_scores import HEADINGS
from seq2scene.models.checkpoints import find_checkpoints, load_checkpoint
from seq2scene.models.loading import chosen_search, load_inpainter
from seq2scene.plotting.gallery import show_score
from seq2scene.running.alignment_report import ALIGNMENT_CHOICES, AlignmentReport
from seq2scene.running.bounds import check_dropped, check_values
from seq2scene.running.callbacks.progress import Progress
from seq2scene.running.caption_evaluation import (
    CAPTION_ROW,
    COMPARISONS,
    add_baselines,
    draw_captions,
    evaluate_captions,
    require_pictures,
)
from seq2scene.running.captioned_scenes import captions_table, load_captioner
from seq2scene.running.distributed import gather
from seq2scene.running.inpainting import UNCHANGED, evaluate_inpainting
from seq2scene.running.length_report import bleu_by_length, write_csv, write_plot
from seq2scene.running.lm_evaluation import evaluate_text
from seq2scene.running.messages import attempt
from seq2scene.running.output import require_output
from seq2scene.running.realism import load_inception, show_realism
from seq2scene.running.run_folders import claim
from seq2scene.running.scene_evaluation import evaluate_scenes
from seq2scene.running.sentence_vectors import read_sentences, write_sentence_vectors
from seq2scene.running.task_compatibility import check_choices
from seq2scene.running.trainers import filter_warnings, make_trainer, processes
from seq2scene.tasks.captioning import Captioning
from seq2scene.tasks.inpainting import InpaintingTask
from seq2scene.tasks.lm import LM
from seq2scene.tasks.loading import at_home, load_task
from seq2scene.tasks.nmt import NMT, Translation
from seq2scene.tasks.scenes import SceneTask
from seq2scene.tasks.task import Task

TEXT_ROW = ("bleu_tok", "bleu", "chrf", "perplexity", "perplexity_words")
PHOTO_ROW = ("error", "psnr", "label_accuracy")
LANGUAGES = {"source": "source_language", "target": "target_language", "language": "language_code"}
NO_TESTS = "data.tests: there is no test set; give one as +data.tests.NAME=FILES"
GROUP = 200  # sentences in a group of Luong et al. 2015, Figure 6


def evaluate_task(
    trainer: pl.Trainer, task: Task, data: pl.LightningDataModule, folder: Path, **of_scenes: Any
) -> dict[str, Any]:
    """Scores a task on its test sets, as suits it; the scores by name of the set and of the score.

    of_scenes: choices of ``evaluate_scenes``.
    """
    match task:
        case SceneTask():
            return evaluate_scenes(trainer, task, data, folder, **of_scenes)
        case Captioning():
            return evaluate_captions(trainer, task, data, folder)
        case LM():
            return evaluate_text(trainer, task, data, folder)
        case InpaintingTask():
            return evaluate_inpainting(trainer, task, data, folder)
    return evaluate_translation(trainer, task, data, folder)


def evaluate_translation(trainer: pl.Trainer, task: NMT, data: ParallelText, folder: Path) -> dict[str, Any]:
    """Translates and scores every test set; the scores by name of the set and of the score.

    Into ``folder`` go metrics.json and, of each set, NAME.hypotheses.txt (line by line, as the source file),
    NAME.scores.txt (log-probabilities), and BLEU by sentence length as CSV and PNG: NAME.by_length in buckets
    of five words, NAME.by_length_groups in groups of 200 sentences.
    """
    data.trainer = trainer  # the loaders deal to its ranks
    results = {}
    for name, loader in zip(data.test_names, data.test_dataloader(), strict=True):
        task.test_name = name
        task.translations.clear()
        (scores,) = trainer.test(task, dataloaders=loader, verbose=False)
        translations = sorted(gather(task.translations, trainer.world_size), key=lambda one: one.line)
        results[name] = {key.removeprefix(f"test/{name}/"): value for key, value in scores.items()}
        results[name]["signature"] = task.scores["test_scores"]["bleu"].signature()
        if trainer.is_global_zero:
            folder.mkdir(parents=True, exist_ok=True)
            _write(name, translations, task, data, folder)
    if trainer.is_global_zero:
        _write_metrics(folder, results)
    return results


def _write_metrics(folder: Path, results: dict[str, Any]) -> None:
    write_json(folder / "metrics.json", results)


def _write(name: str, translations: list[Translation], task: NMT, data: ParallelText, folder: Path) -> None:
    texts = [one.text for one in translations]
    (folder / f"{name}.hypotheses.txt").write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    (folder / f"{name}.scores.txt").write_text("".join(f"{one.log_prob:.4f}\n" for one in translations))
    split = task.target.tokenizer.split
    tokens = [" ".join(split(text)) for text in texts]
    lines = data.references(name)
    references = [" ".join(split(lines[one.line])) for one in translations]
    for report, group in (("by_length", None), ("by_length_groups", GROUP)):
        with attempt(f"{folder / name}.{report}"):
            rows = {name: bleu_by_length(tokens, references, tokenize="none", group=group)}
            write_csv(folder / f"{name}.{report}.csv", rows)
            write_plot(folder / f"{name}.{report}.png", rows)


def show_results(results: dict[str, dict[str, Any]]) -> None:
    """Prints a line for each test set, what it is to be compared with, and the BLEU signature below them."""
    if not results:
        return
    columns = (*TEXT_ROW, *HEADINGS, *CAPTION_ROW[:-1], *PHOTO_ROW)
    first = next(iter(results.values()))
    hidden = "perplexity_words" if "cider" in first else None  # that row is long enough
    columns = [column for column in columns if column in first and column != hidden]
    headings = (HEADINGS.get(column, column) for column in columns)
    table = Table("test set", *headings, box=None, padding=(0, 1, 0, 0))  # a scene's row in 80 columns
    for name, scores in _with_comparisons(results):
        cells = []
        for column in columns:
            digits = 3 if "u_recall" in scores or column == "cider" else 2
            cells.append(show_score(scores[column], digits) if column in scores else "")
        table.add_row(name, *cells)
    Console().print(table)
    if told := captions_table(results):
        Console().print(told)
    if "bleu" in columns:
        signature = next(iter(results.values()))["signature"]
        print(f"bleu: sacrebleu {signature}; bleu_tok: of the model's own tokens")


def _with_comparisons(results: dict[str, dict[str, Any]]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, scores in results.items():
        yield name, scores
        for key, other in {**COMPARISONS, UNCHANGED: "as it was"}.items():
            if key in scores:
                yield f"  {other}", scores[key]


def find_changes(chosen: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a checkpoint's ``config`` is to be otherwise.

    Raises:
        UserError: its task searches for nothing or draws no gallery, or ``gallery`` is no number.
    """
    changes = {"gallery": chosen["gallery"]} if chosen.get("gallery") is not None else {}
    if changes and "gallery" not in config:
        raise UserError(f"gallery: has no meaning with task={config['task']['name']}; leave it out")
    search = chosen_search(chosen.get("search", {}), config)
    changes |= {} if search is None else {"search": search}
    count = changes.get("gallery", 0)
    if not isinstance(count, int) or isinstance(count, bool) or count < 0:
        raise UserError(f"gallery={count}: give a number of scenes to draw")
    return changes


def load_others(chosen: Mapping[str, Any], task: Task) -> dict[str, nn.Module]:
    """The nets that show and score what a task makes, as ``evaluate_scenes`` takes them; of composites the
    patches and photos are where they are said to be.

    Raises:
        UserError: there is no such net, or it means nothing to the task or to what is asked for.
    """
    asked = {key: chosen[key] for key in ("inpainter", "realism")}
    task.description = relocated(task.description, chosen["patches"], chosen["photos"], **asked)
    others: dict[str, nn.Module] = {}
    if chosen["inpainter"] is not None:
        if not task.config["gallery"] and chosen["realism"] is None and chosen["captioner"] is None:
            raise UserError("inpainter: nothing shows or scores what it makes; set gallery, or leave it out")
        others["inpainter"] = load_inpainter(str(chosen["inpainter"]), task.schema.names)
    if chosen["realism"] is not None:
        others["inception"] = load_inception(str(chosen["realism"]))
    if chosen["captioner"] is not None:
        others["captioner"] = load_captioner(str(chosen["captioner"]), task)
    return others


def data_settings(cfg: DictConfig, parts: Mapping[str, Any], given: Iterable[str] = ()) -> dict[str, Any]:
    """What the test sets are built from: the checkpoint's own data settings with what was changed of them, or
    another option of the group ``data``, by the checkpoint's seed and in its languages.

    parts: the checkpoint's config and description. given: the overrides of the command line.

    Raises:
        UserError: another option is of other languages, and cannot be of the checkpoint's.
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
    """Turns a data set to the languages that a checkpoint has learnt, where its files depend on them.

    given: keys of the command line, which are not changed.

    Raises:
        UserError: the data are of other languages, and cannot be turned.
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
    """Those of each test set; None where no files are named."""
    return OmegaConf.to_container(data, resolve=True).get("tests")


def require_likelihoods(results: Mapping[str, Mapping[str, Any]]) -> None:
    """Raises UserError, which names the test set, where what a model says is no number."""
    for name, scores in results.items():
        for key in ("perplexity", "loss"):
            if isnan(scores.get(key, 0.0)):
                raise UserError(
                    f"{name}: the {key} is no number, so the model's weights are too large: give a "
                    "checkpoint from before training diverged"
                )


def evaluate(cfg: DictConfig, script: Path) -> None:
    """``python src/evaluate.py``: scores a checkpoint on the test sets it was trained with, or on others;
    several translate together, as an ensemble.
    """
    paths = find_checkpoints(cfg.ckpt, "best.ckpt")
    parts = load_checkpoint(paths[0])["hyper_parameters"]
    check_choices(HydraConfig.get().runtime.choices, parts["config"])
    told = HydraConfig.get().overrides.task
    check_dropped(told)
    settings = data_settings(cfg, parts, told)
    chosen = OmegaConf.to_container(cfg, resolve=True)
    folder = Path(HydraConfig.get().runtime.output_dir)
    check_values(chosen)
    claim(folder, chosen)
    if chosen["learn_dictionary"] is not None:
        require_output(chosen["learn_dictionary"], "learn_dictionary")
    task = load_task(paths, cfg.ensemble, chosen["paths"], **find_changes(chosen, parts["config"]))
    of_scenes = load_others(chosen, task)
    captions = isinstance(task, Captioning)
    if captions:
        require_pictures(task, chosen["pictures"])
    elif chosen["baselines"]:
        raise UserError("baselines=true: there are none but of captions; leave it out")
    choices = {key: chosen[key] for key in ALIGNMENT_CHOICES if not (captions and key == "pictures")}
    report = AlignmentReport(task, **choices)
    sentences = chosen["sentence_vectors"] and read_sentences(chosen["sentence_vectors"], task)
    photos = captions and task.schema is None
    own = {"encoder": task.net.encoder} if photos else {}  # its weights are in the checkpoint
    data = build({key: value for key, value in settings.items() if key not in own}, "data", **own)
    data.use(parts["description"])
    if not data.test_names:
        raise UserError(NO_TESTS)
    filter_warnings()
    with processes(chosen["trainer"], script):
        data.prepare_data()
        data.setup("test")
        recorder = report.recorder()
        trainer = make_trainer(chosen["trainer"], callbacks=[recorder, Progress()], logger=False)
        results = evaluate_task(trainer, task, data, folder, **of_scenes)
        require_likelihoods(results)
        if captions and chosen["baselines"]:
            add_baselines(task, data, results)
        if trainer.is_global_zero:
            show_results(results)
            show_realism(results)
        report.write(recorder, trainer, data, results, folder)
        if trainer.is_global_zero:
            if sentences:
                write_sentence_vectors(task, sentences, folder)
            for name in results if captions and chosen["pictures"] else ():
                draw_captions(task, data, name, chosen["pictures"], folder)
            _write_metrics(folder, results)
            print(f"scores and all that they were computed from: {folder}")
