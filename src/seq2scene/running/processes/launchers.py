"""Detection of launchers such as torchrun and srun, and a run name on which all processes agree.

PyTorch is imported only under a launcher, so that ``--help`` stays fast.
"""

import os
import subprocess
import sys
from datetime import datetime, timedelta

PATIENCE = timedelta(seconds=60)  # to wait for torchrun's store


def launched() -> bool:
    """Whether torchrun, srun, another launcher or ``ranks`` started this process as one of several.

    Uses Lightning's own rule, so that its Trainer and this module always agree.
    """
    slurm = "SLURM_NTASKS" in os.environ and os.environ.get("SLURM_JOB_NAME") not in ("bash", "interactive")
    return slurm or "LOCAL_RANK" in os.environ


def has_peers() -> bool:
    """Whether this process must stay in step with others of its launch; not in a Slurm job of one task."""
    return launched() and int(os.environ.get("WORLD_SIZE") or os.environ.get("SLURM_NTASKS") or 1) > 1


def run_stamp() -> str:
    """A run's stamp: date and time, or job and step if srun started several processes.

    All processes of a launch get the same stamp, different launches different ones: a Slurm allocation may
    run many commands, and a torchrun id may recur.
    """
    now = datetime.now().strftime("%Y-%m-%d_%H-%M-%S-%f")
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return _agreed(now)
    return slurm_step() or now


def slurm_step() -> str | None:
    """The Slurm job and step of a process that srun started as one of several, JOB-STEP; else None."""
    if launched() and int(os.environ.get("SLURM_NTASKS", 1)) > 1 and "SLURM_STEP_ID" in os.environ:
        return f"{os.environ['SLURM_JOB_ID']}-{os.environ['SLURM_STEP_ID']}"
    return None


def requeued() -> bool:
    """Whether Slurm has started this job before, and requeued it."""
    return os.environ.get("SLURM_RESTART_COUNT", "0") != "0"


def requeue() -> None:
    """Has Slurm start this job again; it goes on in its folder. Does nothing outside Slurm, and in one
    process only.
    """
    if "SLURM_JOB_ID" not in os.environ or os.environ.get("SLURM_PROCID", "0") != "0":
        return
    job = os.environ["SLURM_JOB_ID"]
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        job = f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    try:
        subprocess.run(["scontrol", "requeue", job], check=True, stdout=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"job {job} could not be requeued: {error}", file=sys.stderr, flush=True)


def _agreed(proposal: str) -> str:
    """The proposal of the first process of this torchrun, on all nodes."""
    place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":  # then its port is different for each launch
        return f"{os.environ['TORCHELASTIC_RUN_ID']}-{place[1]}"
    from torch.distributed import TCPStore

    store = TCPStore(*place, is_master=False, timeout=PATIENCE)
    key = f"seq2scene/run_stamp/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"
    return store.compare_set(key, "", proposal).decode()
