# ruff: noqa: F811 (fixtures of another file)
"""Numbers gone wrong end training before they reach the weights; killed and stopped runs go on exactly."""

import csv
import os
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from test_training import EPOCH, SMALL, STEPS, Run, files, kept, run, stand, undrawn  # noqa: F401

from entry_points import SOURCE, started
from entry_points import run as command
from seq2scene.errors import UserError
from seq2scene.running.callbacks import checkpoints
from seq2scene.running.callbacks.non_finite import replay
from seq2scene.running.commands.training import _train
from seq2scene.running.processes.stopping import Stopped, stoppable
from seq2scene.tasks.loading import task_of
from test_configs import compose_plain

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]

EACH = ["trainer.log_every_n_steps=1", "~callbacks.speed"]  # rows without times
HALVES = "trainer.val_check_interval=0.5"
MICRO = "trainer.accumulate_grad_batches=3"  # the last step of an epoch has one alone
OFTEN = "callbacks.last.every_n_train_steps=1"


def train(folder: Path, *overrides: str, callbacks: tuple[pl.Callback, ...] = (), start: Path | None = None):
    config = compose_plain(folder, *SMALL, *overrides)
    _train(config, [*SMALL, *overrides], folder, start, callbacks)


def assert_same(one: Path, other: Path, *names: str) -> None:
    """Bit for bit."""
    for name in names:
        ours, theirs = (kept(folder, name)["state_dict"] for folder in (one, other))
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0, msg=lambda text, name=name: f"{name} {text}")


def rows(folder: Path) -> list[dict[str, str]]:
    with open(folder / "metrics.csv", newline="") as file:
        return [{key: value for key, value in row.items() if value} for row in csv.DictReader(file)]


def assert_continues(run: Run, files: list[str], folder: Path, *plan: str) -> None:
    """Resumed in its own folder, the run ends as one that was never stopped."""
    whole = run(*EACH, *plan)
    train(folder, *files, *EACH, *plan, start=folder / "last.ckpt")
    assert stand(folder) == stand(whole)
    assert_same(folder, whole, "best", "last")
    assert rows(folder) == rows(whole)


# Numbers gone wrong


class Poison(pl.Callback):
    """Makes the loss of one step not a number."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_train_batch_start(self, trainer, module, batch, index) -> None:
        if trainer.global_step == self.step:
            plain, self.step = module.loss, None

            def poisoned(batch):
                module.loss = plain
                loss = plain(batch)
                return replace(loss, total=loss.total * torch.nan)

            module.loss = poisoned


def test_a_loss_that_is_no_number_stops_training_before_the_weights_change(files, run, tmp_path) -> None:
    told = r"diverged at step 7, epoch 1: the loss is nan; the gradient is not finite in model\..*others"
    with pytest.raises(UserError, match=told):
        train(tmp_path, *files, OFTEN, callbacks=(Poison(6),))
    last, whole = kept(tmp_path, "last"), run(STEPS.format(6))
    assert last["global_step"] == 6
    assert_same(tmp_path, whole, "last")
    file = tmp_path / "non_finite_step_7.pt"
    saved, weights = torch.load(file, weights_only=True), kept(whole, "last")["state_dict"]
    torch.testing.assert_close(saved["state_dict"], weights, rtol=0, atol=0)
    (loss,) = replay(file, task_of(last, {"cache": str(tmp_path), "data": str(tmp_path)}))
    words = saved["batches"][0]["fields"]["target"]["fields"]["mask"].sum()
    assert loss.total.isfinite() and loss.count == words


def test_a_step_that_is_skipped_changes_nothing_and_is_counted(files, tmp_path, capsys) -> None:
    states = []

    class Record(pl.Callback):
        def on_train_batch_end(self, trainer, module, *batch) -> None:
            states.append({name: value.clone() for name, value in module.state_dict().items()})

    skip = "callbacks.non_finite.action=skip"
    train(tmp_path, *files, skip, STEPS.format(8), callbacks=(Poison(6), Record()))
    torch.testing.assert_close(states[5], states[6], rtol=0, atol=0)
    assert any((states[7][name] != value).any() for name, value in states[6].items())
    assert "skipped step 7, epoch 1: the loss is nan" in capsys.readouterr().out
    counts = [v for k, v in kept(tmp_path, "last")["callbacks"].items() if k.startswith("NonFinite")]
    assert counts == [{"skipped": 1}]


def test_anomaly_detection_names_the_step_and_the_operation(files, tmp_path) -> None:
    told = r"diverged at step 3, epoch 0: Function 'MulBackward0' returned nan values"
    with pytest.warns(UserWarning, match="in poisoned"), pytest.raises(UserError, match=told):
        train(tmp_path, *files, "+trainer.detect_anomaly=true", callbacks=(Poison(2),))


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD])
def test_a_fused_step_is_not_taken_where_the_device_found_an_infinity(kind) -> None:
    """What PyTorch's gradient scaler relies on, and ``NonFinite`` on GPUs."""
    weight = torch.nn.Parameter(torch.ones(3))
    optimizer = kind([weight], lr=0.1, fused=True)
    for found, taken in ((0.0, True), (1.0, False), (0.0, True)):
        before, weight.grad = weight.detach().clone(), torch.tensor([1.0, torch.nan if found else 1.0, 1.0])
        optimizer.found_inf = torch.tensor(found)
        optimizer.step()
        assert torch.equal(weight, before) != taken and weight.isfinite().all()


