"""What an evaluation of captions tells: the captions in order, people by the same scores, and baselines."""

import json
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from captioned_photos import COLOURS, TOLD, write_coco
from seq2scene.building import build
from seq2scene.errors import UserError
from seq2scene.metrics.caption_words import caption_words
from seq2scene.metrics.cider import CiderD
from seq2scene.metrics.human_agreement import human_line
from seq2scene.reports.captioning.caption_baselines import (
    CaptionBaselines,
    most_frequent_caption,
    nearest_rows,
)
from seq2scene.reports.captioning.caption_pictures import CaptionPictures
from seq2scene.reports.captioning.captions import Captions
from seq2scene.reports.report import ScoredSet
from seq2scene.reports.tables import show_results
from seq2scene.running.callbacks.samples import Samples
from seq2scene.running.commands.evaluation import evaluate_task
from seq2scene.running.processes.trainers import make_trainer
from seq2scene.tasks.captioning import FREE_RUNNING, Caption
from small_captioner import SMALL, small_captioner
from small_meteor import stand_in

pytestmark = pytest.mark.slow


@pytest.fixture
def ready(composed, tmp_path: Path):
    """An untrained captioner, four photos of which two are for tests, and a trainer."""
    write_coco(tmp_path / "coco_captions")
    options = [*SMALL, "trainer=cpu", "trainer.enable_progress_bar=false", "search.max_extra=3"]
    options += ["data.tokenizer=whitespace", f"paths.data={tmp_path}", f"paths.cache={tmp_path}/cache"]
    cfg = composed("train", *options, "logger={}", "callbacks={}")
    parts = ("task", "image_encoder", "model", "attention", "loss", "val_search", "search", "data", "trainer")
    config = {key: OmegaConf.to_container(cfg[key], resolve=True) for key in parts}
    task, data = small_captioner(config), build(config["data"], "data")
    data.use({"language": task.language.state(), "language_code": "en"})
    data.setup()
    trainer = make_trainer(config["trainer"], logger=False, enable_checkpointing=False)
    return trainer, task, data


def scored(ready) -> ScoredSet:
    """The test set before anything was captioned."""
    _, task, data = ready
    return ScoredSet(task=task, data=data, device=task.device, name="test")


def test_captions_are_written_with_their_photos_and_people_are_scored_beside(ready, tmp_path: Path) -> None:
    trainer, task, data = ready
    results = evaluate_task(trainer, task, data, [Captions()], tmp_path / "run")
    lines = [json.loads(line) for line in (tmp_path / "run" / "test.captions.jsonl").read_text().splitlines()]
    assert [line["image"] for line in lines] == [f"{1:012}.png", f"{3:012}.png"]
    assert [line["references"] for line in lines] == [list(texts) for texts in data.references("test")]
    for line in lines:
        assert len(line["caption"].split()) == 3 and line["log_prob"] < 0
    written = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert written == results and {*FREE_RUNNING, "perplexity"} <= results["test"].keys()
    people = results["test"]["human_line"]
    assert people.keys() == set(FREE_RUNNING)
    assert people["cider"] == pytest.approx(human_line(CiderD(), data.references("test")))


def test_meteor_joins_the_scores_and_a_failure_of_it_costs_none(
    ready, tmp_path: Path, monkeypatch, capsys
) -> None:
    trainer, task, data = ready
    report = Captions(meteor_jar=str(stand_in(tmp_path, monkeypatch)))
    report.check(task)
    found = evaluate_task(trainer, task, data, [report], tmp_path)["test"]
    people = [found[kind]["meteor"] for kind in ("human_line", "another_image")]
    assert all(0 <= score <= 100 for score in (found["meteor"], *people))
    report.show({})
    assert capsys.readouterr().out == ""
    (tmp_path / "bin" / "java").write_text("#!/bin/sh\necho no memory >&2")
    found = evaluate_task(trainer, task, data, [report], tmp_path)["test"]
    assert "meteor" not in found and found["human_line"].keys() == set(FREE_RUNNING)
    report.show({})
    assert "METEOR failed: no memory; the scores are without METEOR" in capsys.readouterr().out


