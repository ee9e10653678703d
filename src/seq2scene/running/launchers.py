"""Whether a launcher started this process as one of many, and a name that all of them give to their run.

It imports no PyTorch where no launcher is at work, so that ``--help`` need not wait for it.
"""

import os
from datetime import datetime, timedelta

PATIENCE = timedelta(seconds=60)  # for torchrun's store to answer


def launched() -> bool:
    """Whether torchrun, srun, another launcher or ``ranks`` itself started this process as one of many.

    The rule is Lightning's own, so that its Trainer and this module never disagree.
    """
    slurm = "SLURM_NTASKS" in os.environ and os.environ.get("SLURM_JOB_NAME") not in ("bash", "interactive")
    return slurm or "LOCAL_RANK" in os.environ


def run_stamp() -> str:
    """A run's name: date and time; of several processes that srun started, job and step.

    All processes of one launch get the same, two launches different ones: a Slurm allocation may hold many
    commands, and a torchrun id may come again.
    """
    now = datetime.now().strftime("%Y-%m-%d_%H-%M-%S-%f")
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return _agreed(now)
    if launched() and int(os.environ.get("SLURM_NTASKS", 1)) > 1 and "SLURM_STEP_ID" in os.environ:
        return f"{os.environ['SLURM_JOB_ID']}-{os.environ['SLURM_STEP_ID']}"
    return now


def _agreed(proposal: str) -> str:
    """The proposal of whichever process of this torchrun came first, on all nodes."""
    place = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    if os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":  # then its port is chosen for each launch
        return f"{os.environ['TORCHELASTIC_RUN_ID']}-{place[1]}"
    from torch.distributed import TCPStore

    store = TCPStore(*place, is_master=False, timeout=PATIENCE)
    key = f"seq2scene/run_stamp/{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"
    return store.compare_set(key, "", proposal).decode()
