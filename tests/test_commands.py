"""The entry points as users run them: real commands on a small corpus of reversed words."""

import csv
import json
import random
from pathlib import Path

import pytest
import torch

from entry_points import command, run
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.running.callbacks.samples import TRANSLATIONS
from seq2scene.tasks.loading import task_of
from wandb_records import check_dashboard, tables

pytestmark = pytest.mark.slow

SMALL = [
    "model.encoder.embedding_size=16",
    "model.encoder.hidden_size=12",
    "model.decoder.embedding_size=16",
    "model.decoder.hidden_size=20",
    "data.tokenizer=whitespace",
    "trainer.enable_progress_bar=false",
    "trainer.accelerator=cpu",
]


def write_corpus(folder: Path) -> None:
    """Words to be written backwards: a task with a known answer and an anti-diagonal alignment."""
    rng = random.Random(0)
    for split, count in (("train", 150), ("val", 20), ("test", 21)):
        lines = [[rng.choice("abcdefgh") for _ in range(rng.randint(2, 7))] for _ in range(count)]
        for side, texts in (("x", lines), ("y", [line[::-1] for line in lines])):
            (folder / f"{split}.{side}").write_text("".join(" ".join(text) + "\n" for text in texts))


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    write_corpus(folder)
    return folder


def data(work: Path) -> list[str]:
    files = {split: f"[{work}/{split}.x,{work}/{split}.y]" for split in ("train", "val", "test")}
    return [
        "task=nmt",
        "data=text_files",
        f"data.train={files['train']}",
        f"data.val={files['val']}",
        f"+data.tests.test={files['test']}",
        "data.source=en",
        "data.target=de",
        "data.batch_size=16",
    ]


def runs(work: Path, name: str) -> list[Path]:
    return sorted((work / "outputs" / name).iterdir())


def train(work: Path, name: str, *arguments: str, fresh: bool = False) -> Path:
    """The folder of a finished run."""
    run("train.py", *data(work), *SMALL, f"name={name}", *arguments, work=work, fresh=fresh)
    return runs(work, name)[-1]


@pytest.fixture(scope="module")
def trained(work: Path) -> Path:
    options = ["trainer.max_epochs=3", "optimizer.lr=0.01", "logger=all", "trainer.log_every_n_steps=2"]
    return train(work, "base", *options, fresh=True)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(path)["state_dict"]


def rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_run_leaves_what_it_promises(trained: Path) -> None:
    for name in (
        "best.ckpt",
        "last.ckpt",
        "metrics.csv",
        "curves.png",
        "metrics.json",
        "test.hypotheses.txt",
    ):
        assert (trained / name).stat().st_size > 0, name
    scores = json.loads((trained / "metrics.json").read_text())["test"]
    assert {"bleu", "bleu_tok", "chrf", "perplexity", "perplexity_words", "signature"} <= scores.keys()
    assert scores["perplexity"] < 10  # twelve words, and it learns
    columns = rows(trained / "metrics.csv")[0].keys()
    assert {
        "train/loss",
        "val/perplexity",
        "val/bleu_tok",
        "train/tokens_per_second",
        "train/gradient_norm",
    } <= columns
    assert len(list((trained / "samples").glob("step_*.csv"))) == 3
    assert len(list((trained / "samples").glob("*.png"))) == 9
    assert (trained / "hparams.yaml").read_text().count("git:") == 1


def test_weights_and_biases_and_tensorboard_hold_curves_tables_and_heat_maps(trained: Path) -> None:
    found = check_dashboard(trained, "val/bleu_tok")
    assert {"val/perplexity", "train/perplexity", "speed/tokens_per_second"} <= found.history.keys()
    for table in (added := tables(found, "samples/table")):
        assert table["columns"] == ["step", *TRANSLATIONS, "picture"] and len(table["data"]) == 8
    assert len(added) == 3
    assert len(list(found.folder.glob("files/media/images/samples/line_1_*.png"))) == 3
    assert list(trained.glob("events.out.tfevents.*"))


def test_evaluation_repeats_the_scores_of_training(trained: Path, work: Path) -> None:
    said = run("evaluate.py", f"ckpt={trained}", "trainer.enable_progress_bar=false", work=work)
    again = runs(work, "evaluate")[-1]
    ours, theirs = (json.loads((folder / "metrics.json").read_text())["test"] for folder in (trained, again))
    assert ours.keys() == theirs.keys()
    for name in ours.keys() - {"signature"}:
        assert ours[name] == pytest.approx(theirs[name], rel=1e-4), name
    hypotheses = (trained / "test.hypotheses.txt").read_text()
    assert (again / "test.hypotheses.txt").read_text() == hypotheses and hypotheses.count("\n") == 21
    assert not list(again.glob("*align*")) and not list(again.glob("*replaced*"))  # only by choice
    assert "align" not in said and "replaced" not in said


def test_generation_writes_what_evaluation_wrote_line_by_line(trained: Path, work: Path) -> None:
    out = work / "generated.txt"
    run("generate.py", f"ckpt={trained}", f"file={work}/test.x", f"out={out}", work=work)
    assert out.read_text() == (trained / "test.hypotheses.txt").read_text()


