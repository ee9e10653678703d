"""Language models from the command line: trained, scored and resumed, of sentences and of streams."""

import json
import random
from pathlib import Path

import pytest
import torch

from entry_points import command, run
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.tasks.loading import task_of
from test_commands import rows, runs, weights
from wandb_records import check_dashboard

pytestmark = pytest.mark.slow

SMALL = [
    "task=lm",
    "data=plain_text",
    "data.language=en",
    "data.tokenizer=whitespace",
    "data.train=train",
    "data.val=val",
    "+data.tests.test=test",
    "data.batch_size=8",
    "data.window=6",
    "model.decoder.embedding_size=16",
    "model.decoder.hidden_size=16",
    "model.decoder.tied=true",
    "trainer.enable_progress_bar=false",
    "trainer.accelerator=cpu",
    "optimizer.lr=0.01",
]


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """Lines that count upwards from anywhere, around and around: a b c, f g h a b ..."""
    folder, rng = tmp_path_factory.mktemp("work"), random.Random(0)
    for split, count in (("train", 200), ("val", 30), ("test", 31)):
        starts = [(rng.randrange(8), rng.randrange(3, 9)) for _ in range(count)]
        lines = [" ".join("abcdefgh"[(start + n) % 8] for n in range(size)) for start, size in starts]
        (folder / split).write_text("".join(f"{line}\n" for line in lines))
    return folder


def train(work: Path, name: str, *options: str) -> Path:
    run("train.py", *SMALL, f"data.root={work}", f"name={name}", *options, work=work)
    return runs(work, name)[-1]


def assert_same_weights(one: Path, other: Path) -> None:
    ours, theirs = weights(one / "last.ckpt"), weights(other / "last.ckpt")
    for name, value in ours.items():
        torch.testing.assert_close(value, theirs[name], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("by", ["sentences", "stream"])
def test_it_learns_the_text_and_evaluation_repeats_its_perplexity(work: Path, by: str) -> None:
    loggers = ["logger=all"] if by == "sentences" else []
    folder = train(work, by, f"data.batch_by={by}", "trainer.max_epochs=3", "optimizer.lr=0.03", *loggers)
    scores = json.loads((folder / "metrics.json").read_text())["test"]
    assert (
        scores["perplexity"] < 3 and scores["perplexity_words"] < 3
    )  # of eight letters, the next is certain
    assert (folder / "curves.png").stat().st_size > 0
    samples = rows(sorted((folder / "samples").glob("*.csv"))[-1])
    assert len(samples) == 8 and samples[0].keys() == {"number", "text", "log_prob"}
    if loggers:
        check_dashboard(folder, "val/perplexity")
    run("evaluate.py", f"ckpt={folder}", "trainer.enable_progress_bar=false", work=work)
    again = json.loads((runs(work, "evaluate")[-1] / "metrics.json").read_text())["test"]
    assert again == pytest.approx(scores, rel=1e-5)
    texts = run("generate.py", f"ckpt={folder}", "text=c d", "n_best=3", "search=sample", work=work)
    assert [line.split("\t")[0] for line in texts.splitlines()] == ["1"] * 3
    assert all(line.split("\t")[2].startswith("c d") for line in texts.splitlines())
    assert len(run("generate.py", f"ckpt={folder}", "search=greedy", work=work).splitlines()) == 1
    task = task_of(load_checkpoint(folder / "best.ckpt"))
    counting, jumping = task.log_probs(["a b c d", "a c b d"])
    assert counting > jumping + 3


@pytest.mark.parametrize(("by", "devices"), [("sentences", 1), ("stream", 2)])
def test_a_run_resumed_within_an_epoch_goes_on_exactly(work: Path, by: str, devices: int) -> None:
    name = f"{by}_{devices}"
    options = [f"data.batch_by={by}", f"trainer.devices={devices}", "test=false", "trainer.max_epochs=2"]
    options += ["callbacks.last.every_n_train_steps=5", "~logger", "~callbacks.samples"]
    whole = train(work, f"whole_{name}", *options)
    part = train(work, f"part_{name}", f"trainer.max_steps={30 // devices}", *options)
    checkpoint = load_checkpoint(part / "last.ckpt")
    assert len(checkpoint["stream_states"]) == devices and bool(checkpoint["stream_states"][0]) == (
        by == "stream"
    )
    run("train.py", f"resume={part}", "trainer.max_steps=-1", "~logger", work=work)
    assert_same_weights(whole, runs(work, f"part_{name}")[-1])


def test_two_processes_read_streams_as_one_does(work: Path) -> None:
    options = ["data.batch_by=stream", "test=false", "model.decoder.dropout=0", "data.eval_streams=2"]
    options += ["trainer.max_epochs=1", "optimizer=sgd", "optimizer.lr=0.1"]
    one = train(work, "one", *options)
    two = train(work, "two", *options, "data.batch_size=4", "trainer.devices=2")
    assert_same_weights(one, two)
    ours, theirs = ([row for row in rows(f / "metrics.csv") if row["val/perplexity"]] for f in (one, two))
    assert float(ours[-1]["val/perplexity"]) == pytest.approx(float(theirs[-1]["val/perplexity"]), rel=1e-4)


def test_a_choice_without_a_meaning_is_refused_before_data_is_loaded(work: Path) -> None:
    done = command("train.py", "task=lm", "data=park", "data.root=/nowhere", work=work)
    assert done.returncode == 2
    assert "error: data=park has no meaning with task=lm; choose one of" in done.stderr
    assert "Traceback" not in done.stderr
