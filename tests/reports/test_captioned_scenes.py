"""Layouts and composites told by a captioner: true ones best, and only by a captioner that can read them."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from seq2scene.building import build
from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.errors import UserError
from seq2scene.reports.captioning.caption_baselines import CaptionBaselines
from seq2scene.reports.captioning.caption_pictures import CaptionPictures
from seq2scene.reports.captioning.captions import Captions, another
from seq2scene.reports.report import ScoredSet
from seq2scene.reports.scene.captioned_scenes import CaptionedScenes, Teller, load_captioner, score_captions
from seq2scene.reports.tables import show_results
from seq2scene.running.callbacks.samples import Samples
from seq2scene.running.commands.caption_generation import generate_captions
from seq2scene.running.commands.evaluation import evaluate_task
from seq2scene.running.processes.trainers import filter_warnings, make_trainer
from seq2scene.scenes.objects import Objects
from seq2scene.tasks.captioning import FREE_RUNNING, Captioning
from seq2scene.tasks.loading import build_task
from seq2scene.tasks.scenes import Result
from small_captioner import SMALL, save, small_captioner
from small_composites import COMPOSITE
from test_configs import compose_plain

pytestmark = pytest.mark.slow

LAYOUT = [
    "task=layout",
    "model=text2scene_mini",
    "debug=tiny_scenes",
    "data=coco_layout",
    "data.min_area=0.002",
]
CAPTIONER = [
    "task=layout_captioning",
    "data=coco_layout_captions",
    "data.val_images=null",
    "data.sources={train: val2017, val: val2017, test: val2017}",
    "data.min_area=0.002",
    "data.tokenizer=whitespace",
    "model.annotations={size: 32, output_size: 16, dropout: 0}",
    "model.initial_range=null",
    "model.decoder.embedding_size=16",
    "model.decoder.hidden_size=32",
    "search=greedy",
    "search.max_extra=16",
]
COMMON = ["data.min_count=1", "trainer=cpu", "trainer.limit_test_batches=1.0"]


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """A folder with a few photos of the park."""
    folder = tmp_path_factory.mktemp("work")
    shutil.move(ensure_photos(folder, train=12, val=6), folder / "photos")
    filter_warnings()
    return folder


def composed(work: Path, *options: str) -> dict[str, Any]:
    places = [f"data.root={work}/photos", f"paths.cache={work}/cache"]
    config = compose_plain(work, *options, *COMMON, *places)
    config["trainer"] |= {"enable_progress_bar": False, "enable_model_summary": False}
    return config


def prepared(config: dict[str, Any]) -> Any:
    data = build(config["data"], "data")
    data.prepare_data()
    data.setup()
    return data


@pytest.fixture(scope="module")
def layouts(work: Path):
    """An untrained model of layouts, and its data."""
    config = composed(work, *LAYOUT)
    data = prepared(config)
    torch.manual_seed(0)
    return build_task(config, data.description()).eval(), data


@pytest.fixture(scope="module")
def captioner(work: Path) -> Captioning:
    """It has learnt a caption of each test photo's layout by heart."""
    config = composed(work, *CAPTIONER)
    data = prepared(config)
    torch.manual_seed(0)
    task = build_task(config, data.description())
    optimizer = torch.optim.Adam(task.parameters(), lr=0.02)
    (batch,) = data.val_dataloader()
    for _ in range(200):
        optimizer.zero_grad()
        loss = task.loss(batch)
        (loss.total / loss.normaliser).backward()
        optimizer.step()
    save(task.eval(), work / "captioner.ckpt")
    return task