def test_a_model_that_says_what_people_say_scores_as_its_captions_do(ready, tmp_path: Path) -> None:
    trainer, task, data = ready
    results = evaluate_task(trainer, task, data, [Captions()], tmp_path)
    lines = (tmp_path / "test.captions.jsonl").read_text().splitlines()
    captions = [json.loads(line)["caption"] for line in lines]
    metric = CiderD()
    metric.update(captions, data.references("test"))
    assert results["test"]["cider"] == pytest.approx(float(metric.compute()))


def test_baselines_copy_people_and_the_nearest_photo_is_the_same_photo(ready) -> None:
    test, baselines = scored(ready), CaptionBaselines()
    baselines.score(test)
    # training photos are those of the test set, so the first caption of each is among its references
    assert test.scores["nearest_image"]["bleu_1"] == pytest.approx(100)
    assert test.scores["nearest_image"]["rouge_l"] == pytest.approx(100)
    assert test.scores["most_frequent_caption"]["bleu_1"] < 100
    again = scored(ready)
    baselines.score(again)
    assert again.scores == test.scores  # nothing is left in the metrics


def test_the_most_frequent_caption_is_counted_as_scores_read_it() -> None:
    told = [["A dog.", "a cat", "two"], ["a dog", "A  cat ."], ["A dog !"]]
    assert most_frequent_caption(told) == "a dog" == " ".join(caption_words("A dog."))


def test_the_nearest_is_by_angle_not_by_distance() -> None:
    known = torch.tensor([[10.0, 0.0], [1.0, 1.1], [0.0, -1.0]])
    wanted = torch.tensor([[0.5, 0.1], [8.0, 8.0], [0.1, -9.0]])
    assert nearest_rows(wanted, known).tolist() == [0, 1, 2]


def test_captions_of_several_ranks_stand_in_the_order_of_their_images(ready) -> None:
    _, task, _ = ready
    found = [Caption(2, "c", -1.0), Caption(0, "a", -2.0), Caption(1, "b", -3.0)]
    assert [caption.text for caption in task.in_order(found)] == ["a", "b", "c"]


def test_comparisons_stand_below_their_test_set(ready, tmp_path: Path, capsys) -> None:
    trainer, task, data = ready
    reports = [Captions(), CaptionBaselines()]
    results = evaluate_task(trainer, task, data, reports, tmp_path)
    capsys.readouterr()
    show_results(results, task, reports)
    rows = [line.split()[0] for line in capsys.readouterr().out.splitlines()[1:6]]
    assert rows == ["test", "people", "shuffled", "frequent", "nearest"]


def test_pictures_are_spread_over_the_set_and_bear_the_photo_s_name(ready, tmp_path: Path) -> None:
    CaptionPictures(5).write(scored(ready), tmp_path)
    files = sorted((tmp_path / "test.captions").iterdir())
    assert [file.name for file in files] == [f"000{row}_{photo:012}.png" for row, photo in enumerate((1, 3))]
    for file, colour in zip(files, (COLOURS[1], COLOURS[3]), strict=True):
        pixels = Image.open(file).convert("RGB")
        first = pixels.getpixel((60, pixels.height // 2))  # the first panel is the photo itself
        assert all(abs(a - b) <= 8 for a, b in zip(first, colour, strict=True))


def test_a_captioner_without_attention_cannot_be_drawn(ready) -> None:
    _, task, _ = ready
    CaptionPictures(1).check(task)
    task.model.decoder.attention = None
    with pytest.raises(UserError, match="caption_pictures: this model has no attention"):
        CaptionPictures(1).check(task)


def test_samples_follow_the_same_photos_with_a_table_and_overlays(ready, tmp_path: Path) -> None:
    _, task, data = ready

    class Pretend:
        """Just enough of a trainer for a callback."""

        sanity_checking, global_step, loggers, datamodule = False, 7, (), data

    Samples(str(tmp_path / "samples"), lines=2, pictures=1).on_validation_end(Pretend(), task)
    files = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert files == ["step_000007.csv", "step_000007_line_1.png"]
    header, *rows = (tmp_path / "samples" / "step_000007.csv").read_text().splitlines()
    assert header == "number,photo,reference,caption,log_prob"
    assert [row.split(",")[1] for row in rows] == [f"{0:012}.png", f"{2:012}.png"]
    assert TOLD[0][0] in rows[0]
