"""Every experiment composes at its published size and differs from others as its paper says; scaled down, one
of each family with the same classes runs.
"""

import functools
import gzip
import json
import math
import re
import runpy
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import hydra.utils
import pytest
import torch
from omegaconf import OmegaConf

from seq2scene.building import build
from seq2scene.running.commands.evaluation import evaluate_task
from seq2scene.running.options.report_choices import build_reports
from seq2scene.running.processes.trainers import filter_warnings, make_trainer
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.scene_texts import SceneTexts
from seq2scene.scenes.schema import LEAST, MOST, Appearance, Head, Schema
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import Words, choose
from seq2scene.sequences.vocabulary import Vocabulary
from seq2scene.tasks.loading import build_task
from test_configs import CONF, NMT_TAKES, compose_plain, options, read_files

EXPERIMENTS = options("experiment")
TEXT = [name for name in EXPERIMENTS if not name.startswith(("text2scene/", "coco_", "park_", "abstract_"))]
SCENES = [name for name in EXPERIMENTS if name.startswith(("text2scene/", "park_", "abstract_"))]
# By name, as composing all experiments takes seconds, which every process that collects tests would spend.
TEXT_FAMILIES = [
    *("luong2015/recipe", "multi30k_en_lm", "multi30k_en_de", "iwslt14_de_en", "iwslt15_en_vi"),
    "iwslt14_de_en_bpe",
]
SUBWORDS = ["iwslt14_de_en_bpe", "iwslt15_en_vi_bpe"]
ABSTRACT_FAMILIES = ["text2scene/abstract", "text2scene/abstract_cpu"]
COMPOSITE_FAMILIES = ["text2scene/composite_cpu", "text2scene/composite"]
COLLECT = runpy.run_path(str(CONF.parent / "experiments" / "collect.py"))


@functools.cache
def paper(name: str) -> dict[str, Any]:
    """An experiment's config at the size of its paper."""
    return compose_plain(Path("outputs"), f"experiment={name}")


def own(name: str) -> dict[str, Any]:
    """An experiment's own file, without those that it builds on."""
    return OmegaConf.to_container(OmegaConf.load(CONF / "experiment" / f"{name}.yaml"))


def flat(config: Any, place: str = "") -> Iterator[tuple[str, Any]]:
    """The values of a nested config by their keys, ``model.encoder.layers``."""
    if not isinstance(config, dict):
        yield place, config
        return
    for key, value in config.items():
        yield from flat(value, f"{place}.{key}" if place else key)


def changes(one: str, other: str) -> set[str]:
    """Keys in which two experiments differ, except names and published scores."""
    ours, theirs = (dict(flat(paper(name))) for name in (one, other))
    keys = {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}
    return {key for key in keys if key.split(".")[0] not in ("name", "published")}


def language(words: int) -> dict[str, Any]:
    """A language of this many words, special symbols included."""
    vocabulary = Vocabulary.count([map(str, range(words))], max_size=words)
    return Language(choose("whitespace", "en"), vocabulary).state()


def net_on_paper(name: str, source: int, target: int) -> torch.nn.Module:
    """An experiment's net at its published size on the meta device, for this many words on each side."""
    sides = {"source": language(source), "target": language(target), "language": language(target)}
    with torch.device("meta"):
        return build_task(paper(name), {**sides, "source_eos": False}).model


def classes(name: str) -> tuple[tuple[str, str], ...]:
    """The classes of an experiment's task, data, net and recipe, except attention, which test_configs.py and
    test_scene_task.py train with every net.
    """
    parts = ("task", "data", "model", "canvas", "patch_encoder", "optimizer", "schedule")
    said = [(key, value) for key, value in flat(paper(name)) if key.endswith("_target_")]
    return (("task", paper(name)["task"]["name"]), *sorted(x for x in said if x[0].split(".")[0] in parts))


