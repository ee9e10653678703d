"""``run.json``: how a run was started, on what, and how long it took."""

import platform
import shlex
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from torch import nn

from seq2scene.json_text import write_json
from seq2scene.reports.report import Report, attempt
from seq2scene.running.installation import CHECKOUT, as_called
from seq2scene.sequences.batching import usable_cores
from seq2scene.tasks.task import Task

PACKAGES = ("torch", "pytorch-lightning", "torchmetrics", "numpy", "hydra-core", "sacrebleu")


def write_run_record(
    folder: Path,
    script: str,
    overrides: Sequence[str],
    started: datetime,
    config: Mapping[str, Any],
    task: Task,
    reports: Sequence[Report],
    tested: str,
    processes: int,
) -> None:
    """Writes ``folder/run.json``, at the end of a command; a failure is printed and loses nothing else.

    script: the entry point. config: as composed for the command. task: what was evaluated; its own config,
    which an evaluation has from the checkpoint, is recorded too. tested: of which checkpoint it is.
    """
    with attempt(f"{folder / 'run.json'}"):
        ended = now()
        record = {
            "command": as_called(shlex.join(["python", f"src/{script}", *overrides])),
            "started": started.isoformat(timespec="seconds"),
            "seconds": round((ended - started) / timedelta(seconds=1), 1),
            "git": git_revision(),
            "versions": versions(),
            "hardware": hardware(),
            "parameters": parameters(task.model),
            "reports": [report.name for report in reports],
            "tested": tested,
            "processes": processes,
            "config": config,
        }
        if script == "evaluate.py":
            record["model_config"] = task.config
        write_json(folder / "run.json", record)


def now() -> datetime:
    return datetime.now().astimezone()


def git_revision() -> str | None:
    """The project's commit, with ``+`` appended if files differ from it; None outside a checkout."""
    if CHECKOUT is None:
        return None
    try:
        ask = ["git", "-C", str(CHECKOUT), "describe", "--always", "--abbrev=40", "--dirty=+", "--exclude=*"]
        return subprocess.run(ask, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def versions() -> dict[str, str]:
    """Of Python and of the packages that numbers depend on, by name."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def hardware() -> dict[str, Any]:
    """system, processor, cores that this process may use, and the GPUs it sees."""
    gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    return {"system": platform.platform(), "processor": _processor(), "cores": usable_cores(), "gpus": gpus}


def _processor() -> str:
    """The processor's name, which only Linux keeps in a file."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def parameters(model: nn.Module) -> dict[str, Any]:
    """The numbers of a model's parameters: ``total``, ``trainable``, and ``parts`` by its direct children."""
    parts: Counter[str] = Counter()
    for name, weight in model.named_parameters():
        parts[name.partition(".")[0]] += weight.numel()
    trainable = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    return {"total": parts.total(), "trainable": trainable, "parts": dict(parts)}
