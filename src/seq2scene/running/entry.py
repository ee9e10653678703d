"""What every entry point needs before and around its work. Importing it prepares the configs' variables."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from omegaconf import OmegaConf
from omegaconf.errors import MissingMandatoryValue

from seq2scene.errors import UserError

ROOT = Path(__file__).resolve().parents[3]
os.environ.setdefault("SEQ2SCENE_ROOT", str(ROOT))


def run_stamp() -> str:
    """Names a run's folder: the launcher's job number, known to all of its processes, or date and time."""
    for variable in ("TORCHELASTIC_RUN_ID", "SLURM_JOB_ID"):
        if os.environ.get(variable, "none") != "none":
            return os.environ[variable]
    return datetime.now().strftime("%Y-%m-%d_%H-%M-%S-%f")[:-3]


def run_name(task: str, resume: str | None) -> str:
    """Names a run after its task, or after the run that it resumes: outputs/NAME/STAMP[/last.ckpt]."""
    if resume is None:
        return task
    path = Path(resume).resolve()
    return (path if path.is_dir() else path.parent).parent.name or task


OmegaConf.register_new_resolver("run_name", run_name, replace=True)
OmegaConf.register_new_resolver("run_stamp", run_stamp, use_cache=True, replace=True)


@contextmanager
def user_errors() -> Iterator[None]:
    """Prints a UserError as ``error: ...`` and ends with status 2; ends quietly, with 141, where nobody reads
    the output any more; other exceptions keep their traceback.
    """
    try:
        yield
        sys.stdout.flush()  # while a closed pipe can still be told from a fault
    except BrokenPipeError:  # whoever read the output has seen enough, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python still has to flush
        sys.exit(128 + signal.SIGPIPE)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
    except MissingMandatoryValue as error:
        print(f"error: {error.full_key} is required: set {error.full_key}=...", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
