"""Sweeps as users start them, and the table of their runs."""

import csv
import fcntl
import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from page_blocks import arguments_of, check_job
from seq2scene.errors import UserError

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "experiments" / "sweeps"


# The files


@pytest.mark.parametrize("name", ["grid", "slurm"])
def test_a_script_sweeps_over_values_that_exist(name):
    jobs = check_job("train", arguments_of(FOLDER / f"{name}.sh"))
    assert len({job[-3] for job in jobs}) == 4 and all(job[-3].startswith("attention=") for job in jobs)


@pytest.mark.parametrize("script", ["sweeps/grid.sh", "sweeps/slurm.sh", "slurm/train.sbatch"])
def test_a_script_starts_the_python_of_the_checkout_or_of_the_environment(tmp_path, script):
    def called() -> str:
        path = f"{tmp_path}/bin:/usr/bin:/bin"
        command = ["sh", str(FOLDER.parent / script), "x=1"]
        given = {"PATH": path, "SLURM_JOB_ID": "4", "SLURM_NNODES": "1"}
        return subprocess.check_output(command, cwd=tmp_path, env=given, text=True)

    names = {"bin/python": "environment", ".venv/bin/python": "checkout", "bin/srun": 'shift; exec "$@"'}
    for name, said in names.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"#!/bin/sh\n{said}\n" if "srun" in name else f'#!/bin/sh\necho {said} "$@"\n')
        file.chmod(0o755)
    assert called().startswith("checkout src/train.py ") and called().endswith(" x=1\n")
    shutil.rmtree(tmp_path / ".venv")
    assert called().startswith("environment src/train.py ")


def test_a_search_has_values_that_exist():
    lines = yaml.safe_load((FOLDER / "space.yaml").read_text(encoding="utf-8"))
    assert len(check_job("train", ["-m", *lines])) == 4


def test_an_agent_of_weights_and_biases_calls_train_with_values_that_exist():
    sweep = yaml.safe_load((FOLDER / "wandb.yaml").read_text(encoding="utf-8"))
    command = sweep["command"]
    assert command[:3] == ["${env}", "${interpreter}", "${program}"] and (ROOT / sweep["program"]).is_file()
    assert command[-1] == "${args_no_hyphens}" and sweep["metric"]["name"] == "val/best"
    for last in (False, True):
        drawn = [
            f"{key}={one['values'][-last] if 'values' in one else one['min']}"
            for key, one in sweep["parameters"].items()
        ]
        check_job("train", [*command[3:-1], *drawn])


# The summary


@pytest.fixture(scope="module")
def summary():
    sys.path.insert(0, str(FOLDER.parent))  # scripts import each other, as they do when started
    try:
        yield runpy.run_path(str(FOLDER.parent / "sweep_summary.py"))
    finally:
        sys.path.remove(str(FOLDER.parent))


def make_run(folder: Path, overrides: list[str], scores: list[float], **files: str) -> Path:
    """What a run has written after some validations; ``files`` are further ones, by name without suffix."""
    (folder / ".hydra").mkdir(parents=True)
    config = {"monitor": {"metric": "val/score", "mode": "max"}, "optimizer": {"lr": 0.002}}
    choices = {"hydra": {"runtime": {"choices": {"attention": "general"}}}}
    for name, value in (("config", config), ("overrides", overrides), ("hydra", choices)):
        (folder / ".hydra" / f"{name}.yaml").write_text(yaml.safe_dump(value))
    rows = "".join(f"{step},{score}\n{step},\n" for step, score in enumerate(scores))
    (folder / "metrics.csv").write_text(f"step,val/score\n{rows}9,0.99")  # the last line is being written
    suffixes = {"run": "json", "metrics": "json", "error": "txt", "pruned": "txt"}
    for name, text in files.items():
        (folder / f"{name}.{suffixes[name]}").write_text(text)
    return folder


def record(minutes: float) -> str:
    return json.dumps(
        {"config": {"monitor": {"metric": "val/score", "mode": "max"}}, "seconds": 60 * minutes}
    )


