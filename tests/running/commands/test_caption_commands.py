"""The entry points with a captioner, as users run them: training, evaluation beside baselines, generation."""

import json
from pathlib import Path

import pytest

from captioned_photos import write_coco
from entry_points import run
from small_captioner import SMALL
from wandb_records import check_dashboard

pytestmark = pytest.mark.slow

QUIET = ["trainer=cpu", "trainer.enable_progress_bar=false"]


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("captions")
    write_coco(folder / "data" / "coco_captions")
    return folder


@pytest.fixture(scope="module")
def command(work: Path):
    """Runs an entry point on the small data."""
    return lambda script, *arguments: run(script, *arguments, work=work)


@pytest.fixture(scope="module")
def trained(command, work: Path) -> Path:
    """The folder of a finished run."""
    small = ["data=coco_captions", "data.min_count=1", "debug=once", "search.max_extra=5", "logger=wandb"]
    command("train.py", *SMALL, *QUIET, *small)
    (folder,) = (work / "outputs" / "captioning").iterdir()
    return folder


def test_a_run_leaves_captions_people_s_scores_and_samples(trained: Path) -> None:
    metrics = json.loads((trained / "metrics.json").read_text())["test"]
    assert metrics["human_line"]["bleu_1"] > metrics["bleu_1"]
    assert len((trained / "test.captions.jsonl").read_text().splitlines()) == 2
    assert len(list((trained / "samples").glob("*_line_*.png"))) == 2
    assert (trained / "curves.png").is_file()
    assert "samples/line_1/path" in check_dashboard(trained, "val/cider").history


def test_evaluation_adds_baselines_and_pictures_and_else_says_the_same(
    trained: Path, command, work: Path
) -> None:
    said = command("evaluate.py", f"ckpt={trained}", *QUIET, "baselines=true", "pictures=2")
    assert "people" in said and "nearest" in said
    (folder,) = (work / "outputs" / "evaluate").iterdir()
    before, after = (json.loads((run / "metrics.json").read_text())["test"] for run in (trained, folder))
    assert {key: after[key] for key in before} == before
    assert after.keys() - before.keys() == {"most_frequent_caption", "nearest_image"}
    assert len(list((folder / "test.captions").glob("*.png"))) == 2


def test_generation_says_what_evaluation_said(trained: Path, command, work: Path) -> None:
    folder = work / "data" / "coco_captions" / "images" / "val2017"
    lines = command("generate.py", f"ckpt={trained}", f"image={folder}").splitlines()
    told = {Path(file).name: caption for file, caption in (line.split("\t") for line in lines)}
    assert len(told) == 4
    for line in (trained / "test.captions.jsonl").read_text().splitlines():
        row = json.loads(line)
        assert told[row["image"]] == row["caption"]
