"""All processes of a launch give their run the same name, and two launches different ones."""

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from torch.distributed import TCPStore

from seq2scene.running.processes.launchers import has_peers, run_stamp

TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "TORCHELASTIC_USE_AGENT_STORE": "True", "MASTER_ADDR": "localhost"}


@pytest.fixture
def launch(monkeypatch):
    """Sets the environment of a process of some launcher."""

    def set_all(**variables: object) -> None:
        for name in list(os.environ):
            if name.startswith(("SLURM_", "TORCHELASTIC_")) or name in ("LOCAL_RANK", "RANK"):
                monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))

    return set_all


def test_two_commands_of_one_slurm_allocation_have_names_of_their_own(launch):
    launch(SLURM_JOB_ID=4711, SLURM_NTASKS=1, SLURM_STEP_ID=0)
    assert run_stamp() != run_stamp()


def test_tasks_of_one_srun_share_a_name_that_another_srun_does_not_have(launch):
    names = []
    for step in (0, 0, 1):
        launch(SLURM_JOB_ID=4711, SLURM_NTASKS=2, SLURM_STEP_ID=step)
        names.append(run_stamp())
    assert names == ["4711-0", "4711-0", "4711-1"]


def test_a_shell_within_an_srun_is_no_task_of_it(launch):
    launch(SLURM_JOB_ID=4711, SLURM_NTASKS=2, SLURM_STEP_ID=0, SLURM_JOB_NAME="bash")
    assert run_stamp() != run_stamp()


def test_a_slurm_job_of_one_task_has_no_peers(launch):
    """Such as a job of a sweep by submitit, which may fail alone."""
    for tasks, peers in ((1, False), (2, True)):
        launch(SLURM_JOB_ID=4711, SLURM_NTASKS=tasks, SLURM_STEP_ID=0)
        assert has_peers() == peers


def test_processes_of_one_torchrun_agree_and_those_of_another_with_its_id_do_not(launch):
    names = []
    for _ in range(2):
        store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
        launch(**TORCHRUN, MASTER_PORT=store.port)
        with ThreadPoolExecutor(3) as ranks:
            names.append({stamp.result() for stamp in [ranks.submit(run_stamp) for _ in range(3)]})
    assert [len(stamps) for stamps in names] == [1, 1]
    assert names[0] != names[1]


def test_a_torchrun_that_starts_its_ranks_again_starts_another_run(launch):
    store = TCPStore("localhost", 0, is_master=True, wait_for_workers=False)
    launch(**TORCHRUN, MASTER_PORT=store.port)
    first = run_stamp()
    launch(**TORCHRUN, MASTER_PORT=store.port, TORCHELASTIC_RESTART_COUNT=1)
    assert run_stamp() != first
