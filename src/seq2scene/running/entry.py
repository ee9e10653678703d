"""What every entry point needs around its work. Importing it sets the configs' variables and resolvers, and
bounds the caches of PyTorch on CPUs.
"""

import errno
import gc
import logging
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue

from seq2scene.errors import UserError
from seq2scene.running.installation import as_called, bound_caches, set_places
from seq2scene.running.options.option_list import group_list, group_options, option_list
from seq2scene.running.processes.launchers import has_peers, requeue, run_stamp
from seq2scene.running.processes.stopping import Stopped, stoppable
from seq2scene.running.processes.sweeps import in_sweep, record_failure
from seq2scene.running.run_folders import free_folder

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)


def run_name(task: str, resume: str | None) -> str:
    """A run's name: its task, or the name of the run that it resumes: outputs/NAME/STAMP[/last.ckpt]."""
    if resume is None:
        return task
    try:
        path = Path(resume).resolve()
        return (path if path.is_dir() else path.parent).parent.name or task
    except OSError:  # such as a name that is too long, which is an error once the checkpoint is read
        return task


set_places()
bound_caches()
logging.getLogger("matplotlib").setLevel(logging.WARNING)  # on its first run it tells of its index of fonts
OmegaConf.register_new_resolver("option_list", option_list, replace=True)
OmegaConf.register_new_resolver("group_list", group_list, replace=True)
OmegaConf.register_new_resolver("group_options", group_options, replace=True)
OmegaConf.register_new_resolver("run_name", run_name, replace=True)
OmegaConf.register_new_resolver("run_stamp", run_stamp, use_cache=True, replace=True)
OmegaConf.register_new_resolver("free_folder", free_folder, use_cache=True, replace=True)


@contextmanager
def user_errors(training: bool = False) -> Iterator[None]:
    """Prints a UserError as ``error: ...`` and exits with status 2; other exceptions keep their traceback.

    An exception in a job of a sweep does not exit: it is printed and recorded, so that the next job can run;
    only the ranks of a launcher, which must stay in step, exit together. A stop signal (``stopping``) exits
    with 128 + its number, printing one line; ``training`` adds the checkpoint to resume from, and after
    SIGUSR1 has Slurm requeue the job. On a closed output pipe it exits quietly with 141.
    """
    try:
        with stoppable():
            yield
            sys.stdout.flush()  # while BrokenPipeError can still be caught here
    except BrokenPipeError:  # the reader has closed the pipe, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for Python's final flush
        sys.exit(128 + signal.SIGPIPE)
    except Stopped as stopped:
        print(f"{stopped}{_left() if training else ''}", file=sys.stderr)
        if training and stopped.number == signal.SIGUSR1:
            requeue()
        sys.exit(stopped.status)
    except Exception as error:
        message = _user_message(error)
        if in_sweep() and not has_peers():
            if message is None:
                traceback.print_exc()
            record_failure(message or f"{type(error).__name__}: {error}")
        elif message is None:
            raise
        else:
            print(f"error: {message}", file=sys.stderr)
            sys.exit(2)
    gc.collect()  # a failed job may still hold GPU memory


def _user_message(error: Exception) -> str | None:
    """The message for an error that the user can fix; None for a bug of ours."""
    match error:
        case UserError():
            return as_called(str(error))
        case MissingMandatoryValue():
            return f"{error.full_key} is required: set {error.full_key}=..."
        case InterpolationResolutionError():
            return f"{error.full_key}: {str(error).splitlines()[0]}"
        case OSError() if error.errno in NO_ROOM:
            return f"{error.filename or 'a file'} cannot be written: {error.strerror}"
        case OSError() if error.errno == errno.ENAMETOOLONG:
            return f"{str(error.filename)[:60]}... is too long for the name of a file"
    return None


def _left() -> str:
    """Where to resume an interrupted training run."""
    last = Path(HydraConfig.get().runtime.output_dir) / "last.ckpt"
    return (
        f"; continue from its last checkpoint with resume={last.parent}"
        if last.exists()
        else "; it saved no checkpoint"
    )
