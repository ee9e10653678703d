"""Kills training at random moments, resumes it, and compares it bit for bit with a run never killed.

    python benchmarks/reliability.py --kills 1000 [--tasks nmt,lm,...] [--minutes 10] [--seed 0] [--out FILE]

Each chain trains a tiny model on generated data with ``resume=auto`` in one folder, in a process that gets
kill -9 at a moment drawn beforehand: half of the moments are uniform in CPU time, a quarter fall into the
writing of a checkpoint, a quarter just before the run changes one of its files. Of two processes one is
killed; the other must end by itself once they have met. The chain goes on until a start outlives its moment.
Then the weights of last.ckpt and best.ckpt, the rows of metrics.csv, the test scores and the names of the
files in the folder must equal those of the run that was never killed. Prints what the runs did when they were
killed, and how many steps were lost. FILE receives the same as JSON after each chain; given a file of an
earlier call, the benchmark goes on with it. --kills 0 prints its table so far.
"""

import argparse
import contextlib
import csv
import json
import os
import random
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import killing
import torch
from killing import PHASES, Moment, Shared
from small_tasks import QUIET, TASKS, rendezvous, require, sized, start, wait

from seq2scene.caching import draft
from seq2scene.json_text import write_json
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.running.resuming.starts import find_start
from seq2scene.running.saving import LAST, PREVIOUS

SAMPLES = {"layout": 52, "composite": 44, "inpainting": 44, "captioning": 60, "layout_captioning": 60}
COMMON = [
    *("trainer.log_every_n_steps=1", "trainer.max_epochs=3", "trainer.limit_train_batches=6"),
    *("trainer.limit_val_batches=2", "callbacks.early_stopping.patience=50", "data.batch_size=6"),
    "page=false",
]
TWO = "two processes"
PATIENCE = 300.0  # seconds
PLANS = {  # how often states are saved, and when it validates
    "epochs": [],
    "steps": ["callbacks.last.every_n_train_steps=1"],
    "half epochs": ["trainer.val_check_interval=0.5"],
    "accumulation": ["trainer.accumulate_grad_batches=3", "callbacks.last.every_n_train_steps=1"],
    "micro-batches": ["trainer.accumulate_grad_batches=3", "trainer.val_check_interval=0.25"],
    "test": ["test=true", "trainer.limit_test_batches=2"],
    TWO: ["trainer.devices=2", "trainer.accumulate_grad_batches=2", "callbacks.last.every_n_train_steps=1"],
}


@dataclass
class Kill:
    """phase: what the killed start was doing. lost: the training steps that have to be done again. other: the
    seconds that the other process of the run, which was not killed, took to end; None if there was none.
    """

    phase: str
    lost: int
    other: float | None = None


@dataclass
class Chain:
    """A run that was killed. different: in what it ended unlike the run that was never killed."""

    task: str
    plan: str
    kills: list[Kill] = field(default_factory=list)
    different: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Whole:
    """A run that was never killed. seconds: of CPU time."""

    folder: Path
    did: Shared
    seconds: float


@dataclass(frozen=True)
class Start:
    """A start of a run. status: of the last rank, which is the one that was to be killed. did: what it did.
    seconds: its CPU time. other: see ``Kill``.
    """

    status: int
    did: Shared
    seconds: float
    other: float | None


def train(folder: Path, task: str, plan: str, moment: Moment | None = None) -> Start:
    """One start, killed at a moment if it lasts that long."""
    overrides = [*sized(task, SAMPLES.get(task, 120)), *QUIET, *COMMON, *PLANS[plan], "resume=auto"]
    count, shared = 2 if plan == TWO else 1, Shared()
    ranks = []
    for rank, place in enumerate(rendezvous(count)):
        watch = partial(killing.watch, shared, folder, moment) if rank == count - 1 else lambda: None
        ranks.append(start(folder, overrides, place, watch))
    _, status, used = os.wait4(ranks.pop(), 0)
    began, other = time.monotonic(), None
    for rank in ranks:  # one that waits for the other to join is ended by a launcher alone
        joined = shared.numbers[killing.PHASE] != killing.START
        if wait(rank, PATIENCE if joined else 0.0) is not None:
            other = time.monotonic() - began
        elif joined:
            raise SystemExit(f"{folder}: a process outlives the other by {PATIENCE} seconds")
    return Start(os.waitstatus_to_exitcode(status), shared, used.ru_utime + used.ru_stime, other)


