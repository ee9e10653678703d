"""The processes of the other ranks, as rank 0 has them: started from the job's own composed overrides,
watched, and ended with it.
"""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import Quote, QuotedString
from omegaconf import DictConfig
from torch import distributed

from seq2scene.errors import UserError
from seq2scene.running.processes.stopping import SIGNALS, Stopped, deferral

CHILD = "SEQ2SCENE_CHILD_RANK"  # set in child processes, which exit when their standard input closes
PATIENCE = 5.0  # seconds that the main thread may stay in a native call after its job has failed
FAREWELL = 60.0  # seconds for loggers to finish after a failure, and for children to exit after success
GRACE = 25.0  # seconds for a stopped training to reach the end of a step; Slurm and torchrun kill after 30
STILL = 5.0  # seconds for which a child may be suspended

# A forked data worker must not report its own signals as ours.
os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))


@dataclass
class Children:
    """The started ranks, in the order 1, 2, ..."""

    processes: list[subprocess.Popen[bytes]]
    logs: list[Path]
    failure: str = ""  # how the first child to fail by itself ended
    killed: bool = False
    suspended: dict[int, float] = field(default_factory=dict)  # seconds, by process
    checked: float = field(default_factory=time.monotonic)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def check(self) -> str:
        """Returns the failure so far; empty if there is none."""
        with self.lock:
            return self._check()

    def _check(self) -> str:
        if not self.failure and not self.killed:
            fine = {None, 0} | ({128 + deferral.received} if deferral.received is not None else set())
            failed = (rank for rank, process in enumerate(self.processes) if process.poll() not in fine)
            for rank in failed:
                self.failure = _describe(rank + 1, self.processes[rank].returncode, self.logs[rank])
                break
            else:
                self._check_suspended()
        return self.failure

    def _check_suspended(self) -> None:
        """A child that a SIGSTOP has suspended would be waited for by the others for ever. The time for which
        this process was suspended too does not count.
        """
        passed, self.checked = time.monotonic() - self.checked, time.monotonic()
        for rank, (process, log) in enumerate(zip(self.processes, self.logs, strict=True), start=1):
            so_far = self.suspended.get(rank, 0.0) + min(passed, 0.2)
            self.suspended[rank] = so_far if _is_suspended(process.pid) else 0.0
            if self.suspended[rank] > STILL:
                self.failure = f"rank {rank} was suspended for {STILL:g} s (SIGSTOP); its log is {log}"
                break

    def wait(self, seconds: float) -> str:
        """Waits until all have ended or one has failed, at most ``seconds``; returns the failure."""
        deadline = time.monotonic() + seconds
        while not self.check() and time.monotonic() < deadline:
            if self.killed or all(process.poll() == 0 for process in self.processes):
                break
            time.sleep(0.02)
        return self.failure

    def kill(self) -> None:
        """Kills all process groups; a rank inside a collective would not react to a gentler signal."""
        with self.lock:
            self._check()
            self.killed = True
            for process in self.processes:
                if process.poll() is None:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def _is_suspended(process: int) -> bool:
    """Whether Linux says so; False on other systems."""
    try:
        return Path(f"/proc/{process}/stat").read_text("utf-8", errors="replace").rpartition(")")[2][1] == "T"
    except (OSError, IndexError):
        return False


def _describe(rank: int, status: int, log: Path) -> str:
    how = f"with exit status {status}" if status > 0 else f"by {signal.Signals(-status).name}"
    lines = [line for line in log.read_text("utf-8", errors="replace").splitlines() if line.strip()]
    tail = "".join(f"\n    {line}" for line in lines[-5:])
    return f"rank {rank} ended {how}; its log is {log}{tail}"


@contextmanager
def start_children(program: Sequence[str], count: int) -> Iterator[Children]:
    """Starts ranks 1 to ``count`` - 1; they have ended when the body has, and so has the process group."""
    hydra = HydraConfig.get()
    command = _command(program, hydra)
    children = Children([], [])
    try:
        for rank in range(1, count):
            children.logs.append(Path(hydra.runtime.output_dir) / f"rank{rank}.log")
            children.processes.append(_start(command, rank, hydra.runtime.cwd, children.logs[-1]))
        yield children
    finally:
        children.kill()
        for process in children.processes:
            if process.stdin is not None:
                process.stdin.close()
        leave_group(broken=True)


