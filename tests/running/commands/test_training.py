"""Training ends with its last state saved, validated and tested, and resumes as if uninterrupted."""

import csv
import json
import random
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from seq2scene.errors import UserError
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.running.commands import training
from seq2scene.running.commands.training import _train
from test_configs import compose_plain

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

SMALL = [
    "task=nmt",
    "debug=tiny",
    "data=text_files",
    "data.source=en",
    "data.target=de",
    "data.batch_size=16",
    "data.tokenizer=whitespace",
    "trainer=cpu",
    "trainer.enable_progress_bar=false",
    "trainer.enable_model_summary=false",
    "trainer.limit_train_batches=1.0",
    "trainer.limit_val_batches=1.0",
    "trainer.max_epochs=3",
    "optimizer.lr=0.01",
    "callbacks.early_stopping.patience=50",
    "monitor.metric=val/perplexity",
    "monitor.mode=min",  # improves at every validation, here
    "~callbacks.samples",
    "test=false",
]
STILL = "monitor.mode=max"  # the first is the best
EPOCH = 4  # steps
Run = Callable[..., Path]


@pytest.fixture(scope="module", autouse=True)
def undrawn() -> Iterator[None]:
    """Curves are drawn in test_commands.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "draw_curves", lambda *_: np.zeros((1, 1, 3), np.uint8))
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[str]:
    folder, chance = tmp_path_factory.mktemp("words"), random.Random(0)
    for split, count in (("train", 64), ("val", 20), ("test", 8)):
        lines = [[chance.choice("abcdefgh") for _ in range(chance.randint(2, 7))] for _ in range(count)]
        for side, texts in (("x", lines), ("y", [line[::-1] for line in lines])):
            (folder / f"{split}.{side}").write_text("".join(" ".join(text) + "\n" for text in texts))
    names = {"data.train": "train", "data.val": "val", "+data.tests.test": "test"}
    cache = f"paths.cache={folder / 'cache'}"
    return [cache, *(f"{key}=[{folder}/{name}.x,{folder}/{name}.y]" for key, name in names.items())]


@pytest.fixture(scope="module")
def run(files: list[str], tmp_path_factory) -> Run:
    """Trains in this process, once per set of arguments: the run's folder."""

    @cache
    def train(*overrides: str, start: Path | None = None) -> Path:
        folder = tmp_path_factory.mktemp("run")
        config = compose_plain(folder, *SMALL, *files, *overrides)
        _train(config, [*SMALL, *files, *overrides], folder, None if start is None else start / "last.ckpt")
        return folder

    return train


@pytest.fixture
def latest(tmp_path_factory) -> Callable[[], Path]:
    """The folder of the run that began last."""
    return lambda: max(tmp_path_factory.getbasetemp().glob("run*"), key=lambda path: path.stat().st_ctime)


def kept(run: Path, name: str) -> dict[str, Any]:
    return load_checkpoint(run / f"{name}.ckpt")


def stand(run: Path) -> dict[str, Any]:
    """A run's final state, except its weights."""
    last, best = kept(run, "last"), kept(run, "best")
    (stopping,) = (state for key, state in last["callbacks"].items() if key.startswith("EarlyStopping"))
    (chosen,) = (state for key, state in best["callbacks"].items() if key.startswith("Best"))
    return {
        "epoch, step": (last["epoch"], last["global_step"]),
        "best": (best["global_step"], pytest.approx(float(chosen["current_score"]))),
        "waited": stopping["wait_count"],
        "rate": last["optimizer_states"][0]["param_groups"][0]["lr"],
        "schedule": last["lr_schedulers"][0]["last_epoch"],
    }


def validations(run: Path) -> list[tuple[str, float]]:
    with open(run / "metrics.csv", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["val/perplexity"]]
    return [(row["step"], pytest.approx(float(row["val/perplexity"]))) for row in rows]


def assert_same_weights(one: Path, other: Path) -> None:
    for name in ("best", "last"):
        ours, theirs = (kept(run, name)["state_dict"] for run in (one, other))
        torch.testing.assert_close(ours, theirs, msg=lambda text, name=name: f"{name}.ckpt: {text}")