def families(names: list[str]) -> list[str]:
    """The first of each group of experiments with the same classes."""
    return list({classes(name): name for name in reversed(names)}.values())


# Every file


@pytest.mark.slow
def test_all_that_an_experiment_builds_exists() -> None:
    built = {value for name in EXPERIMENTS for key, value in flat(paper(name)) if key.endswith("._target_")}
    assert len(built) > 30
    assert [value for value in built if not callable(hydra.utils.get_object(value))] == []


def test_the_parts_of_a_net_fit_together_at_their_published_sizes() -> None:
    sizes = {name: sum(p.numel() for p in net_on_paper(name, 100, 120).parameters()) for name in TEXT}
    assert [name for name, size in sizes.items() if size <= 100_000] == []


def is_published(name: str, entry: dict[str, Any]) -> bool:
    """A published score has a system, a source, a scored test set, and scores known to the tables."""
    scores = entry.keys() - {"system", "source", "test"}
    tested = entry.get("test", "gold") in {"gold", *paper(name)["data"].get("tests", [])}
    said = entry.get("system") and entry.get("source") and scores and scores <= COLLECT["SCORES"].keys()
    numbers = (entry[s] for s in scores)
    return bool(tested and said) and all(
        isinstance(number, float) or re.fullmatch(r"> \d+\.\d+", number) for number in numbers
    )


def test_published_scores_have_a_system_a_source_and_a_test_set_that_is_scored() -> None:
    entries = [(name, entry) for name in EXPERIMENTS for entry in own(name).get("published", [])]
    assert len(entries) > 20
    assert [pair for pair in entries if not is_published(*pair)] == []


def test_the_file_says_how_to_run_it_and_the_run_is_named_after_it() -> None:
    wrong = []
    for name in EXPERIMENTS:
        text = (CONF / "experiment" / f"{name}.yaml").read_text(encoding="utf-8")
        told = f"python src/train.py experiment={name}\n" in text
        named = own(name)["name"] == name.replace("/", "_")
        if not name.endswith("/recipe") and not (told and named):  # others build on a recipe
            wrong.append(name)
    assert wrong == []


def test_a_run_keeps_the_name_of_its_experiment_and_what_was_published() -> None:
    kept = {name: (paper(name)["name"], paper(name)["published"]) for name in EXPERIMENTS}
    said = {name: (own(name)["name"], own(name).get("published", [])) for name in EXPERIMENTS}
    assert kept == said


# The papers


DROPOUT = {"model.encoder.dropout", "model.decoder.dropout", "schedule.start", "trainer.max_epochs"}
WMT15 = {"data.source", "data.target", "data.train", "data.val"} | {
    f"data.tests.newstest201{year}" for year in (4, 5)
}


@pytest.mark.parametrize(
    ("row", "next_row", "added"),
    [
        ("table1_base", "table1_reverse", {"model.encoder.reverse_source"}),
        ("table1_reverse", "table1_dropout", DROPOUT),
        ("table1_dropout", "table1_location", {"attention._target_", "attention.max_length"}),
        ("table1_location", "table1_location_feed", {"model.decoder.input_feeding"}),
        ("table1_reverse", "table3_base", WMT15),
        ("table3_base", "table3_location", {"attention._target_", "attention.max_length"}),
        ("table3_location", "table3_location_feed", {"model.decoder.input_feeding"}),
    ],
)
def test_a_row_of_luong_adds_to_the_one_above_what_the_table_says(
    row: str, next_row: str, added: set[str]
) -> None:
    assert changes(f"luong2015/{row}", f"luong2015/{next_row}") == added


@pytest.mark.parametrize(
    "name", [n for n in EXPERIMENTS if "/table4_" in n] + ["luong2015/table1_local_p_feed"]
)
def test_architectures_of_luong_differ_in_their_attention_alone(name: str) -> None:
    differing = changes("luong2015/table1_location_feed", name)
    assert {key.split(".")[0] for key in differing} <= {"attention"}
    assert bool(differing) == (name != "luong2015/table4_location")


