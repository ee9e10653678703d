"""The entry points with scenes, as users run them: real commands on a few of the park's scenes."""

import csv
import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image

from entry_points import command, run
from seq2scene.data.park.scenes_writing import ensure_scenes
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.running.callbacks.samples import SCENES
from test_commands import fails, runs
from wandb_records import check_dashboard, offline_run, tables

pytestmark = pytest.mark.slow

# No chance and no batch statistics, so that runs can be held against each other.
PLAIN = [
    "model.encoder.dropout=0",
    "model.decoder.dropout=0",
    "model.decoder.batch_norm=false",
    "optimizer=sgd",
    "optimizer.lr=0.05",
    "optimizer.momentum=0.9",
    "schedule=constant",
]


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    shutil.move(ensure_scenes(folder, train=40, val=8, test=8), folder / "scenes")
    return folder


def data(root: Path) -> list[str]:
    return ["experiment=text2scene/park", "debug=tiny_scenes", "data=abstract_scenes", f"data.root={root}"]


def train(work: Path, name: str, *arguments: str) -> Path:
    """The folder of a finished run of two steps an epoch."""
    small = ["trainer.accelerator=cpu", "trainer.enable_progress_bar=false", f"name={name}"]
    run("train.py", *data(work / "scenes"), *small, *PLAIN, *arguments, work=work)
    return runs(work, name)[-1]


@pytest.fixture(scope="module")
def trained(work: Path) -> Path:
    """Two epochs, all that is logged and written."""
    options = ["trainer.max_epochs=2", "logger=all", "callbacks.samples.pictures=1"]
    return train(work, "base", "data.batch_size=8", *options)


@pytest.fixture(scope="module")
def half(work: Path) -> Path:
    """The first of the two epochs alone."""
    options = ["trainer.max_epochs=1", "test=false", "~callbacks.samples"]
    return train(work, "half", "data.batch_size=8", "monitor.metric=val/faithfulness_all", *options)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(path)["state_dict"]


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_leaves_what_it_promises(trained: Path) -> None:
    pictures = ("curves.png", "samples/step_000004_line_1.png")
    for name in ("best.ckpt", "last.ckpt", "metrics.csv", "metrics.json", "test.scores.csv", *pictures):
        assert (trained / name).stat().st_size > 0, name
    for name in pictures:
        with Image.open(trained / name) as picture:
            assert min(picture.size) > 100
    written = lines((trained / "test.scenes.jsonl").read_text())
    assert [row["sample"] for row in written] == list(range(16))  # eight scenes, each told twice
    assert [row["scene"] for row in written] == [48 + sample // 2 for sample in range(16)]
    for row, scores in zip(written, table(trained / "test.scores.csv"), strict=True):
        assert len(row["sentences"]) == 3 and len(row["objects"]) <= 9 and row["truth"]
        assert {"class", "x", "y", "size", "flip"} <= row["truth"][0].keys()
        for name, value in row["scores"].items():
            assert scores[name] == ("" if value is None else str(value))
            assert value is None or 0 <= value <= 1
    page = (trained / "test.gallery" / "index.html").read_text()
    shown = sorted(path.name for path in (trained / "test.gallery").glob("[0-9]*.png"))
    assert len(shown) == 2 * 3 and all(name in page for name in shown)
    samples = table(trained / "samples" / "step_000004.csv")
    assert list(samples[0]) == SCENES and len(samples) == 8


def test_the_scores_of_a_run_are_the_means_over_its_scenes(trained: Path) -> None:
    scores = json.loads((trained / "metrics.json").read_text())["test"]
    rows = table(trained / "test.scores.csv")
    names = ("u_precision", "u_recall", "u_coord", "size", "flip", "pose", "expression")
    for name in (*names, "faithfulness_duplicates"):
        mean = sum(float(row[name]) for row in rows) / len(rows)
        assert scores[name] == pytest.approx(mean, abs=1e-4), name
    told = [float(row["b_recall"]) for row in rows if row["b_recall"]]  # empty: the mean leaves it out
    mean = sum(told) / len(told)
    assert scores["b_recall"] == pytest.approx(mean, abs=1e-4)
    assert {"faithfulness", "faithfulness_relation", "faithfulness_relation_strict"} <= rows[0].keys()
    assert scores["faithfulness_relation_strict"] <= scores["faithfulness_relation"] <= 1


def test_weights_and_biases_hold_scenes_as_table_and_as_strips(trained: Path) -> None:
    found = check_dashboard(trained, "val/score")
    for table in (added := tables(found, "samples/table")):
        assert table["columns"] == ["step", *SCENES, "picture"] and len(table["data"]) == 8
    assert len(added) == 2 and len(list(found.folder.glob("files/media/images/samples/line_1_*.png"))) == 2
    assert {"val/u_recall", "faithfulness/relation", "nll/place"} <= found.history.keys()
    assert list(trained.glob("events.out.tfevents.*"))


def test_weights_and_biases_hold_what_is_taken_for_what(trained: Path) -> None:
    found = offline_run(trained)
    objects, poses = (tables(found, f"confusion/{name}_table")[-1]["data"] for name in ("object", "pose"))
    steps = sum(count for *_, count in objects)
    children = sum(count for true, _, count in objects if true.startswith(("Mike", "Jenny", "hb")))
    assert 0 < children == sum(count for *_, count in poses) < steps


def test_evaluation_repeats_the_scores_and_the_scenes_of_training(trained: Path, work: Path) -> None:
    run("evaluate.py", f"ckpt={trained}", "gallery=0", "trainer.enable_progress_bar=false", work=work)
    again = runs(work, "evaluate")[-1]
    ours, theirs = (json.loads((folder / "metrics.json").read_text()) for folder in (trained, again))
    assert ours.keys() == theirs.keys() == {"test"}
    assert ours["test"] == pytest.approx(theirs["test"], rel=1e-5)
    for ours, theirs in zip(
        *(lines((folder / "test.scenes.jsonl").read_text()) for folder in (trained, again)), strict=True
    ):
        assert ours.pop("log_prob") == pytest.approx(theirs.pop("log_prob"), abs=1e-3)
        assert ours == theirs
    assert not (again / "test.gallery").exists()


def test_the_best_checkpoint_may_be_chosen_by_the_facts_that_hold(half: Path) -> None:
    callbacks = load_checkpoint(half / "best.ckpt")["callbacks"]
    (best,) = (state for name, state in callbacks.items() if name.startswith("Best"))
    (row,) = (row for row in table(half / "metrics.csv") if row["val/faithfulness_all"])
    assert best["monitor"] == "val/faithfulness_all"
    assert float(best["best_model_score"]) == pytest.approx(float(row["val/faithfulness_all"]))


def test_a_resumed_run_ends_where_an_uninterrupted_one_does(trained: Path, half: Path, work: Path) -> None:
    run("train.py", f"resume={half}", "trainer.max_epochs=2", work=work)
    resumed = runs(work, "half")[-1]
    assert resumed != half
    ours, theirs = weights(trained / "last.ckpt"), weights(resumed / "last.ckpt")
    before = weights(half / "last.ckpt")
    assert any(not torch.equal(value, before[name]) for name, value in ours.items())
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-5, atol=1e-7)
    whole, end = (
        [row for row in table(folder / "metrics.csv") if row["val/loss"]][-1] for folder in (trained, resumed)
    )
    for name in ("val/loss", "val/score", "val/u_coord"):
        assert float(whole[name]) == pytest.approx(float(end[name]), rel=1e-4)