def _start(command: list[str], rank: int, folder: str, log: Path) -> subprocess.Popen[bytes]:
    numbers = {"RANK": str(rank), "LOCAL_RANK": str(rank), CHILD: str(rank)}
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=os.environ | numbers,
            stdin=subprocess.PIPE,  # never written to: it closes when this process ends
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches only rank 0, which ends the others
        )


def _command(program: Sequence[str], hydra: DictConfig) -> list[str]:
    """The command line that composes this very job again, alone, in its own output folder."""
    sources = {source.provider: source.path for source in hydra.runtime.config_sources}
    command = [*program, *hydra.overrides.task]
    command += [override for override in hydra.overrides.hydra if override.startswith("hydra.searchpath")]
    command += [
        f"hydra.run.dir={_quote(hydra.runtime.output_dir)}",
        "hydra.mode=RUN",
        "hydra.output_subdir=null",
        "hydra/job_logging=stdout",  # goes to rank1.log anyway
        f"hydra.job.name={_quote(hydra.job.name)}",
    ]
    command += [f"hydra.job.{key}={_quote(str(hydra.job[key]))}" for key in ("id", "num") if key in hydra.job]
    if hydra.job.chdir is not None:
        command.append(f"hydra.job.chdir={hydra.job.chdir}")
    if hydra.job.config_name is not None:
        command += ["--config-name", hydra.job.config_name]
    if sources.get("main"):
        command += ["--config-path", sources["main"]]
    if "command-line" in sources:
        command += ["--config-dir", sources["command-line"]]
    return command


def _quote(text: str) -> str:
    """A quoted string in Hydra's override grammar: sweep folders are full of ``=`` and ``,``."""
    return QuotedString(text, Quote.single).with_quotes()


@contextmanager
def watching(children: Children) -> Iterator[None]:
    """Interrupts the body once a child has failed, and ends the children once this process gets a stop
    signal; in training once all ranks had ``GRACE`` seconds to save their state, or at a second signal.

    A thread does this, since Python's signal handlers do not run while the main thread is in a collective. If
    the main thread does not return from it, the whole process exits rather than hang until the timeout.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    heard, over = threading.Event(), threading.Event()
    main = threading.get_ident()

    def interrupt(*_: object) -> None:
        heard.set()
        if children.failure and not over.is_set():
            raise UserError(children.failure)

    def watch() -> None:
        patience = None  # until when all ranks may go on to where they can be stopped
        while not over.is_set():
            arrived = os.read(reader, 64) if select.select([reader], [], [], 0.1)[0] else b""
            stopped = next((number for number in SIGNALS if number in arrived), None)
            if stopped and patience is None and deferral.active:
                patience, noted, stopped = time.monotonic() + GRACE, stopped, None
            if patience is not None and time.monotonic() > patience:
                stopped = noted
            if children.check() or stopped:
                children.kill()
                signal.pthread_kill(main, signal.SIGUSR2)
                if not (heard.wait(PATIENCE) and over.wait(FAREWELL)) and not over.is_set():
                    if children.failure or stopped is None:
                        told, status = f"error: {children.failure}", 1
                    else:
                        told, status = str(Stopped(stopped)), Stopped(stopped).status
                    print(told, file=sys.stderr, flush=True)
                    os._exit(status)
                return

    handler = signal.signal(signal.SIGUSR2, interrupt)
    wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGUSR2, handler)
        os.close(reader)
        os.close(writer)


def leave_group(broken: bool = False) -> None:
    """Destroys the process group, so that the next job can create its own; never waits for a broken one."""
    if not distributed.is_initialized():
        return
    if broken and "nccl" in distributed.get_backend():
        distributed.distributed_c10d._abort_process_group()
    else:
        distributed.destroy_process_group()
