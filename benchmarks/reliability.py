"""Kills training at random moments, resumes it, and compares it bit for bit with a run never killed.

    python benchmarks/reliability.py --kills 1000 [--tasks nmt,lm,...] [--seed 0] [--out reliability.json]

Each chain trains a tiny model on generated data with ``resume=auto`` in one folder, in a process that gets
kill -9 after a random time, until as many kills as drawn have fallen; the last start ends by itself. Then the
weights of last.ckpt and best.ckpt and the rows of metrics.csv must equal those of the whole run. Prints where
the kills fell, by what was on disk and how many steps were lost, and writes the same as JSON.
"""

import argparse
import contextlib
import csv
import os
import random
import runpy
import shutil
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from seq2scene.json_text import write_json
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.running.commands import training  # noqa: F401 (imported once, for all forks)
from seq2scene.running.saving import LAST, PREVIOUS
from seq2scene.running.starts import find_start

ROOT = Path(__file__).resolve().parents[1]
COMMON = [
    "trainer=cpu",
    "trainer.enable_progress_bar=false",
    "trainer.enable_model_summary=false",
    "trainer.log_every_n_steps=1",
    "trainer.max_epochs=3",
    "trainer.limit_train_batches=8",
    "trainer.limit_val_batches=2",
    "callbacks.early_stopping.patience=50",
    "data.park.train=120",
    "data.park.val=24",
    "data.park.test=24",
    "~callbacks.samples",
    "~callbacks.speed",
    "test=false",
]
TASKS = {
    "nmt": ["debug=tiny", "data.batch_size=8"],
    "lm": ["debug=tiny", "data.batch_size=8"],
    "abstract": ["debug=tiny_relational", "data.batch_size=8"],
    "layout": ["debug=tiny_scenes", "data.batch_size=4"],
    "layout_captioning": ["debug=tiny", "data.batch_size=8"],
}
PLANS = {  # how often states are saved, and when it validates
    "epochs": [],
    "steps": ["callbacks.last.every_n_train_steps=1"],
    "half epochs": ["trainer.val_check_interval=0.5"],
    "accumulation": ["trainer.accumulate_grad_batches=3", "callbacks.last.every_n_train_steps=1"],
    "micro-batches": ["trainer.accumulate_grad_batches=3", "trainer.val_check_interval=0.25"],
}


@dataclass
class Kill:
    """phase: what the killed start was doing. lost: the training steps that have to be done again."""

    phase: str
    lost: int


@dataclass
class Chain:
    """A run that was killed. different: in what it ended unlike the run that was never killed."""

    task: str
    plan: str
    kills: list[Kill] = field(default_factory=list)
    different: list[str] = field(default_factory=list)


def overrides(task: str, plan: str) -> list[str]:
    return [f"task={task}", *TASKS[task], *COMMON, *PLANS[plan]]