@pytest.mark.parametrize("kind", ["location", "local_m_general", "local_p_general"])
def test_alignment_error_is_that_of_the_models_of_table_4(kind: str) -> None:
    assert not changes(f"luong2015/table4_{kind}", f"luong2015/table6_{kind}")


def test_the_two_lstms_of_sutskever_differ_in_how_they_read_the_source() -> None:
    differing = changes("sutskever2014/table1_forward", "sutskever2014/table1_reversed")
    assert differing == {"model.encoder.reverse_source"}


def test_sutskever_has_384_million_parameters_of_which_64_recurrent() -> None:
    name = "sutskever2014/table1_reversed"
    net = net_on_paper(name, *paper(name)["data"]["max_size"])
    recurrent = sum(p.numel() for side in (net.encoder, net.decoder) for p in side.rnn.parameters())
    assert round(recurrent / 1e6) == 64
    assert round(sum(p.numel() for p in net.parameters()) / 1e6) == 384


# Small runs


def write_data(data: dict[str, Any]) -> None:
    """Writes a few lines to every file of a data set, under its published name."""
    words = ["a", "dog", "sees", "the", "ball", "and", "a", "boy", "sees", "it"]
    lines = [" ".join((words * 2)[start : start + 3 + start % 5]) for start in range(len(words))]
    text = "".join(f"{line}\n" for line in lines).encode()
    for name in read_files(data):
        path = Path(data["root"]) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)


def test_there_is_a_small_run_of_each_family() -> None:
    assert families(TEXT) == TEXT_FAMILIES
    assert families([name for name in SCENES if "/abstract" in name]) == ABSTRACT_FAMILIES
    assert families([name for name in SCENES if "/composite" in name]) == COMPOSITE_FAMILIES


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TEXT_FAMILIES, "iwslt15_en_vi_bpe"])
def test_every_family_of_texts_trains_validates_and_tests_on_a_few_lines(name: str, tmp_path: Path) -> None:
    small = ["debug=tiny", "trainer=cpu", "trainer.enable_progress_bar=false", "search.max_length=4"]
    small += ["data.vocabulary_size=24", "data.batch_size=64"] if name in SUBWORDS else []
    places = [f"paths.data={tmp_path}", f"paths.cache={tmp_path}/cache"]
    config = compose_plain(tmp_path, f"experiment={name}", *small, *places)
    write_data(config["data"])
    filter_warnings()
    torch.manual_seed(1)
    data = build(config["data"], "data")
    data.prepare_data()
    data.setup()
    task = build_task(config, data.description())
    trainer = make_trainer(
        {**config["trainer"], "enable_model_summary": False},
        callbacks=[],
        logger=False,
        enable_checkpointing=False,
        default_root_dir=tmp_path,
    )
    before = torch.nn.utils.parameters_to_vector(task.parameters()).detach().clone()
    trainer.fit(task, datamodule=data)
    assert 1 <= trainer.global_step <= 2
    assert not torch.equal(before, torch.nn.utils.parameters_to_vector(task.parameters()))
    assert math.isfinite(trainer.callback_metrics[config["monitor"]["metric"]])
    (scores,) = trainer.test(task, dataloaders=data.test_dataloader()[0], verbose=False)
    perplexity = scores[f"test/{task.test_name}/perplexity"]
    assert 1 < perplexity < 100  # of some ten words


