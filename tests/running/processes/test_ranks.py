"""Ranks are started from a job's own overrides: real processes, real sums over gloo."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from entry_points import command, started
from seq2scene.errors import UserError
from seq2scene.running.processes import ranks
from seq2scene.running.processes.devices import local_devices
from seq2scene.running.processes.trainers import processes

JOB = Path(__file__).parent / "ranks_job" / "job.py"


def run(folder: Path, *arguments: str, **environment: str) -> tuple[int, str, str]:
    done = command(str(JOB), *arguments, work=folder, new_ranks=True, **environment)
    return done.returncode, done.stdout, done.stderr


def wait_for(condition: Callable[[], bool], seconds: float) -> bool:
    """Whether it came true in time."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.05)
    return condition()


def files(folder: Path, name: str) -> list[Path]:
    return sorted(folder.rglob(name))


def ended(pid: int) -> bool:
    """Whether a process is gone, or a zombie not yet reaped."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.slow
def test_each_job_of_a_sweep_has_two_ranks_of_its_own_that_share_a_folder_and_a_sum(tmp_path):
    subdir = r"hydra.sweep.subdir='it\'s ${hydra.job.override_dirname},${hydra.job.num}'"
    status, out, err = run(tmp_path, "-m", "--config-name", "other", "seed=7,8", "+words='a, b'", subdir)
    assert status == 0, err
    assert "rank 0 of seed 7 has 1014" in out and "rank 0 of seed 8 has 1016" in out
    assert len(files(tmp_path, "config.yaml")) == 2
    assert len(files(tmp_path, "multirun.yaml")) == 1  # a child that ran the sweep again would leave a second
    assert [path.read_text() for path in files(tmp_path, "sum*")] == ["1014", "1014", "1016", "1016"]
    assert len({path.parent for path in files(tmp_path, "sum*")}) == 2
    assert [path.read_text() for path in files(tmp_path, "rank1.log")] == [
        "rank 1 of seed 7 has 1014\n",
        "rank 1 of seed 8 has 1016\n",
    ]


@pytest.mark.slow
@pytest.mark.parametrize("when", ["inside", "before"])
def test_a_rank_that_dies_ends_the_job_soon_and_says_where_to_look(tmp_path, when):
    begun = time.monotonic()
    status, _, err = run(tmp_path, f"die={when}")
    assert status != 0
    assert "rank 1 ended with exit status 1" in err
    assert "ValueError: no such luck" in err
    assert str(files(tmp_path, "rank1.log")[0]) in err
    assert time.monotonic() - begun < 45


@pytest.mark.slow
def test_a_sweep_runs_the_jobs_beside_those_that_fail_and_lists_these(tmp_path):
    status, _, err = run(tmp_path, "-m", "count=1", "die=false,refused,before", "seed=5,6")
    assert status == 2
    assert [path.read_text() for path in files(tmp_path, "sum0")] == ["5", "6"]
    assert "error: job 2: no such data\n" in err
    assert "    raise ValueError" in err  # the traceback of an error that is not the user's
    listed = err.partition("error: 4 jobs of this sweep failed, the others are done:\n")[2].splitlines()
    assert listed == [
        "  job 2: no such data",
        "    count=1 die=refused seed=5",
        "  job 3: no such data",
        "    count=1 die=refused seed=6",
        "  job 4: ValueError: no such luck",
        "    count=1 die=before seed=5",
        "  job 5: ValueError: no such luck",
        "    count=1 die=before seed=6",
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "ending", "told"),
    [
        (signal.SIGINT, 130, "interrupted\n"),
        (signal.SIGTERM, 143, "stopped by SIGTERM\n"),
        (signal.SIGKILL, -9, ""),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_no_rank_outlives_the_first_however_it_is_stopped(tmp_path, number, ending, told):
    with started(JOB, "die=never", work=tmp_path) as (process, out, err):
        assert wait_for(lambda: out.exists() and out.read_text() == "all here\n", 60), err.read_text()
        child = int(files(tmp_path, "pid1")[0].read_text())
        assert not ended(child)
        os.kill(process.pid, number)
        process.join(20)
        assert (process.exitcode, err.read_text()) == (ending, told)
        assert wait_for(lambda: ended(child), 10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "told"),
    [(signal.SIGTERM, "rank 1 ended with exit status 143"), (signal.SIGSTOP, "rank 1 was suspended for 1 s")],
    ids=lambda value: getattr(value, "name", ""),
)
def test_another_rank_that_is_stopped_or_suspended_ends_the_job_soon(tmp_path, number, told):
    with started(JOB, "die=inside_native_code", work=tmp_path) as (process, out, err):
        assert wait_for(lambda: out.exists() and out.read_text() == "all here\n", 60), err.read_text()
        child = int(files(tmp_path, "pid1")[0].read_text())
        begun = time.monotonic()
        os.kill(child, number)
        process.join(45)
        assert time.monotonic() - begun < 45  # on two free cores the whole test takes 7 to 10
        assert process.exitcode == 2 and told in err.read_text() and ended(child)


@pytest.mark.slow
def test_a_process_that_is_launched_already_starts_no_others(tmp_path):
    place = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    status, out, err = run(tmp_path, "count=2", LOCAL_RANK="0", **place)
    assert status == 0, err
    assert "rank 0 of seed 0 has 0" in out
    assert not files(tmp_path, "rank1.log")


def test_a_launched_process_whose_peer_is_gone_says_so_in_one_line(monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "0")
    told = r"another process of this run has ended.*: \[pair.cc:1\] Connection closed by peer$"
    with pytest.raises(UserError, match=told), ranks.ranks([str(JOB)], 2):
        raise RuntimeError("[pair.cc:1] Connection closed by peer\nException raised from")
    with pytest.raises(RuntimeError, match=r"^a bug$"), ranks.ranks([str(JOB)], 2):
        raise RuntimeError("a bug")


def test_launchers_are_told_apart_as_lightning_does(monkeypatch):
    from pytorch_lightning.plugins.environments import SLURMEnvironment

    for name in ("LOCAL_RANK", "SLURM_NTASKS", "SLURM_JOB_NAME"):
        monkeypatch.delenv(name, raising=False)
    assert not ranks.launched()
    monkeypatch.setenv("SLURM_NTASKS", "2")
    assert ranks.launched() and SLURMEnvironment.detect()
    monkeypatch.setenv("SLURM_JOB_NAME", "bash")
    assert not ranks.launched() and not SLURMEnvironment.detect()
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert ranks.launched()


@pytest.mark.parametrize(
    ("devices", "accelerator", "gpus", "count"),
    [
        (3, "cpu", 0, 3),
        ("2", "cpu", 8, 2),
        ("auto", "cpu", 8, 1),
        ("auto", "auto", 0, 1),
        ("auto", "auto", 4, 4),
        (-1, "gpu", 4, 4),
        ("-1", "cuda", 4, 4),
        ([0, 2], "gpu", 4, 2),
        ("0,2,3", "gpu", 4, 3),
        ("2,", "gpu", 4, 1),
    ],
)
def test_devices_are_counted_as_lightning_reads_them(monkeypatch, devices, accelerator, gpus, count):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    assert local_devices(devices, accelerator) == count


@pytest.mark.parametrize(
    ("devices", "accelerator", "gpus"),
    [(0, "cpu", 0), ("many", "cpu", 0), ([], "gpu", 2), (2, "gpu", 0), (3, "gpu", 2), (-2, "auto", 2)],
)
def test_impossible_devices_are_refused_by_name(monkeypatch, devices, accelerator, gpus):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
    with pytest.raises(UserError, match=r"trainer\.(devices|accelerator)="):
        local_devices(devices, accelerator)


def test_nodes_that_nobody_starts_are_not_waited_for(monkeypatch):
    for name in ("LOCAL_RANK", "SLURM_NTASKS", "NODE_RANK"):
        monkeypatch.delenv(name, raising=False)
    with (
        pytest.raises(UserError, match=r"trainer\.num_nodes=2: .* srun or torchrun"),
        processes({"num_nodes": 2}, [str(JOB)]),
    ):
        pass
