"""METEOR 1.5 of captions against several references (Denkowski and Lavie 2014), by its authors' Java program,
as the COCO evaluation code runs it.
"""

import math
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import torch
from torch import Tensor
from torchmetrics import Metric

from seq2scene.errors import UserError
from seq2scene.metrics.caption_words import caption_words

STATISTICS = 23  # numbers of a caption that METEOR's score is computed from
BREAK = " ||| "


def find_meteor(jar: str | None = None) -> Path:
    """The path of ``jar``, by default of the one in the package pycocoevalcap. Raises UserError, saying what
    to install, if there is none or no Java to run it.
    """
    if shutil.which("java") is None:
        raise UserError("METEOR needs Java: install a Java runtime, such as default-jre of Debian and Ubuntu")
    if jar is None:
        package = find_spec("pycocoevalcap")
        if package is None or not package.submodule_search_locations:
            raise UserError("METEOR needs the package pycocoevalcap, which has it: pip install pycocoevalcap")
        return Path(package.submodule_search_locations[0]) / "meteor" / "meteor-1.5.jar"
    if not Path(jar).is_file():
        raise UserError(f"reports.captions.meteor_jar={jar}: there is no such file")
    return Path(jar).absolute()


class MeteorProcess:
    """METEOR's program, running within a ``with`` block; loading its tables of paraphrases takes seconds.

    Its methods raise UserError if the program ends or answers with anything but numbers.
    """

    def __init__(self, jar: Path) -> None:
        self.jar = jar

    def __enter__(self) -> Self:
        self._errors = tempfile.TemporaryFile()
        options = ["-Dfile.encoding=UTF-8", "-Xmx2G", "-jar", str(self.jar)]
        self._process = subprocess.Popen(
            ["java", *options, "-", "-", "-stdio", "-l", "en", "-norm"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            encoding="utf-8",
        )
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.communicate()
        self._errors.close()

    def statistics(self, caption: str, references: Sequence[str]) -> list[float]:
        """The ``STATISTICS`` of a caption, against the reference that suits it best."""
        plain = (" ".join(caption_words(text)) for text in (*references, caption))
        self._send("SCORE", *(text.replace("|||", "") for text in plain))
        return self._receive(STATISTICS)

    def score(self, statistics: Sequence[float]) -> float:
        """The score, 0 to 1, of the sums of the statistics of captions."""
        self._send("EVAL", " ".join(map(str, statistics)))
        of_each, of_all = self._receive(1), self._receive(1)
        return (of_all or of_each)[0]

    def _send(self, *parts: str) -> None:
        assert self._process.stdin is not None, "a pipe"
        try:
            self._process.stdin.write(BREAK.join(parts) + "\n")
            self._process.stdin.flush()
        except OSError as error:
            raise self._ended() from error

    def _receive(self, count: int) -> list[float]:
        assert self._process.stdout is not None, "a pipe"
        line = self._process.stdout.readline()
        try:
            numbers = [float(word) for word in line.split()]
        except ValueError:
            numbers = []
        if len(numbers) != count:
            raise self._ended(line.strip())
        return numbers

    def _ended(self, answer: str = "") -> UserError:
        self._process.kill()
        self._errors.seek(0)
        said = [answer, *self._errors.read().decode("utf-8", "replace").splitlines()]
        reason = next((line.strip() for line in said if line.strip()), "it ended")
        return UserError(f"{self.jar}: METEOR failed: {reason}")


class Meteor(Metric):
    """The score of all captions together, 0 to 100, from statistics summed over batches and ranks, as in the
    COCO evaluation. NaN if nothing was counted.

    process: scores the captions; it runs from the first ``update`` to ``compute``.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    statistics: Tensor  # (23,)
    count: Tensor  # () captions

    def __init__(self, process: MeteorProcess, **options: Any) -> None:
        super().__init__(**options)
        self.process = process
        self.add_state("statistics", torch.zeros(STATISTICS, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, captions: Sequence[str], references: Sequence[Sequence[str]]) -> None:
        """Adds captions, each with all references of its image, as plain text."""
        for pair in zip(captions, references, strict=True):
            self.statistics += self.statistics.new_tensor(self.process.statistics(*pair))
        self.count += len(captions)

    def compute(self) -> Tensor:
        score = 100 * self.process.score(self.statistics.tolist()) if self.count else math.nan
        return self.statistics.new_tensor(score)