def test_empty_lines_stay_in_their_places(trained: Path, work: Path) -> None:
    arguments = (
        f"ckpt={trained}",
        "search=greedy",
        "search.min_length=1",
    )  # an empty line stays empty all the same
    said = run("generate.py", *arguments, work=work, stdin="a b c\n\nd e f\n")
    lines = said.split("\n")
    assert len(lines) == 4 and lines[0] and lines[1] == "" and lines[2] and lines[3] == ""


def test_n_best_with_scores_and_pictures(trained: Path, work: Path) -> None:
    pictures = work / "pictures"
    said = run(
        "generate.py", f"ckpt={trained}", "text=a b c d", "n_best=3", f"pictures={pictures}", work=work
    )
    found = [line.split("\t") for line in said.splitlines()]
    assert [row[0] for row in found] == ["1"] * 3 and len({row[2] for row in found}) == 3
    assert (pictures / "line_1.png").stat().st_size > 1000


def test_a_checkpoint_translates_as_the_task_that_saved_it(trained: Path) -> None:
    checkpoint = load_checkpoint(trained / "best.ckpt")
    task, again = task_of(checkpoint), task_of(checkpoint)
    source = task.source.batch(["a b c", "h g"])
    ours, theirs = task.translate(source), again.translate(source)
    assert torch.equal(ours.tokens, theirs.tokens) and torch.equal(ours.scores, theirs.scores)
    assert checkpoint["overrides"] and checkpoint["hyper_parameters"]["config"]["task"]["name"] == "nmt"


def test_two_processes_train_as_one(work: Path) -> None:
    """With unequal numbers of target tokens in their batches."""
    options = [
        "test=false",
        "optimizer=sgd",
        "schedule=constant",
        "model.encoder.dropout=0",
        "trainer.max_steps=5",
        "data.max_length=7",
        "~logger",
    ]
    one = train(work, "one", *options, "data.batch_size=30")
    two = train(work, "two", *options, "data.batch_size=15", "trainer.devices=2")
    ours, theirs = weights(one / "last.ckpt"), weights(two / "last.ckpt")
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-4, atol=1e-6)


def test_a_sweep_is_runs_of_their_own(work: Path) -> None:
    run(
        "train.py",
        *(
            "-m",
            *data(work),
            *SMALL,
            "name=sweep",
            "trainer.max_epochs=1",
            "test=false",
            "~logger",
            "attention=none,location",
        ),
        work=work,
    )
    (sweep,) = runs(work, "sweep")
    assert len(list(sweep.glob("*/best.ckpt"))) == 2


def fails(work: Path, *arguments: str, script: str = "train.py") -> str:
    """What a command that must fail says."""
    before = {path: path.stat().st_mtime_ns for path in (work / "outputs").rglob("*.ckpt")}
    done = command(script, *arguments, work=work)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr, done.stderr
    assert before == {path: path.stat().st_mtime_ns for path in (work / "outputs").rglob("*.ckpt")}
    return done.stderr + done.stdout


def test_a_choice_that_is_none_fails_with_the_list_of_good_ones(work: Path) -> None:
    said = fails(work, "attention=cosine")
    assert "cosine" in said and all(name in said for name in ("concat", "dot", "general", "location", "none"))


def test_bad_values_and_files_are_refused_before_any_work(work: Path) -> None:
    assert "optimizer.lr=abc: it must be a number of more than 0" in fails(
        work, *data(work), *SMALL, "optimizer.lr=abc"
    )
    said = fails(work, "task=nmt", "data=multi30k", "data.root=/nowhere")
    assert "python src/prepare.py data=multi30k" in said
    said = fails(work, *data(work), *SMALL, "trainer.precision=64")
    assert "it must be one of 32-true, bf16-mixed, 16-mixed" in said
    short = work / "short.y"
    short.write_text("".join((work / "train.y").read_text().splitlines(keepends=True)[:-1]))
    said = fails(work, *data(work), *SMALL, f"data.train=[{work}/train.x,{short}]")
    assert "error: " in said and "150" in said and "149" in said


def test_bad_checkpoints_are_refused(trained: Path, work: Path) -> None:
    cut = work / "cut.ckpt"
    cut.write_bytes((trained / "best.ckpt").read_bytes()[:20000])
    assert "damaged" in fails(work, f"ckpt={cut}", script="evaluate.py")
    assert "damaged" in fails(work, f"resume={cut}")
    assert "no checkpoint at" in fails(work, f"ckpt={work}/none.ckpt", "text=a", script="generate.py")


def test_help_names_every_group(work: Path) -> None:
    said = run("train.py", "--help", work=work)
    for group in (
        "task",
        "attention",
        "data",
        "model",
        "search",
        "optimizer",
        "schedule",
        "trainer",
        "logger",
    ):
        assert f"\n{group}: " in said, group
    assert ", luong2015/table1_base, " in said  # as it is typed
    assert "\nprepare: " not in said  # of another command