@pytest.mark.gpu
@pytest.mark.parametrize("action", ["stop", "skip"])
def test_a_gpu_finds_a_bad_step_itself(files, tmp_path, action: str, capsys) -> None:
    given = [*files, "trainer=gpu", f"callbacks.non_finite.action={action}", STEPS.format(8)]
    if action == "stop":
        with pytest.raises(UserError, match=r"diverged at step 7, epoch 1: the loss is nan"):
            train(tmp_path, *given, OFTEN, callbacks=(Poison(6),))
        saved = torch.load(tmp_path / "non_finite_step_7.pt", weights_only=True)["state_dict"]
        torch.testing.assert_close(saved, kept(tmp_path, "last")["state_dict"], rtol=0, atol=0)
    else:
        train(tmp_path, *given, callbacks=(Poison(6),))
        assert "skipped step 7, epoch 1: the loss is nan" in capsys.readouterr().out
        assert all(value.isfinite().all() for value in kept(tmp_path, "last")["state_dict"].values())


# Stops and kills


class At(pl.Callback):
    """Acts once, in one of Lightning's hooks, after so many batches of training."""

    def __init__(self, hook: str, batches: int, act: Callable[[], None]) -> None:
        self.done = False

        def once(trainer, *_) -> None:
            place = trainer.fit_loop.epoch_loop.batch_progress.total.processed
            if not trainer.sanity_checking and place == batches and not self.done:
                self.done = True
                act()

        setattr(self, hook, once)


class Killed(BaseException):
    """As abrupt as a kill, for what is on disk."""


def kill() -> None:
    raise Killed


@pytest.mark.parametrize(
    ("number", "hook", "batches", "plan"),
    [
        pytest.param(signal.SIGUSR1, "on_train_batch_start", EPOCH + 2, [], id="in an epoch"),
        pytest.param(signal.SIGTERM, "on_validation_batch_start", 2 * EPOCH, [], id="in its validation"),
        pytest.param(
            signal.SIGHUP, "on_validation_batch_start", 3 * EPOCH // 2, [HALVES], id="in one within it"
        ),
        pytest.param(signal.SIGINT, "on_train_epoch_end", 2 * EPOCH, [], id="at its end"),
        pytest.param(signal.SIGTERM, "on_train_batch_start", EPOCH + 1, [MICRO], id="between micro-batches"),
    ],
)
def test_a_stopped_run_goes_on_as_if_it_had_not_been(
    run, files, tmp_path, number, hook, batches, plan
) -> None:
    stop = At(hook, batches, lambda: os.kill(os.getpid(), number))
    with pytest.raises(Stopped) as stopped, stoppable():
        train(tmp_path, *files, *EACH, *plan, callbacks=(stop,))
    assert stopped.value.status == 128 + number
    assert_continues(run, files, tmp_path, *plan)