def written(data: Any, order: list[int] | None = None) -> list[Result]:
    """True scenes as if a model had written them in two batches, one of them twice; in another ``order``
    those of other samples.
    """
    truth = data.truth("test")
    rows = torch.arange(len(truth))
    shown = truth if order is None else truth[torch.tensor(order)]
    halves = [rows[: len(rows) // 2 + 1], rows[len(rows) // 2 :]]
    return [Result(some, shown[some], torch.zeros(len(some), 1), {}) for some in halves]


def test_what_is_told_of_true_layouts_scores_best_and_of_others_worse(layouts, captioner) -> None:
    task, data = layouts
    teller, ids = Teller(captioner, task, data, "test"), data.scene_ids("test")
    scores, _ = score_captions(teller, written(data))
    kinds = ("generated", "true", "shuffled", "human_line")
    assert scores.keys() == {f"captions_{kind}" for kind in kinds}
    assert scores["captions_generated"] == scores["captions_true"]
    assert scores["captions_true"]["cider"] > 2 * scores["captions_shuffled"]["cider"]
    order = sorted(range(len(ids)), key=lambda row: -ids[row])  # those of other photos
    worse, _ = score_captions(teller, written(data, order))
    assert worse["captions_true"] == scores["captions_true"]
    assert worse["captions_generated"]["cider"] < scores["captions_true"]["cider"]


def test_samples_stand_in_their_order_with_all_captions_of_their_photo(layouts, captioner) -> None:
    task, data = layouts
    _, lines = score_captions(Teller(captioner, task, data, "test"), written(data))
    texts, ids = data.texts("test"), data.scene_ids("test")
    assert [line["sample"] for line in lines] == list(range(len(texts)))
    assert [line["scene"] for line in lines] == ids
    for line, (text,) in zip(lines, texts, strict=True):
        assert text in line["references"] and len(line["references"]) == ids.count(line["scene"])
        assert line["generated"] == line["true"] != ""


def test_shares_of_several_processes_make_the_whole(layouts, captioner) -> None:
    task, data = layouts
    teller, found = Teller(captioner, task, data, "test"), written(data)
    rows = list(range(len(data.texts("test"))))
    whole = teller.written(found, rows)["generated"]
    parts = [teller.written(found, rows[rank::3])["generated"] for rank in range(3)]
    assert {row: text for part in parts for row, text in part.items()} == whole
    assert teller.written(found, []) == teller.true([]) == {}


def test_an_evaluation_has_the_scores_under_a_key_and_in_a_table(
    layouts, captioner, work: Path, tmp_path: Path, capsys
) -> None:
    task, data = layouts
    trainer = make_trainer(task.config["trainer"], logger=False, enable_checkpointing=False)
    report = CaptionedScenes(str(work / "captioner.ckpt"))
    report.check(task)
    results = evaluate_task(trainer, task, data, [report], tmp_path)
    found = {key: value for key, value in results["test"].items() if key.startswith("captions_")}
    assert len(found) == 4
    lines = (tmp_path / "test.captions.jsonl").read_text().splitlines()
    assert [json.loads(line)["sample"] for line in lines] == list(range(len(data.texts("test"))))
    assert json.loads((tmp_path / "metrics.json").read_text()) == results
    assert all(scores.keys() == set(FREE_RUNNING) for scores in found.values())
    capsys.readouterr()
    show_results(results, task, [report])
    said = capsys.readouterr().out
    assert (
        f"{found['captions_true']['cider']:.3f}" in said
        and "test, generated" in said
        and "test, people" in said
    )


# The captioner of layouts by itself


def test_captions_of_layouts_are_scored_beside_baselines_and_those_of_other_layouts(
    captioner, work: Path, tmp_path: Path
) -> None:
    config = composed(work, *CAPTIONER)
    data = build(config["data"], "data")
    data.use(captioner.description)
    data.setup()
    trainer = make_trainer(config["trainer"], logger=False, enable_checkpointing=False)
    results = evaluate_task(trainer, captioner, data, [Captions(), CaptionBaselines()], tmp_path)
    scores = results["test"]
    assert scores["cider"] > 2 * scores["another_image"]["cider"]
    # its training layouts are those of the test set, so the nearest to each is itself
    assert scores["nearest_image"]["bleu_1"] == pytest.approx(100)
    lines = [json.loads(line) for line in (tmp_path / "test.captions.jsonl").read_text().splitlines()]
    assert [line["image"] for line in lines] == [str(number) for number in data.scenes.splits["test"].numbers]


def test_where_a_captioner_looked_is_drawn_over_the_layout(captioner, work: Path, tmp_path: Path) -> None:
    data = prepared(composed(work, *CAPTIONER))
    test = ScoredSet(task=captioner, data=data, device=captioner.device, name="test")
    CaptionPictures(2).write(test, tmp_path)
    numbers = data.scenes.splits["test"].numbers
    files = sorted((tmp_path / "test.captions").iterdir())
    assert [file.name for file in files] == [f"0000_{numbers[0]}.png", f"0005_{numbers[5]}.png"]

    class Pretend:
        """Just enough of a trainer for a callback."""

        sanity_checking, global_step, loggers, datamodule = False, 7, (), data

    Samples(str(tmp_path / "samples"), lines=3, pictures=1).on_validation_end(Pretend(), captioner)
    assert (tmp_path / "samples" / "step_000007_line_1.png").is_file()
    rows = (tmp_path / "samples" / "step_000007.csv").read_text().splitlines()[1:]
    assert len(rows) == 3 and rows[0].startswith(f"1,{numbers[0]},")


def test_photos_are_not_for_a_captioner_of_layouts(captioner) -> None:
    cfg = OmegaConf.create({"image": "photo.jpg", "scene": None, "text": None, "file": None})
    with pytest.raises(UserError, match=r"this captioner reads layouts, not photos; python src/evaluate\.py"):
        generate_captions(cfg, captioner.model)


def test_another_is_never_the_same_and_each_is_anothers_once() -> None:
    for count in (2, 3, 50):
        others = another(count)
        assert sorted(others) == list(range(count)) and all(a != b for a, b in enumerate(others))


# Which captioner


def test_a_captioner_of_other_classes_or_of_photos_is_refused_by_name(layouts, captioner, work: Path) -> None:
    task, _ = layouts
    path = work / "captioner.ckpt"
    assert load_captioner(path, task).schema.names == task.schema.names
    photos = save(small_captioner(composed(work, *SMALL)), work / "photos.ckpt")
    with pytest.raises(UserError, match=rf"captioner={photos}: .*task=captioning; give one of task=layout_c"):
        load_captioner(photos, task)
    saved = torch.load(path)
    told = saved["hyper_parameters"]["description"]["schema"]
    told["names"] = told["names"][::-1]
    torch.save(saved, work / "other.ckpt")
    with pytest.raises(UserError, match=r"other\.ckpt: its \d+ object classes differ from the"):
        load_captioner(work / "other.ckpt", task)


def test_what_makes_no_layouts_is_told_to_leave_a_captioner_out(captioner, work: Path) -> None:
    with pytest.raises(UserError, match="task=layout_captioning makes no scenes"):
        load_captioner(work / "captioner.ckpt", captioner)


# Composites


def test_composites_are_told_as_pictures_and_so_are_their_photos(work: Path) -> None:
    config = composed(work, *COMPOSITE)
    data = prepared(config)
    torch.manual_seed(0)
    task = build_task(config, data.description()).eval()
    task.build_retrieval_index()
    path = save(small_captioner(composed(work, *SMALL)), work / "photos.ckpt")
    with pytest.raises(UserError, match="give one of task=captioning"):
        load_captioner(save_as_layouts(work, path), task)
    captioner = load_captioner(path, task)
    teller, rows = Teller(captioner, task, data, "test"), [0, 5]
    truth = data.truth("test")[torch.tensor(rows)]
    nothing = replace(truth, patches=torch.full_like(truth.classes, -1), classes=truth.classes * 0)
    found = [Result(torch.tensor(rows), as_written(nothing), torch.zeros(2, 1), {})]
    told = teller.written(found, rows) | teller.true(rows)
    assert told.keys() == {"generated", "true", "photo"}
    assert all(list(texts) == rows for texts in told.values())


def as_written(objects: Objects) -> Objects:
    return replace(objects, extents=None)


def save_as_layouts(work: Path, path: Path) -> Path:
    """A captioner's checkpoint that says it is of layouts."""
    saved = torch.load(path)
    saved["hyper_parameters"]["config"]["task"]["name"] = "layout_captioning"
    torch.save(saved, work / "layouts.ckpt")
    return work / "layouts.ckpt"