def test_two_processes_train_as_one(half: Path, work: Path) -> None:
    """With unequal numbers of objects in their batches."""
    options = ["trainer.max_epochs=1", "test=false", "~callbacks.samples"]
    two = train(work, "two", "data.batch_size=4", "trainer.devices=2", *options)
    ours, theirs = weights(half / "last.ckpt"), weights(two / "last.ckpt")
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-4, atol=1e-6)
    whole, shared = (
        next(row for row in table(folder / "metrics.csv") if row["val/loss"]) for folder in (half, two)
    )
    for name in ("val/nll_place", "val/score"):  # each process has validated half of the scenes
        assert float(whole[name]) == pytest.approx(float(shared[name]), rel=1e-4)


STORY = "Mike is happy. Jenny is next to the tree. The dog is running."


def test_each_line_becomes_a_line_of_json_whatever_it_says(trained: Path, work: Path) -> None:
    long = " ".join(["Mike", "is", "happy", "and"] * 50) + "."
    texts = [STORY, "", "Mike is happy.", "Xylophones zzz qqq.", long]
    done = command("generate.py", f"ckpt={trained}", work=work, stdin="".join(f"{t}\n" for t in texts))
    assert done.returncode == 0, done.stderr
    found = lines(done.stdout)
    assert [len(one["sentences"]) for one in found] == [3, 0, 1, 1, 1]
    assert [bool(one["objects"]) for one in found] == [True, False, True, False, True]
    assert found[0]["sentences"] == ["Mike is happy.", "Jenny is next to the tree.", "The dog is running."]
    for one in (found[1], found[3]):
        assert one["objects"] == [] and one["log_prob"] == 0
    for number in (2, 4):
        assert f"text {number}: no word that the model knows, so an empty scene" in done.stderr
    assert "text 4: unknown to the model and left out: xylophones zzz qqq" in done.stderr
    for number in (1, 3, 5):
        assert f"text {number}:" not in done.stderr
    for one in found:
        for placed in one["objects"]:
            assert 1 <= placed["x"] <= 499 and 1 <= placed["y"] <= 399 and placed["size"] in (0, 1, 2)
            assert ("pose" in placed) == placed["class"].startswith("hb")


def broken(work: Path, name: str) -> Path:
    """A copy of the scenes in which something is wrong."""
    root = work / name
    shutil.copytree(work / "scenes", root)
    return root


def cut_a_line(root: Path) -> str:
    path = root / "Scenes_10020.txt"
    whole = path.read_text().splitlines()
    number = next(n for n, line in enumerate(whole) if len(line.split()) == 7)
    whole[number] = whole[number].rsplit(maxsplit=1)[0]
    path.write_text("\n".join(whole) + "\n")
    return f"Scenes_10020.txt, line {number + 1}: an object has 7 fields"


def lose_a_picture(root: Path) -> str:
    (root / "Pngs" / "t_3s.png").unlink()
    return "t_3s.png"


@pytest.mark.parametrize("harm", [cut_a_line, lose_a_picture], ids=lambda harm: harm.__name__)
def test_broken_data_is_one_line_that_says_where(work: Path, harm) -> None:
    root = broken(work, harm.__name__)
    expected = harm(root)
    said = fails(work, *data(root), "trainer.accelerator=cpu", "data.fetch=null").strip().splitlines()
    errors = [line for line in said if line.startswith("error: ")]
    assert len(errors) == 1 and expected in errors[0]