@pytest.mark.slow
@pytest.mark.parametrize("name", ABSTRACT_FAMILIES)
def test_every_family_of_abstract_scenes_trains_and_writes_scenes(
    name: str, park_scenes: Path, tmp_path: Path
) -> None:
    small = [
        "debug=tiny_scenes",
        "trainer=cpu",
        "gallery=2",
        "trainer.enable_progress_bar=false",
        "data.word_vectors=null",
    ]
    small += [f"data.root={park_scenes}", f"paths.cache={tmp_path}/cache", "data.batch_size=4"]
    if paper(name)["canvas"]["_target_"].endswith("PictureCanvas"):
        small += [
            "canvas.weights=none",
            "canvas.trunk=squeezenet1_1",
            "canvas.layer=features.3",
            "canvas.side=64",
        ]
    config = compose_plain(tmp_path, f"experiment={name}", *small)
    filter_warnings()
    data = build(config["data"], "data")
    data.prepare_data()
    data.setup()
    task = build_task(config, data.description())
    trainer = make_trainer(
        {**config["trainer"], "enable_model_summary": False},
        callbacks=[],
        logger=False,
        enable_checkpointing=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(task, datamodule=data)
    assert math.isfinite(trainer.callback_metrics[config["monitor"]["metric"]])
    results = evaluate_task(trainer, task, data, build_reports(config["reports"]), tmp_path / "scored")
    assert 0 <= results["test"]["u_precision"] <= 1
    assert len((tmp_path / "scored" / "test.scenes.jsonl").read_text().splitlines()) == 8
    assert (tmp_path / "scored" / "test.gallery" / "index.html").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("name", COMPOSITE_FAMILIES)
def test_every_family_of_composites_trains_and_writes_composites(
    name: str, park_photos: Path, tmp_path: Path
) -> None:
    small = [
        "debug=tiny_scenes",
        "trainer=cpu",
        "gallery=2",
        "trainer.enable_progress_bar=false",
        "data.word_vectors=null",
    ]
    small += [f"data.root={park_photos}", "data.photos=.", "data.min_thing=0.001", "data.min_count=1"]
    small += ["data.side=32", "data.batch_size=4", "canvas.side=32", "canvas.widths=[4,4,8]"]
    small += ["patch_encoder.hidden=8", f"paths.cache={tmp_path}/cache"]
    if paper(name)["data"]["val_images"]:
        small.append("data.val_images=3")
    if paper(name)["data"]["encoder"]:
        tiny = {"trunk": "squeezenet1_1", "layer": "features.3", "weights": "none", "size": 64}
        small += [f"++data.encoder.{key}={value}" for key, value in tiny.items()]
    config = compose_plain(tmp_path, f"experiment={name}", *small)
    filter_warnings()
    data = build(config["data"], "data")
    data.prepare_data()
    data.setup()
    task = build_task(config, data.description())
    trainer = make_trainer(
        {**config["trainer"], "enable_model_summary": False},
        callbacks=[],
        logger=False,
        enable_checkpointing=False,
        default_root_dir=tmp_path,
    )
    trainer.fit(task, datamodule=data)
    assert trainer.global_step == 2
    assert math.isfinite(trainer.callback_metrics[config["monitor"]["metric"]])
    results = evaluate_task(trainer, task, data, build_reports(config["reports"]), tmp_path / "scored")
    assert 0 <= results["test"]["u_precision"] <= 1
    written = (tmp_path / "scored" / "test.scenes.jsonl").read_text().splitlines()
    assert len(written) == len(data.scene_ids("test"))


def test_a_composite_model_is_of_the_papers_size(tmp_path: Path) -> None:
    """A 32 x 32 map at stride 1, 294 planes read by 98 filters, 163 outputs per location."""
    config = paper("text2scene/composite")
    heads = {name: Head(config["heads"][name]["classes"]) for name in ("size", "aspect")}
    names, grid = tuple(f"class {k}" for k in range(95)), Grid(32, 32, LEAST, LEAST, MOST, MOST)
    looks = Appearance(**config["heads"]["appearance"])
    schema = Schema(names, grid, heads, 11, 1, canvas=(1.0, 1.0), things=80, appearance=looks)
    texts = SceneTexts(Language(Words(frozenset()), Vocabulary.count([list("abc")])), 1, 13)
    told = {"texts": texts.state(), "schema": schema.state(), "features": 2048, "pictures": None}
    with torch.device("meta"):
        task = build_task(config, told)
    decoder = task.model.decoder
    assert decoder.size == (32, 32) and decoder.canvas.output_size == 392
    assert decoder.canvas.first.weight.shape == (98, 3, 7, 7)
    assert task.model.patch_encoder.output[0].weight.shape == (256, 256 + 2048)
    assert task.model.patch_encoder.output[2].weight.shape == (128, 256)
    where = decoder.attribute_decoder
    outputs = where.places[0].out_channels, where.attributes.out_channels, where.appearance.out_channels
    assert outputs == (1, 17 + 17, 128)


def test_a_row_of_text2scene_adds_to_the_one_before_what_the_table_says() -> None:
    rows = [
        f"text2scene/abstract{row}" for row in ("_no_attention", "_object_attention", "_both_attentions", "")
    ]
    added = [{key.split(".")[0] for key in changes(*pair)} for pair in pairwise(rows)]
    assert added == [{"attention", "model"}, {"attribute_attention"}, {"loss"}]


@pytest.mark.parametrize("model", NMT_TAKES["model"])
def test_a_rehearsal_keeps_layers_and_directions(tmp_path: Path, model: str) -> None:
    whole, tiny = (
        dict(flat(compose_plain(tmp_path, "task=nmt", f"model={model}", *debug)))
        for debug in ((), ("debug=tiny",))
    )
    sizes = {key for key in whole if whole[key] != tiny[key] and key.startswith("model.")}
    assert {key.split(".")[-1] for key in sizes} == {"embedding_size", "hidden_size"}


# Measured next to published scores


def test_collect_sets_what_came_out_beside_what_was_published(tmp_path: Path) -> None:
    run, evaluation = tmp_path / "run", tmp_path / "evaluation"
    for folder, config in (
        (run, {"published": own("luong2015/table1_local_p_feed")["published"]}),
        (evaluation, {"ckpt": [str(run), "another"]}),
    ):
        (folder / ".hydra").mkdir(parents=True)
        (folder / ".hydra" / "config.yaml").write_text(json.dumps(config))
    (run / "metrics.json").write_text(json.dumps({"newstest2014": {"perplexity": 6.123, "bleu_tok": 18.5}}))
    (evaluation / "metrics.json").write_text(json.dumps({"newstest2014": {"bleu_tok_replaced": 20.0}}))
    table = COLLECT["comparison"]({"trained": [run], "replaced": [evaluation]})
    system = "+ local-p attention (general) + feed input"
    for row in (
        f"| trained | newstest2014 | perplexity | 5.9 | 6.12 | {system} | Table 1 |",
        "| trained | newstest2014 | BLEU (tokens) | 19.0 | 18.50 |",
        "| replaced | newstest2014 | BLEU (tokens), unknown words replaced | 20.9 | 20.00 | + unk replace |",
        "| replaced | newstest2014 | BLEU (tokens) | 19.0 |  |",
    ):
        assert row in table


def test_runs_of_which_nothing_was_published_have_no_such_table(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(json.dumps({"test": {"perplexity": 18.5}}))  # of a language model
    assert COLLECT["comparison"]({"mine": [tmp_path]}) is None
    assert "| mine | test | 18.50 |" in COLLECT["scores"]({"mine": [tmp_path]})


def test_what_stands_beside_the_scores_of_captions_has_rows_of_its_own(tmp_path: Path) -> None:
    scores = {"bleu_4": 20.0, "cider": 0.5, "human_line": {"bleu_4": 19.0, "cider": 0.8125}}
    (tmp_path / "metrics.json").write_text(json.dumps({"val": scores}))
    table = COLLECT["scores"]({"soft": [tmp_path]})
    assert "| soft | val | 20.00 | 0.500 |" in table and "| soft, human line | val | 19.00 | 0.812 |" in table
