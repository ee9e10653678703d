"""The contract of reports: what an evaluation computes and writes beyond the metrics of its task.

A report is one class in one file, with its options in ``conf/reports/``. Evaluation calls every report in the
order ``check``, ``callbacks``, then for each test set ``score`` and ``write``, and at the end ``finish`` and
``show``.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch

from seq2scene.errors import UserError
from seq2scene.reports.distributed import gather
from seq2scene.tasks.task import Task


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """A task with its data, both set up for testing, and the process that evaluates it.

    rank: the number of this process among ``world``. device: where the task is.
    """

    task: Task
    data: Any
    device: torch.device
    rank: int = 0
    world: int = 1

    def gather(self, part: list[Any]) -> list[Any]:
        """The parts of all ranks joined in rank order; every rank must call it."""
        return gather(part, self.world)


@dataclass(frozen=True, kw_only=True)
class ScoredSet(Evaluation):
    """A test set that the task has been tested on.

    outputs: what the task recorded of it (``Task.outputs``) on all ranks, in order, each sample once. scores:
    its metrics by name, which end up in metrics.json; reports add theirs.
    """

    name: str
    outputs: list[Any] = field(default_factory=list)
    scores: dict[str, Any] = field(default_factory=dict)


class Report:
    """Subclasses override the steps they need; their constructor takes the report's options.

    name: its key in the config group ``reports``. tasks: the kinds of task it applies to. files: glob
    patterns of files it writes for people to open, each with a description. comparisons: keys in metrics.json
    under which it adds scores of something else by the same metrics, each with its label in tables.
    """

    name: ClassVar[str]
    tasks: ClassVar[tuple[type[Task], ...]] = (Task,)
    files: ClassVar[tuple[tuple[str, str], ...]] = ()
    comparisons: ClassVar[tuple[tuple[str, str], ...]] = ()

    def check(self, task: Task) -> None:
        """Loads whatever else the report needs; called before any data is read.

        Raises:
            UserError: the report does not apply to the task, or one of its options is unusable.
        """
        if not isinstance(task, self.tasks):
            raise UserError(
                f"{self.name}: has no meaning with task={task.config['task']['name']}; leave it out"
            )

    def callbacks(self) -> list[pl.Callback]:
        """Callbacks that observe the test loop."""
        return []

    def score(self, test: ScoredSet) -> None:
        """Adds to ``test.scores``. Called on every rank."""

    def write(self, test: ScoredSet, folder: Path) -> None:
        """Writes files on a test set into ``folder``. Called on rank zero, after all reports have scored."""

    def finish(self, evaluation: Evaluation, folder: Path) -> None:
        """Does what concerns no single test set, once all are scored. Called on every rank."""

    def show(self, results: Mapping[str, Mapping[str, Any]]) -> None:
        """Prints a summary. results: the scores of each test set. Called on rank zero, at the very end."""


def check_reports(reports: Sequence[Report], task: Task) -> None:
    for report in reports:
        report.check(task)


@contextmanager
def attempt(what: str) -> Iterator[None]:
    """Lets a picture or a table fail: one line says what was not made and why, and the run continues."""
    try:
        yield
    except Exception as error:  # whatever it is, the numbers are worth more than their picture
        lines = str(error).splitlines()
        print(f"not made: {what}: {type(error).__name__}" + (f": {lines[0]}" if lines else ""), flush=True)
