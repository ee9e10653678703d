"""Runs of inpainters: what training writes, what a checkpoint holds, how test sets are scored."""

import csv
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from entry_points import run as run_entry_point
from seq2scene.building import build
from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.errors import UserError
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.models.loading import load_inpainter
from seq2scene.reports.scene.unchanged_composites import UnchangedComposites
from seq2scene.running.callbacks.inpainting import TABLE, draw_mending
from seq2scene.running.commands.evaluation import evaluate_task
from seq2scene.running.processes.trainers import filter_warnings, make_trainer
from seq2scene.tasks.loading import load_task
from wandb_records import check_dashboard

pytestmark = pytest.mark.slow

SMALL = [
    "task=inpainting",
    "debug=once",
    "data=coco_inpainting",
    "data.composites.photos=.",
    "data.composites.min_thing=0.001",
    "data.composites.min_count=1",
    "data.composites.side=16",
    "data.composites.photo_side=24",
    "data.composites.fetch=null",
    "data.side=16",
    "data.batch_size=4",
    "model=inpainter_small",
    "model.widths=[6,8]",
    "model.depths=[1,1]",
    "model.decoder_widths=[8,8,6]",
    "trainer=cpu",
    "trainer.enable_progress_bar=false",
    "callbacks.samples.lines=2",
    "callbacks.samples.pictures=1",
    "test=false",
    "logger=wandb",
    "name=inpainter",
]


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    shutil.move(ensure_photos(folder, train=12, val=3), folder / "photos")
    return folder


@pytest.fixture(scope="module")
def run(work: Path) -> Path:
    """The folder of a run of two steps."""
    run_entry_point("train.py", *SMALL, f"data.root={work}/photos", work=work)
    (folder,) = (work / "outputs" / "inpainter").iterdir()
    return folder


def test_a_run_draws_composites_and_what_became_of_them(run: Path) -> None:
    (table,) = (run / "samples").glob("*.csv")
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert list(rows[0]) == TABLE and len(rows) == 2
    assert 0 < float(rows[0]["composite_error"]) < 255 and 0 <= float(rows[0]["label_accuracy"]) <= 1
    (picture,) = (run / "samples").glob("*_line_1.png")
    with Image.open(picture) as opened:
        assert opened.width > 300
    assert (run / "curves.png").is_file()
    assert {"val/psnr", "samples/line_1/path"} <= check_dashboard(run, "val/error").history.keys()


def test_a_checkpoint_holds_what_an_inpainter_needs_and_no_trunk(run: Path) -> None:
    checkpoint = load_checkpoint(run / "best.ckpt")
    assert all(name.startswith("model.net.") for name in checkpoint["state_dict"])
    model = load_inpainter(run)
    assert not model.training and model.side == 16 and model.net.classes == 3 + len(model.names)


def test_test_sets_are_scored_beside_the_composites_as_they_were(work: Path, run: Path, tmp_path) -> None:
    parts = load_checkpoint(run / "best.ckpt")["hyper_parameters"]
    data = build(parts["config"]["data"], "data")
    data.use(parts["description"])
    data.prepare_data()
    data.setup("test")
    filter_warnings()
    settings = {**parts["config"]["trainer"], "limit_test_batches": 1.0}
    trainer = make_trainer(settings, callbacks=[], logger=False, enable_checkpointing=False)
    results = evaluate_task(trainer, load_task([run / "best.ckpt"]), data, [UnchangedComposites()], tmp_path)
    assert results["test"].keys() == {"error", "psnr", "label_accuracy", "composite"}
    assert results["test"]["composite"].keys() == {"error", "psnr", "label_accuracy"}
    assert 0 < results["test"]["composite"]["label_accuracy"] <= 1
    assert (tmp_path / "metrics.json").is_file()


def test_three_pictures_stand_side_by_side(run: Path) -> None:
    task = load_task([run / "best.ckpt"])
    data = build(load_checkpoint(run / "best.ckpt")["hyper_parameters"]["config"]["data"], "data")
    data.setup()
    mending = task.mend(data.sample("val", np.arange(2)))
    picture = draw_mending(mending, task.inpaint(mending.composite).pictures.detach(), 1)
    assert picture.dtype == np.uint8 and picture.shape[1] > 2 * picture.shape[0]


# What is refused


def test_an_inpainter_of_other_classes_is_refused(run: Path) -> None:
    task = load_inpainter(run)
    assert load_inpainter(run / "best.ckpt", task.names).names == task.names
    with pytest.raises(UserError, match=r"inpainter=.*object classes differ from the 2"):
        load_inpainter(run, ("dog", "cat"))


def test_a_checkpoint_of_another_task_is_refused(models) -> None:
    with pytest.raises(UserError, match=r"inpainter=.* task=nmt; give one of task=inpainting"):
        load_inpainter(models.a)