@pytest.mark.parametrize(
    ("hook", "batches", "plan"),
    [
        pytest.param("on_train_batch_start", EPOCH + 3, [OFTEN], id="steps"),
        pytest.param("on_train_batch_start", EPOCH + 3, [OFTEN, MICRO], id="accumulation"),
        pytest.param("on_train_batch_start", EPOCH + 3, [HALVES, MICRO], id="micro-batches"),
    ],
)
def test_a_killed_run_goes_on_as_if_it_had_not_been(run, files, tmp_path, hook, batches, plan) -> None:
    """Twice: also right after the first batch of the resumed run."""
    with pytest.raises(Killed):
        train(tmp_path, *files, *EACH, *plan, callbacks=(At(hook, batches, kill),))
    progress = kept(tmp_path, "last")["loops"]["fit_loop"]["epoch_loop.batch_progress"]
    again = At("on_train_batch_start", progress["total"]["processed"] + 1, kill)
    with pytest.raises(Killed):
        train(tmp_path, *files, *EACH, *plan, callbacks=(again,), start=tmp_path / "last.ckpt")
    assert_continues(run, files, tmp_path, *plan)


def test_a_run_killed_between_its_last_and_its_best_checkpoint_knows_the_best(
    run, files, tmp_path, monkeypatch
) -> None:
    copy = checkpoints.copy

    def killed(path: Path, target: Path) -> None:
        if kept(path.parent, "last")["global_step"] == 2 * EPOCH:
            raise Killed
        copy(path, target)

    monkeypatch.setattr(checkpoints, "copy", killed)
    with pytest.raises(Killed):
        train(tmp_path, *files, *EACH)
    monkeypatch.undo()
    steps = {name: kept(tmp_path, name)["global_step"] for name in ("best", "last", "previous")}
    assert steps == {"best": EPOCH, "last": 2 * EPOCH, "previous": EPOCH}
    done = run(*EACH, "trainer.max_epochs=2")
    train(tmp_path, *files, *EACH, "trainer.max_epochs=2", start=tmp_path / "last.ckpt")
    assert stand(tmp_path) == stand(done)
    assert_same(tmp_path, done, "best", "last")


def test_one_command_starts_a_run_and_goes_on_with_it(run, files, tmp_path) -> None:
    """As processes: until one epoch, then until two; the second starts from a damaged checkpoint."""
    folder = tmp_path / "mine"
    given = [*SMALL, *files, *EACH, OFTEN, "resume=auto", f"hydra.run.dir={folder}"]
    told = command("train.py", *given, "trainer.max_epochs=1", work=tmp_path)
    assert f"resume=auto: no checkpoint in {folder}: a new run starts" in told
    content = (folder / "last.ckpt").read_bytes()
    (folder / "last.ckpt").write_bytes(content[: len(content) // 2])
    told = command("train.py", *given, "trainer.max_epochs=2", work=tmp_path)
    assert f"{folder}/last.ckpt is damaged" in told
    assert f"resume=auto: goes on in {folder} from previous.ckpt, step {EPOCH - 1}" in told
    whole = run(*EACH, OFTEN, "trainer.max_epochs=2")
    assert_same(folder, whole, "best", "last")
    assert rows(folder) == rows(whole)


def test_two_ranks_agree_on_the_step_to_stop_at(files, tmp_path) -> None:
    """Even if the signal reaches only one of them."""
    folder = tmp_path / "two"
    given = [*SMALL, *files, *EACH, "trainer.devices=2", "trainer.max_epochs=9999", f"hydra.run.dir={folder}"]
    with started(SOURCE / "train.py", *given, work=tmp_path) as (process, _, err):
        while process.is_alive() and not (folder / "last.ckpt").is_file():
            time.sleep(0.1)
        (other,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(other), signal.SIGTERM)
        process.join(120)
        error = err.read_text()
    assert process.exitcode == 143, error
    assert (
        error.splitlines()[-1]
        == f"stopped by SIGTERM; continue from its last checkpoint with resume={folder}"
    )
    last = kept(tmp_path / "two", "last")
    steps = max(int(row["step"]) + 1 for row in rows(folder) if "train/loss" in row)
    assert last["global_step"] in (steps, steps + 1)  # the last row is due when it is saved
    assert len(last["random_states"]) == 2
