"""Entry points as users run them, each in its own process, forked from one that has already imported what
``warm_imports`` lists, as imports take longer than most commands of the tests; ``fresh`` ones start a new
interpreter. The other ranks of a forked command are forked from it in turn; new interpreters as ranks are
tested in test_ranks.py and test_installed_package.py.
"""

import atexit
import json
import multiprocessing
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import IO, Any

from hydra.core.global_hydra import GlobalHydra
from pytorch_lightning.utilities.rank_zero import rank_zero_only

import composing  # noqa: F401
import seq2scene
from seq2scene.running.processes import children

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("OUTPUTS", "CACHE", "DATA")
TIMEOUT = 300.0  # seconds

HEAVY = {  # what models can do without, once they are trained
    *("pytorch_lightning", "lightning_fabric", "torchmetrics", "hydra", "wandb", "pandas"),
    *("torchvision", "matplotlib", "scipy", "sympy", "sacrebleu", "nltk", "faiss"),
}

# PYTHONPATH makes the server import this tree, whichever is installed, and warm_imports.
SOURCE = ROOT / "src"
FOUND = [str(SOURCE), str(Path(__file__).parent), os.environ.get("PYTHONPATH")]
os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, FOUND))
forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload(["no_collections", "warm_imports"])


def command(
    script: str,
    *arguments: str,
    work: Path,
    stdin: str = "",
    fresh: bool = False,
    new_ranks: bool = False,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """Runs ``src/SCRIPT`` from the folder ``work``, which also has its outputs, caches and data, with
    ``variables`` added to the environment. fresh: in a new interpreter, as from a shell. new_ranks: only its
    other ranks are in new ones.
    """
    places = {f"SEQ2SCENE_{name}": str(work / name.lower()) for name in FOLDERS}
    settings = {"WANDB_MODE": "offline", "OMP_NUM_THREADS": "1"}
    environment = {**os.environ, **places, **settings, **variables}
    line = [str(SOURCE / script), *arguments]
    if fresh:
        options = {"input": stdin, "capture_output": True, "text": True, "timeout": TIMEOUT}
        return subprocess.run([sys.executable, *line], cwd=work, env=environment, **options)
    with TemporaryDirectory() as folder:
        process, streams = _forked(line, work, environment, Path(folder), stdin, new_ranks)
        process.join(TIMEOUT)
        if process.exitcode is None:
            process.kill()
            raise subprocess.TimeoutExpired(line, TIMEOUT, *(path.read_bytes() for path in streams))
        return subprocess.CompletedProcess(line, process.exitcode, *(path.read_text() for path in streams))


@contextmanager
def started(script: Path, *arguments: str, work: Path) -> Iterator[tuple[BaseProcess, Path, Path]]:
    """A script that runs in the folder ``work``, and the files of its stdout and stderr."""
    with TemporaryDirectory() as folder:
        process, (out, err) = _forked([str(script), *arguments], work, dict(os.environ), Path(folder))
        try:
            yield process, out, err
        finally:
            process.kill()
            process.join()


def run(script: str, *arguments: str, work: Path, **options) -> str:
    """The stdout of a command that must succeed; see ``command``."""
    done = command(script, *arguments, work=work, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def imported_by(script: str) -> set[str]:
    """The packages that a fresh process has imported at the end of some code."""
    script += "\nimport json, sys\nprint(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


def _forked(
    line: list[str],
    work: Path,
    environment: dict[str, str],
    folder: Path,
    stdin: str = "",
    new_ranks: bool = False,
) -> tuple[BaseProcess, list[Path]]:
    """The process, and the files in ``folder`` of its stdout and stderr."""
    streams = [folder / name for name in ("stdin", "stdout", "stderr")]
    streams[0].write_text(stdin)
    process = forks.Process(target=_be, args=(line, work, environment, streams, new_ranks))
    process.start()
    return process, streams[1:]


def _be(
    line: list[str], work: Path, environment: dict[str, str], streams: list[Path], new_ranks: bool
) -> None:
    """Turns this process into the command, from which its other ranks will be forked unless ``new_ranks``."""
    loaded = Path(seq2scene.__file__)
    assert loaded.is_relative_to(SOURCE), f"{loaded} is not of the tree under test, {SOURCE}"
    if not new_ranks:
        children.subprocess = SimpleNamespace(
            Popen=ForkedRank, PIPE=subprocess.PIPE, STDOUT=subprocess.STDOUT
        )
    flags = (os.O_RDONLY, *[os.O_WRONLY | os.O_CREAT | os.O_APPEND] * 2)
    _become(line, work, environment, [os.open(*opened) for opened in zip(streams, flags, strict=True)])


class ForkedRank:
    """As much of ``subprocess.Popen`` as ``ranks`` needs."""

    def __init__(self, line: list[str], cwd: str, env: dict[str, str], stdout: IO[bytes], **_: Any) -> None:
        reader, writer = os.pipe()
        streams = [reader, stdout.fileno(), stdout.fileno()]
        fork = multiprocessing.get_context("fork")
        self.stdin = os.fdopen(writer, "wb")
        self._process = fork.Process(target=self._be, args=(line[1:], Path(cwd), env, streams))
        self._process.start()
        self.pid = self._process.pid
        os.close(reader)

    def _be(self, line: list[str], work: Path, environment: dict[str, str], streams: list[int]) -> None:
        os.setsid()
        self.stdin.close()
        GlobalHydra.instance().clear()  # that of the command
        rank_zero_only.rank = int(environment["RANK"])  # as Lightning finds it on import
        _become(line, work, environment, streams)

    def poll(self) -> int | None:
        self.returncode = self._process.exitcode
        return self.returncode

    def wait(self) -> None:
        self._process.join()


def _become(line: list[str], work: Path, environment: dict[str, str], streams: list[int]) -> None:
    """Runs a script with these streams and arguments in this folder and environment."""
    for descriptor, opened in enumerate(streams):
        os.dup2(opened, descriptor)
    for opened in {*streams}:
        os.close(opened)
    sys.stdin = os.fdopen(0, closefd=False)  # multiprocessing has closed it
    os.chdir(work)
    os.environ.update(environment)
    sys.argv = line
    sys.path.insert(0, str(Path(line[0]).parent))
    try:
        runpy.run_path(line[0], run_name="__main__")
    finally:
        atexit._run_exitfuncs()  # multiprocessing would skip them
