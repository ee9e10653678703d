"""Kills training at random moments, resumes it, and compares it bit for bit with a run never killed.

    python benchmarks/reliability.py --kills 1000 [--tasks nmt,lm,...] [--minutes 10] [--seed 0] [--out FILE]

Each chain trains a tiny model on generated data with ``resume=auto`` in one folder, in a process that gets
kill -9 after a random time, until as many kills as drawn have fallen; the last start ends by itself. Then the
weights of last.ckpt and best.ckpt and the rows of metrics.csv must equal those of the whole run. Prints where
the kills fell, by what was on disk and how many steps were lost. FILE receives the same as JSON after each
chain; given a file of an earlier call, the benchmark goes on with it. --kills 0 prints its table so far.
"""

import argparse
import contextlib
import csv
import json
import random
import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from small_tasks import QUIET, require, sized, start, wait

from seq2scene.caching import draft
from seq2scene.json_text import write_json
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.running.saving import LAST, PREVIOUS
from seq2scene.running.starts import find_start

TASKS = {"nmt": 120, "lm": 120, "abstract": 120, "layout": 52, "layout_captioning": 60}  # training samples
COMMON = [
    *("trainer.log_every_n_steps=1", "trainer.max_epochs=3", "trainer.limit_train_batches=8"),
    *("trainer.limit_val_batches=2", "callbacks.early_stopping.patience=50", "data.batch_size=8"),
]
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


def train(folder: Path, task: str, plan: str, seconds: float = float("inf")) -> int | None:
    """The exit status of one start, or None if it was killed after some seconds."""
    overrides = [*sized(task, TASKS[task]), *QUIET, *COMMON, *PLANS[plan], "resume=auto"]
    return wait(start(folder, overrides), seconds)


def whole(work: Path, task: str, plan: str) -> tuple[Path, float]:
    """The run that is never killed, and how many seconds it takes when data are prepared."""
    folder = work / f"{task}-{plan.replace(' ', '-')}"
    train(folder, task, plan)  # prepares the data
    for left in (folder, folder.with_suffix(".log")):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    began = time.monotonic()
    require(train(folder, task, plan), folder.with_suffix(".log"))
    return folder, time.monotonic() - began


def run_chain(
    work: Path, task: str, plan: str, expected: Path, seconds: float, chance: random.Random
) -> Chain:
    """Kills a run once to three times, lets it end, and compares it with the expected one."""
    chain, folder = Chain(task, plan), work / "chain"
    for _ in range(chance.randint(1, 3)):
        before = rows(folder)
        status = train(folder, task, plan, chance.uniform(0, seconds))
        if status is not None:
            chain.different += [f"exit status {status}"] if status else []
            break
        chain.kills.append(describe(folder, before))
    status = train(folder, task, plan)
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
    parser.add_argument("--out", type=Path, help="JSON file, written after each chain and read first")
    options = parser.parse_args()
    end, chains = time.monotonic() + 60 * options.minutes, []
    if options.out and options.out.exists():
        chains = [
            Chain(each["task"], each["plan"], [Kill(**kill) for kill in each["kills"]], each["different"])
            for each in json.loads(options.out.read_text("utf-8"))
        ]
    pairs = [(task, plan) for task in options.tasks.split(",") for plan in options.plans.split(",")]
    wholes: dict[tuple[str, str], tuple[Path, float]] = {}
    with TemporaryDirectory() as work:
        while sum(len(chain.kills) for chain in chains) < options.kills and time.monotonic() < end:
            pair, chance = pairs[len(chains) % len(pairs)], random.Random(f"{options.seed} {len(chains)}")
            if pair not in wholes:
                wholes[pair] = whole(Path(work), *pair)
            chains.append(run_chain(Path(work), *pair, *wholes[pair], chance))
            tell(chains[-1])
            if options.out:
                with draft(options.out) as part:
                    write_json(part, [asdict(chain) for chain in chains])
    report(chains)
    sys.exit(any(chain.different for chain in chains))


if __name__ == "__main__":
    main()