def start(folder: Path, given: list[str], seconds: float = float("inf")) -> int | None:
    """Starts training, in a fork of this process, as imports take longer than training does here; returns its
    exit status, or None if it was killed after some seconds.
    """
    process = os.fork()
    if process == 0:
        become(folder, given)
    end = time.monotonic() + seconds
    while True:
        done, status = os.waitpid(process, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(process, signal.SIGKILL)
            os.waitpid(process, 0)
            return None
        time.sleep(0.005)


def become(folder: Path, given: list[str]) -> None:
    """Turns this process into ``python src/train.py`` in the run folder ``folder``."""
    status = 1
    try:
        log = os.open(folder.with_suffix(".log"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for stream in (1, 2):
            os.dup2(log, stream)
        places = {name: str(folder.parent / name.lower()) for name in ("DATA", "CACHE", "OUTPUTS")}
        os.environ.update({f"SEQ2SCENE_{name}": place for name, place in places.items()})
        sys.argv = [str(ROOT / "src" / "train.py"), *given, "resume=auto", f"hydra.run.dir={folder}"]
        runpy.run_path(sys.argv[0], run_name="__main__")
        status = 0
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def whole(work: Path, task: str, plan: str) -> tuple[Path, float]:
    """The run that is never killed, and how many seconds it takes when data are prepared."""
    folder = work / f"{task}-{plan.replace(' ', '-')}"
    start(folder, overrides(task, plan))  # prepares the data
    for left in (folder, folder.with_suffix(".log")):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    began = time.monotonic()
    status = start(folder, overrides(task, plan))
    if status != 0:
        raise SystemExit(f"{task}: exit status {status}:\n{folder.with_suffix('.log').read_text()[-2000:]}")
    return folder, time.monotonic() - began


def run_chain(
    work: Path, task: str, plan: str, expected: Path, seconds: float, chance: random.Random
) -> Chain:
    """Kills a run once to three times, lets it end, and compares it with the expected one."""
    chain, folder = Chain(task, plan), work / "chain"
    for _ in range(chance.randint(1, 3)):
        before = rows(folder)
        status = start(folder, overrides(task, plan), chance.uniform(0, seconds))
        if status is not None:
            chain.different += [f"exit status {status}"] if status else []
            break
        chain.kills.append(describe(folder, before))
    status = start(folder, overrides(task, plan))
    chain.different += [f"exit status {status}"] if status else compare(folder, expected)
    if not chain.different:
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_suffix(".log").unlink()
    else:
        kept = Path.cwd() / f"different-{time.time_ns()}"
        for path in (folder, folder.with_suffix(".log")):
            if path.exists():
                shutil.move(path, kept.with_suffix(path.suffix))
    return chain


def describe(folder: Path, before: list[dict[str, str]]) -> Kill:
    """What a killed start has left in its folder, which had the rows ``before`` in metrics.csv."""
    now = rows(folder)
    steps = max((int(row["step"]) + 1 for row in now if row.get("train/loss")), default=0)
    saved = 0
    if any((folder / name).is_file() for name in (LAST, PREVIOUS)):
        saved = find_start(folder, quiet=True)[1]["global_step"]
    half_written = list(folder.glob(".????????.*.ckpt"))
    phase = "while saving" if half_written else "in training" if now != before else "before training"
    return Kill(phase, max(0, steps - saved))


def rows(folder: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv without a line that was cut."""
    with contextlib.suppress(FileNotFoundError), open(folder / "metrics.csv", newline="") as file:
        lines = [row for row in csv.DictReader(file) if None not in row.values()]
        return [{key: value for key, value in row.items() if value} for row in lines]
    return []


def compare(folder: Path, expected: Path) -> list[str]:
    """The parts of a run's final state that are not the expected ones, bit for bit."""
    different = [] if rows(folder) == rows(expected) else ["metrics.csv"]
    for name in ("last", "best"):
        ours, theirs = (load_checkpoint(place / f"{name}.ckpt") for place in (folder, expected))
        parts = ["global_step", "epoch", "state_dict", "optimizer_states", "lr_schedulers", "random_states"]
        different += [f"{name}: {part}" for part in parts if not same(ours[part], theirs[part])]
    return different


def same(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def tell(chain: Chain) -> None:
    kills = ", ".join(f"{kill.phase} ({kill.lost} steps lost)" for kill in chain.kills) or "no kill"
    end = f"DIFFERENT in {', '.join(chain.different)}" if chain.different else "equal"
    print(f"{chain.task:18} {chain.plan:14} {end:6} {kills}", flush=True)


def report(chains: list[Chain]) -> None:
    kills = [kill for chain in chains for kill in chain.kills]
    equal = sum(not chain.different for chain in chains)
    print(f"\n{len(kills)} kills in {len(chains)} chains, {equal} of them equal to the whole run")
    for phase, count in Counter(kill.phase for kill in kills).most_common():
        lost = [kill.lost for kill in kills if kill.phase == phase]
        mean = sum(lost) / count
        print(f"  {phase:16} {count:5} kills; steps lost: {mean:.1f} on average, {max(lost)} at most")
    for plan in PLANS:
        lost = [kill.lost for chain in chains if chain.plan == plan for kill in chain.kills]
        good = [not chain.different for chain in chains if chain.plan == plan]
        if good:
            most = max(lost, default=0)
            print(f"  {plan:16} {len(good):5} chains, {sum(good)} equal; at most {most} steps lost")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--plans", default=",".join(PLANS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file")
    options = parser.parse_args()
    chance, chains, end = random.Random(options.seed), [], time.monotonic() + 60 * options.minutes
    pairs = [(task, plan) for task in options.tasks.split(",") for plan in options.plans.split(",")]
    wholes: dict[tuple[str, str], tuple[Path, float]] = {}
    with TemporaryDirectory() as work:
        while sum(len(chain.kills) for chain in chains) < options.kills and time.monotonic() < end:
            pair = pairs[len(chains) % len(pairs)]
            if pair not in wholes:
                wholes[pair] = whole(Path(work), *pair)
            chains.append(run_chain(Path(work), *pair, *wholes[pair], chance))
            tell(chains[-1])
    report(chains)
    if options.out:
        write_json(options.out, [asdict(chain) for chain in chains])
    sys.exit(any(chain.different for chain in chains))


if __name__ == "__main__":
    main()