def test_the_best_runs_come_first_with_the_settings_that_differ_and_how_they_ended(summary, tmp_path):
    same = ["task=abstract", "hydra.run.dir=x", "+extra=1"]
    make_run(tmp_path / "0", [*same, "attention=dot"], [0.1, 0.3, 0.2], run=record(2))
    make_run(
        tmp_path / "1", [*same, "optimizer.lr=0.01"], [0.5], run=record(3), metrics='{"mine": {"score": 0.4}}'
    )
    make_run(tmp_path / "2", [*same, "attention=none"], [], error="job 2: no | room\nattention=none\n")
    make_run(tmp_path / "10", [*same, "attention=concat"], [0.2], pruned="after validation 1\n")
    make_run(tmp_path / "11", same, [0.4])
    name, low, rows = summary["summarise"](tmp_path)
    assert (name, low) == ("val/score", False)
    assert [row.name for row in rows] == ["1", "11", "0", "10", "2"]
    assert [row.status for row in rows] == ["done", "running", "done", "pruned", "failed"]
    assert rows[0].settings == {"attention": "general", "optimizer.lr": "0.01"}
    assert rows[1].settings == {"attention": "general", "optimizer.lr": "0.002"}  # what it was not told
    said = summary["write"](tmp_path, name, low, rows)
    assert "| 0.5000 | general | 0.01 | 0.4000 | 3.0 | done | 1 |" in said
    assert "| failed: no / room | 2 |" in said and "| pruned: after validation 1 | 10 |" in said
    assert said == (tmp_path / "sweep.md").read_text() and (tmp_path / "sweep.png").stat().st_size > 1000
    with open(tmp_path / "sweep.csv", newline="") as file:
        assert [row["note"] for row in csv.DictReader(file)][-1] == "no | room"


def test_a_number_is_one_setting_however_it_is_written(summary, tmp_path):
    for place, (rate, seed) in enumerate([("1e-3", "1"), ("0.001", "2"), ("0.002", "3.0"), ("2e-3", "3")]):
        make_run(tmp_path / str(place), [f"optimizer.lr={rate}", f"seed={seed}"], [0.1], run=record(1))
    make_run(tmp_path / "4", ["seed=name"], [0.1])  # 0.002 by default
    rows = {row.name: row.settings for row in summary["summarise"](tmp_path)[2]}
    assert [rows[name]["optimizer.lr"] for name in "01234"] == ["0.001", "0.001", "0.002", "0.002", "0.002"]
    assert [rows[name]["seed"] for name in "01234"] == ["1", "2", "3", "3", "name"]


def test_what_a_run_does_not_tell_is_left_empty(summary, tmp_path):
    resumed = {"config": {"monitor": {"metric": "val/score", "mode": "max"}, "resume": "x"}, "seconds": 60}
    one = make_run(
        tmp_path / "one", ["seed=1"], [0.1], run=json.dumps(resumed), metrics='{"test": {"score": {}}}'
    )
    said = summary["write"](tmp_path, *summary["summarise"](tmp_path))
    assert "\n1 run: 1 done." in said and "| 0.1000 |  | done | one |" in said  # neither minutes nor test
    for error in (b"", b"job 1: \xff\n"):
        (one / "error.txt").write_bytes(error)
        assert summary["status"](one) == ("failed", "\ufffd" if error else "")


def test_the_share_of_variance_of_a_setting(summary, tmp_path):
    scores = {("a", "1"): 1.0, ("a", "2"): 3.0, ("b", "1"): 5.0, ("b", "2"): 7.0}
    for number, ((one, seed), score) in enumerate(scores.items()):
        make_run(tmp_path / str(number), [f"model.x={one}", f"seed={seed}"], [score], run=record(1))
    found = summary["importance"](summary["summarise"](tmp_path)[2])
    assert list(found) == ["model.x", "seed"]
    assert found["model.x"].share == pytest.approx(16 / 20) and found["seed"].share == pytest.approx(4 / 20)
    assert found["seed"].chance == pytest.approx(1 / 3)
    many = [str(value) for value in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)]
    assert summary["groups"](many).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]


