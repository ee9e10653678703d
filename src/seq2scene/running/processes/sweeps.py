"""Failing jobs of a sweep: each failure is printed at once, the other jobs run, and the sweep ends with a
list.

Failures are recorded in the jobs' folders, as launchers run jobs in other processes and on other machines.
"""

import sys
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.experimental.callback import Callback
from hydra.types import RunMode
from omegaconf import DictConfig

ERROR = "error.txt"


def in_sweep() -> bool:
    """Whether this is a job of a sweep."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def record_failure(message: str) -> None:
    """Prints why this job failed, and records it for the list at the end of its sweep."""
    hydra = HydraConfig.get()
    line = f"job {hydra.job.num}: {message}"
    print(f"error: {line}", file=sys.stderr, flush=True)
    overrides = " ".join(hydra.overrides.task)
    Path(hydra.runtime.output_dir, ERROR).write_text(f"{line.splitlines()[0]}\n{overrides}\n", "utf-8")


class SweepFailures(Callback):
    """Ends a sweep with a list of the jobs that failed and status 2, if any did."""

    def on_multirun_start(self, config: DictConfig, **_: Any) -> None:
        for path in Path(config.hydra.sweep.dir).rglob(ERROR):  # from an earlier sweep in the same folder
            path.unlink()

    def on_multirun_end(self, config: DictConfig, **_: Any) -> None:
        paths = sorted(Path(config.hydra.sweep.dir).rglob(ERROR), key=lambda path: path.stat().st_mtime_ns)
        if not paths:
            return
        jobs = "1 job" if len(paths) == 1 else f"{len(paths)} jobs"
        print(f"error: {jobs} of this sweep failed, the others are done:", file=sys.stderr)
        for path in paths:
            line, overrides = path.read_text("utf-8").splitlines()
            print(f"  {line}\n    {overrides}", file=sys.stderr)
        sys.exit(2)