def whole(work: Path, task: str, plan: str) -> Whole:
    """The run that is never killed, once its data are prepared."""
    folder = work / f"{task}-{plan.replace(' ', '-')}"
    for _ in range(1 if (work / f"{task}.prepared").exists() else 2):
        shutil.rmtree(folder, ignore_errors=True)
        done = train(folder, task, plan)
        require(done.status, folder.with_suffix(".log"))
    (work / f"{task}.prepared").touch()
    return Whole(folder, done.did, done.seconds)


def run_chain(work: Path, task: str, plan: str, expected: Whole, chance: random.Random) -> Chain:
    """Kills a run until a start outlives the moment drawn for it, and compares it with the expected one."""
    chain, folder, status, step = Chain(task, plan), work / "chain", -signal.SIGKILL, 0
    while status == -signal.SIGKILL:
        moment = killing.draw(expected.did, expected.seconds, chance)
        done = train(folder, task, plan, moment)
        if (status := done.status) == -signal.SIGKILL:
            saved = saved_step(folder)
            lost = max(0, step + done.did.numbers[killing.STEPS] - saved)
            chain.kills.append(Kill(done.did.phase(), lost, done.other))
            step = saved
    chain.different += [f"exit status {status}"] if status else compare(folder, expected.folder)
    if not chain.different:
        shutil.rmtree(folder, ignore_errors=True)
        folder.with_suffix(".log").unlink()
    else:
        kept = Path.cwd() / f"different-{time.time_ns()}"
        for path in (folder, folder.with_suffix(".log")):
            if path.exists():
                shutil.move(path, kept.with_suffix(path.suffix))
    return chain


def saved_step(folder: Path) -> int:
    """The training step from which a run would go on."""
    if not any((folder / name).is_file() for name in (LAST, PREVIOUS)):
        return 0
    return find_start(folder, quiet=True)[1]["global_step"]


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
    scores = [place / "metrics.json" for place in (folder, expected)]
    if scores[1].exists() and not (scores[0].exists() and same(*(json.loads(s.read_text()) for s in scores))):
        different.append("metrics.json")
    files = [{str(path.relative_to(place)) for path in place.rglob("*")} for place in (folder, expected)]
    return different + [f"file {name}" for name in sorted(files[0] ^ files[1])]


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
    counts = Counter(kill.phase for kill in kills)
    for phase, count in ((phase, counts[phase]) for phase in PHASES if counts[phase]):
        lost = [kill.lost for kill in kills if kill.phase == phase]
        mean = sum(lost) / count
        print(f"  {phase:18} {count:5} kills; steps lost: {mean:.1f} on average, {max(lost)} at most")
    if others := sorted(kill.other for kill in kills if kill.other is not None):
        median = others[len(others) // 2]
        print(f"  the other process ended {median:.1f} s later (median), {others[-1]:.1f} s at most")
    for names, of in ((PLANS, "plan"), (TASKS, "task")):
        for name in names:
            ours = [chain for chain in chains if getattr(chain, of) == name]
            lost = [kill.lost for chain in ours for kill in chain.kills]
            if ours:
                good = sum(not chain.different for chain in ours)
                told = f"{len(ours):5} chains, {good} equal; at most {max(lost, default=0)} steps lost"
                print(f"  {name:18} {len(lost):5} kills in {told}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after this time")
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--plans", default=",".join(PLANS))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, help="JSON file, written after each chain and read first")
    options = parser.parse_args()
    end, chains = time.monotonic() + 60 * options.minutes, []
    if options.out and options.out.exists():
        chains = [
            Chain(each["task"], each["plan"], [Kill(**kill) for kill in each["kills"]], each["different"])
            for each in json.loads(options.out.read_text("utf-8"))
        ]
    pairs = [(task, plan) for task in options.tasks.split(",") for plan in options.plans.split(",")]
    random.Random(options.seed).shuffle(pairs)
    wholes: dict[tuple[str, str], Whole] = {}
    with TemporaryDirectory() as work:
        while sum(len(chain.kills) for chain in chains) < options.kills and time.monotonic() < end:
            pair, chance = pairs[len(chains) % len(pairs)], random.Random(f"{options.seed} {len(chains)}")
            if pair not in wholes:
                wholes[pair] = whole(Path(work), *pair)
            chains.append(run_chain(Path(work), *pair, wholes[pair], chance))
            tell(chains[-1])
            if options.out:
                with draft(options.out) as part:
                    write_json(part, [asdict(chain) for chain in chains])
    report(chains)
    sys.exit(any(chain.different for chain in chains))


if __name__ == "__main__":
    main()