def test_runs_that_monitor_different_metrics_need_a_score(summary, tmp_path):
    make_run(tmp_path / "0", ["seed=1"], [0.1])
    other = make_run(tmp_path / "1", ["seed=2"], [0.2])
    (other / ".hydra" / "config.yaml").write_text("monitor: {metric: val/loss, mode: min}\n")
    with pytest.raises(UserError, match="the runs monitor val/loss, val/score"):
        summary["summarise"](tmp_path)
    assert len(summary["summarise"](tmp_path, "val/score")[2]) == 2
    with pytest.raises(UserError, match="no runs in it"):
        summary["summarise"](tmp_path / "0" / ".hydra")


# The search

TRIAL = """
import signal, sys, time
from pathlib import Path
given = dict(one.split("=", 1) for one in sys.argv[1:] if "=" in one)
folder, lr = Path(given["hydra.run.dir"]), float(given["optimizer.lr"])
folder.mkdir(exist_ok=True)
(folder / "called").open("a").write(given.get("resume", "anew") + "\\n")
if given["attention"] == "none":
    sys.exit("error: it cannot do that")
with open(folder / "metrics.csv", "w") as file:
    file.write("step,val/score\\n")
    for step in range(4):
        file.write(f"{step},{lr * (step + 1)}\\n")
        file.flush()
        if lr < 0.001:
            time.sleep(30)
"""


def test_a_search_without_its_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(SystemExit, match=r"error: .*optuna.*: pip install -e '\.\[sweep\]'"):
        runpy.run_path(str(FOLDER / "optuna_search.py"))


@pytest.fixture
def search(tmp_path, monkeypatch):
    """The script, with a program that only pretends to train. A low learning rate is bad, and slow."""
    pytest.importorskip("optuna")
    script = runpy.run_path(str(FOLDER / "optuna_search.py"))
    (tmp_path / "trial.py").write_text(TRIAL)
    values = script["Search"].run.__globals__
    monkeypatch.setitem(values, "program", lambda name: [sys.executable, "-S", str(tmp_path / "trial.py")])
    monkeypatch.setitem(values, "LOOK", 0.05)

    def make(attention="dot", rate="tag(log,interval(0.0001,0.01))", more=()):
        (tmp_path / "space.yaml").write_text(f"- attention={attention}\n- optimizer.lr={rate}\n")
        space = script["read_space"](tmp_path / "space.yaml", more)
        return script["Search"](space, tmp_path / "found", seed=1, prune=True, warm_up=0)

    return make


def test_a_search_goes_on_where_it_was_interrupted_and_ends_bad_trials(search, tmp_path):
    found = search(rate="0.0001,0.002,0.003")
    for rate in ("0.002", "0.003", "0.002", "0.003", "0.002", "0.0001"):
        found.study.enqueue_trial({"optimizer.lr": rate})
    found.run(3)
    begun = found.study.ask(found.space)  # another, which is killed
    (tmp_path / "found" / "3").mkdir()
    with open(tmp_path / "found" / "3.log", "a") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        search(rate="0.0001,0.002,0.003").run(4)  # it runs elsewhere: left alone
        assert not (tmp_path / "found" / "3" / "called").exists()
    again = search(rate="0.0001,0.002,0.003")
    again.run(6)
    assert begun.number == 3 and (tmp_path / "found" / "3" / "called").read_text() == "auto\n"
    assert [trial.state.name for trial in again.study.trials] == ["COMPLETE"] * 5 + ["PRUNED"]
    assert (tmp_path / "found" / "5" / "pruned.txt").read_text() == "after validation 1\n"
    assert again.best().value == pytest.approx(0.012)
    with pytest.raises(UserError, match="another space"):
        search(rate="0.0001,0.002")


def test_a_failing_trial_leaves_its_error_and_a_search_of_such_trials_ends(search, tmp_path):
    with pytest.raises(UserError, match="all of the first 3 trials failed"):
        search(attention="none").run(9)
    said = (tmp_path / "found" / "2" / "error.txt").read_text()
    assert said.startswith("job 2: error: it cannot do that\noptimizer.lr=")


def test_a_search_refuses_what_does_not_exist_before_the_first_trial(search):
    with pytest.raises(UserError, match="cosine"):
        search(attention="dot,cosine")
    with pytest.raises(UserError, match="no argument has several values"):
        search(rate="0.001")
