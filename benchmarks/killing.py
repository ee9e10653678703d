"""What a training process was doing when it was killed, and how it is killed at a moment drawn beforehand."""

import ctypes
import mmap
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import small_tasks  # noqa: F401  which puts this checkout on the path
from pytorch_lightning.loops.evaluation_loop import _EvaluationLoop
from pytorch_lightning.loops.fit_loop import _FitLoop
from torch.optim.optimizer import register_optimizer_step_post_hook

from seq2scene.running.callbacks import checkpoints
from seq2scene.running.commands import training
from seq2scene.running.saving import WholeCheckpoints

START, TRAINING, VALIDATION, SAVING, TEST, END = range(6)
PHASES = ("before training", "in training", "in validation", "while saving", "in the test", "after training")
PHASE, STEPS, SAVES, SAVING_TIME, FILES = range(5)  # what is kept in memory that parent and child share


class Shared:
    """Numbers that a process shares with its forks: its phase, its steps so far, how often it has saved
    something and the nanoseconds that took, and how many files it has opened for writing, renamed, linked or
    deleted.
    """

    def __init__(self) -> None:
        self.numbers = memoryview(mmap.mmap(-1, 64)).cast("q")

    def phase(self) -> str:
        return PHASES[self.numbers[PHASE]]


@dataclass(frozen=True)
class Moment:
    """When a process is to be killed. kind: after so many seconds of CPU time (time); so many seconds after
    it has begun to save for the n-th time (saving); or just before its n-th operation on a file (file).
    """

    kind: str
    number: int = 0
    seconds: float = 0.0


def draw(whole: Shared, cpu_time: float, chance: random.Random) -> Moment:
    """A random moment of a run, given the numbers and the CPU time of one that was never killed."""
    saves, files = max(1, whole.numbers[SAVES]), max(1, whole.numbers[FILES])
    match chance.choices(("time", "saving", "file"), (2, 1, 1)):
        case ["saving"]:
            mean = whole.numbers[SAVING_TIME] / saves / 1e9
            return Moment("saving", chance.randint(1, saves), chance.uniform(0, mean))
        case ["file"]:
            return Moment("file", chance.randint(1, files))
        case _:
            return Moment("time", 0, chance.uniform(0, cpu_time))


def watch(shared: Shared, folder: Path, moment: Moment | None = None) -> None:
    """Has this process note what it does in ``shared``, and kills it at a moment.

    folder: that of the run, whose files count.
    """
    now = shared.numbers
    if moment and moment.kind == "time":
        kill_after(moment.seconds, time.CLOCK_PROCESS_CPUTIME_ID)

    def during(place: Any, name: str, phase: int | Callable[[Any], int], ends: int | None = None) -> None:
        plain = getattr(place, name)

        @wraps(plain)
        def inside(*given: Any, **options: Any) -> Any:
            before, began = now[PHASE], time.monotonic_ns()
            now[PHASE] = phase if isinstance(phase, int) else phase(given[0])
            if phase == SAVING:
                now[SAVES] += 1
                if moment and moment.kind == "saving" and now[SAVES] == moment.number:
                    kill_after(moment.seconds, time.CLOCK_MONOTONIC)
            try:
                return plain(*given, **options)
            finally:
                if phase == SAVING:
                    now[SAVING_TIME] += time.monotonic_ns() - began
                now[PHASE] = before if ends is None else ends

        setattr(place, name, inside)

    def step(*_: Any) -> None:
        now[STEPS] += 1

    register_optimizer_step_post_hook(step)
    during(_FitLoop, "run", TRAINING)
    during(_EvaluationLoop, "run", lambda loop: TEST if loop.trainer.testing else VALIDATION)
    during(WholeCheckpoints, "save_checkpoint", SAVING)
    during(checkpoints, "copy", SAVING)
    during(training, "evaluate_task", TEST)
    during(training, "finish_reports", TEST)
    during(training, "_fit", START, ends=END)

    def count(event: str, given: tuple[Any, ...]) -> None:
        written = event == "open" and isinstance(given[2], int) and given[2] & (os.O_WRONLY | os.O_RDWR)
        if (written or event in ("os.rename", "os.link", "os.remove")) and str(given[0]).startswith(place):
            now[FILES] += 1
            if moment and moment.kind == "file" and now[FILES] == moment.number:
                os.kill(os.getpid(), signal.SIGKILL)

    place = str(folder)
    sys.addaudithook(count)


class _Event(ctypes.Structure):
    """Linux's ``sigevent``, on 64 bits."""

    _fields_ = [
        *(("value", ctypes.c_void_p), ("signal", ctypes.c_int), ("notify", ctypes.c_int)),
        ("rest", ctypes.c_char * 48),
    ]


def kill_after(seconds: float, clock: int) -> None:
    """Has the kernel kill -9 this process after some seconds by a clock, whatever it does then."""
    system, timer, event = ctypes.CDLL(None), ctypes.c_void_p(), _Event(None, signal.SIGKILL)
    system.timer_create(clock, ctypes.byref(event), ctypes.byref(timer))
    whole, nanoseconds = divmod(max(1, int(seconds * 1e9)), 10**9)
    system.timer_settime(timer, 0, (ctypes.c_long * 4)(0, 0, whole, nanoseconds), None)