FALLING = ["schedule.threshold=0.9"]  # of the plateau: the rate falls at every epoch
HALVING = ["schedule=halving", "schedule.start=1"]
COUNTED = ["trainer.check_val_every_n_epoch=null", f"trainer.val_check_interval={EPOCH + 1}"]
HALVES = ["trainer.val_check_interval=0.5"]
PAUSES = ["trainer.check_val_every_n_epoch=2"]
STEPS = "trainer.max_steps={}"
NO_STEPS = STEPS.format(-1)


@pytest.mark.parametrize(
    ("plan", "until", "then"),
    [
        pytest.param(FALLING, "trainer.max_epochs=2", "trainer.max_epochs=3", id="epochs"),
        pytest.param(HALVING, "trainer.max_epochs=2", STEPS.format(3 * EPOCH), id="epochs, then steps"),
        pytest.param([], STEPS.format(EPOCH + 2), NO_STEPS, id="within an epoch"),
        pytest.param([], STEPS.format(EPOCH + 2), STEPS.format(3 * EPOCH), id="steps"),
        pytest.param([], STEPS.format(2 * EPOCH), STEPS.format(3 * EPOCH), id="steps, a whole epoch"),
        pytest.param(COUNTED, STEPS.format(EPOCH), NO_STEPS, id="before a validation"),
        pytest.param(HALVES, STEPS.format(3 * EPOCH // 2), NO_STEPS, id="at a validation within an epoch"),
        pytest.param(PAUSES, "trainer.max_epochs=1", "trainer.max_epochs=3", id="between validations"),
        pytest.param(
            ["trainer.accumulate_grad_batches=2"], STEPS.format(EPOCH // 2 + 1), NO_STEPS, id="micro-batches"
        ),
    ],
)
def test_a_run_that_goes_on_ends_as_one_that_never_stopped(run: Run, plan, until: str, then: str) -> None:
    """Same weights and learning rate, best checkpoint, and early-stopping count."""
    whole = run(*plan)
    part = run(*plan, until)
    resumed = run(*plan, then, start=part)
    assert stand(resumed) == stand(whole)
    assert_same_weights(whole, resumed)
    assert validations(resumed) == validations(whole)[-len(validations(resumed)) :]


def test_the_best_stays_the_best_when_nothing_later_is_better(run: Run) -> None:
    first = run(STILL, "trainer.max_epochs=1")
    resumed = run(STILL, start=first)
    assert stand(resumed) == stand(run(STILL))
    assert kept(resumed, "best")["global_step"] == EPOCH and stand(resumed)["waited"] == 2
    again = run(STILL, "trainer.max_epochs=4", start=resumed)
    assert kept(again, "best")["global_step"] == EPOCH and stand(again)["waited"] == 3


def test_a_best_that_is_missing_or_not_of_the_run_s_past_is_told_and_not_taken(
    run: Run, tmp_path: Path, capsys
) -> None:
    shutil.copy(run(STILL, "trainer.max_epochs=2") / "last.ckpt", tmp_path)
    later = load_checkpoint(run(STILL) / "best.ckpt")
    later["global_step"] = 2 * EPOCH + 1
    torch.save(later, tmp_path / "later.ckpt")
    others = (tmp_path / "later.ckpt", run("trainer.max_epochs=1") / "best.ckpt")
    contents = (None, b"junk", *(path.read_bytes() for path in others))
    reasons = (
        "there is no best.ckpt next to",
        "damaged",
        "is from a later step",
        "not chosen by val/perp",
    )
    for content, reason in zip(contents, reasons, strict=True):
        if content is not None:
            (tmp_path / "best.ckpt").write_bytes(content)
        resumed = run(STILL, f"name='{reason}'", start=tmp_path)
        (told,) = [line for line in capsys.readouterr().out.splitlines() if "from now on" in line]
        assert reason in told and kept(resumed, "best")["global_step"] == 3 * EPOCH


def test_early_stopping_counts_on_with_the_patience_given_now(run: Run, capsys) -> None:
    stopped = run(STILL, "callbacks.early_stopping.patience=2", "trainer.max_epochs=9")
    assert "val/perplexity did not improve in 2 validations" in capsys.readouterr().out
    assert stand(stopped)["epoch, step"] == (2, 3 * EPOCH)
    resumed = run(STILL, "callbacks.early_stopping.patience=3", "trainer.max_epochs=9", start=stopped)
    assert stand(resumed)["epoch, step"] == (3, 4 * EPOCH)


@pytest.mark.parametrize(
    ("plan", "steps", "ended"),
    [
        (["trainer.check_val_every_n_epoch=5"], 3 * EPOCH, ""),
        (["trainer.max_steps=2"], 2, "training ended at step 2: trainer.max_steps=2"),
        (["trainer.val_check_interval=100", "trainer.check_val_every_n_epoch=null"], 3 * EPOCH, ""),
    ],
)
def test_the_last_state_is_saved_and_validated_and_the_best_is_tested(
    run: Run, capsys, plan: list[str], steps: int, ended: str
) -> None:
    folder = run(*plan, "test=true")
    said = capsys.readouterr().out
    assert kept(folder, "last")["global_step"] == steps
    assert int(validations(folder)[-1][0]) == steps
    assert kept(folder, "best")["global_step"] == steps  # it gets better and better
    assert "testing best.ckpt" in said and ended in said and ("training ended" in said) == bool(ended)
    assert json.loads((folder / "metrics.json").read_text())["test"]["perplexity"] > 1


def test_without_validation_the_last_state_is_tested(run: Run, capsys) -> None:
    folder = run("trainer.limit_val_batches=0", "trainer.max_epochs=1", "test=true")
    assert f"testing last.ckpt, epoch 0, step {EPOCH}: nothing was best" in capsys.readouterr().out
    assert (folder / "metrics.json").exists() and not (folder / "best.ckpt").exists()


def test_a_limit_of_time_is_an_ending_that_is_told(run: Run, capsys) -> None:
    folder = run("trainer.max_time=00:00:00:01", "trainer.max_epochs=9999")
    steps = kept(folder, "last")["global_step"]
    assert f"training ended at step {steps}: trainer.max_time is up" in capsys.readouterr().out


DIVERGING = ["schedule=halving", "schedule.start=1", "schedule.factor=1e38", "trainer.log_every_n_steps=1"]


def test_training_that_diverges_ends_so_and_its_best_state_is_tested(run: Run, capsys, latest) -> None:
    with pytest.raises(UserError, match=r"training diverged"):
        run(*DIVERGING, "test=true")
    folder, said = latest(), capsys.readouterr().out
    assert "training diverged at step" in said and "optimizer.lr" in said and "gradient_clip_val" in said
    assert "testing best.ckpt, epoch" in said and (folder / "metrics.json").exists()
    for name in ("best", "last"):
        assert all(torch.isfinite(weight).all() for weight in kept(folder, name)["state_dict"].values()), name


def test_training_that_diverges_at_once_is_an_error(run: Run) -> None:
    with pytest.raises(UserError, match=r"training diverged by step .* nothing is tested"):
        run("optimizer.lr=1e38", "test=true")


def test_perplexities_beyond_all_numbers_end_no_run(run: Run, capsys) -> None:
    folder = run("optimizer.lr=1e6", "test=true", "trainer.max_epochs=1")
    said = capsys.readouterr().out
    assert f"epoch 0, step {EPOCH}: val/perplexity is inf" in said and "testing last.ckpt" in said
    scores = json.loads((folder / "metrics.json").read_text(), parse_constant=pytest.fail)["test"]
    assert scores["perplexity"] is None


def test_a_metric_that_validation_does_not_give_is_refused_before_training(run: Run) -> None:
    with pytest.raises(UserError, match=r"does not log val/blue, which is monitored; it logs val/bleu,"):
        run("monitor.metric=val/blue")


def test_a_schedule_may_go_by_what_training_gives(run: Run) -> None:
    assert (run("schedule.monitor=train/loss", "trainer.max_epochs=1") / "best.ckpt").exists()
    with pytest.raises(UserError, match=r"schedule\.monitor=train/lost"):
        run("schedule.monitor=train/lost")


def test_an_interval_longer_than_an_epoch_is_refused_with_the_way_out(run: Run) -> None:
    with pytest.raises(UserError, match=rf"an epoch has {EPOCH} batches; .*check_val_every_n_epoch=null"):
        run("trainer.val_check_interval=100")


def test_a_run_with_nothing_left_to_do_has_its_checkpoints_all_the_same(run: Run) -> None:
    whole = run("trainer.max_epochs=2")
    again = run("trainer.max_epochs=2", start=whole)
    assert stand(again) == stand(whole)
    assert_same_weights(whole, again)


def test_a_new_run_starts_from_another_and_trains_a_part_of_it_and_resumes_exactly(run: Run, capsys) -> None:
    before = run("trainer.max_epochs=1")
    tuned = [f"init={before}", "freeze=[encoder.*]", "optimizer.lr_of={decoder.att*: 0.1}", *FALLING]
    capsys.readouterr()
    whole = run(*tuned, "trainer.max_epochs=2")
    said = capsys.readouterr().out
    assert f"init={before}: 22 of 22 weights are taken" in said and "target words: 8 of 8 are known" in said
    weights, (ours,) = kept(before, "best")["state_dict"], kept(whole, "last")["optimizer_states"]
    named = [name for name in weights if name.startswith("model.")]
    after = kept(whole, "last")["state_dict"]
    for name in named:
        assert torch.equal(after[name], weights[name]) == name.startswith("model.encoder."), name
    groups = {group["name"]: group for group in ours["param_groups"]}
    assert groups["decoder.att*"]["lr"] == pytest.approx(groups["others"]["lr"] / 10)
    assert groups["others"]["lr"] < 0.01  # the schedule has acted
    trained = [name for name in named if not name.startswith("model.encoder.")]
    assert len(ours["state"]) == len(trained)
    first = run(*tuned, "trainer.max_epochs=1")
    again = run(*tuned, "trainer.max_epochs=2", start=first)
    assert stand(again) == stand(whole)
    assert_same_weights(whole, again)


def test_rates_of_parts_are_refused_where_nothing_would_follow_them(run: Run) -> None:
    for rates, why in (
        ("{decodr.*: 0.1}", r"decodr\.\* matches none of the model's parameters: encoder"),
        ("{encoder.*: 0}", r"must be a number of more than 0; freeze=\[encoder\.\*\] trains none"),
        ("{encoder.*: 0.1}", "all parameters that it matches are frozen"),
    ):
        with pytest.raises(UserError, match=why):
            run(f"optimizer.lr_of={rates}", "freeze=[encoder.*]", "trainer.max_epochs=1")


def test_embeddings_start_from_word_vectors(run: Run, tmp_path: Path, capsys, caplog) -> None:
    caplog.set_level("INFO")
    path = tmp_path / "vectors.txt"
    path.write_text("".join(f"{word} {' '.join(['0.5'] * 16)}\n" for word in "abz"))
    folder = run(f"data.word_vectors=[null,{path}]", "freeze=[decoder.embedding.*]", "trainer.max_epochs=1")
    assert f"2 of 8 target words have a vector in {path}" in caplog.text
    checkpoint = kept(folder, "last")
    words = checkpoint["hyper_parameters"]["description"]["target"]["vocabulary"]["tokens"]
    rows = checkpoint["state_dict"]["model.decoder.embedding.weight"]
    assert {word for word, row in zip(words, rows, strict=True) if (row == 0.5).all()} == {"a", "b"}


def test_self_critical_training_goes_on_from_cross_entropy(run: Run) -> None:
    before = run("trainer.max_epochs=1")
    folder = run(
        f"init={before}", "loss=self_critical", "trainer.max_epochs=1", "trainer.log_every_n_steps=1"
    )
    with open(folder / "metrics.csv", newline="") as file:
        rewards = [row["train/reward"] for row in csv.DictReader(file) if row["train/reward"]]
    assert len(rewards) == EPOCH and all(0 <= float(value) <= 1 for value in rewards)
