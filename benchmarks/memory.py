"""Memory over training steps on a CPU: prints tables, writes JSON.

    python benchmarks/memory.py [--tasks nmt,lm,...] [--steps 2000] [--seconds 60] [--out FILE]
    python benchmarks/memory.py --shapes nmt,abstract     # bounded against unbounded caches of shapes
    python benchmarks/memory.py --ranks 2                 # what processes of one run share of a corpus

Each row trains a small model of a task for so many steps, or seconds. Growth is over the second half, per
1,000 steps, fitted by least squares: in MB of the resident memory, in MB of what malloc has given out and not
got back, and in thousands of Python's blocks. The resident memory also grows while the allocator finds no gap
that fits; a row is flat if what is given out grows by less than FLAT. Speed is in steps per second of CPU
time of that half, which other processes on the machine disturb little.

PyTorch and oneDNN keep a compiled operation for each shape of a batch; ``entry`` bounds both caches. --shapes
trains with that bound and with one that is never reached.

--ranks trains on 200,000 lines, and prints of each process the memory that is its own and its share (PSS) of
the mapped corpus: all processes of a machine share one copy of it.
"""

import argparse
import ctypes
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from small_tasks import QUIET, TASKS, run, sized
from torch.optim.optimizer import register_optimizer_step_post_hook

from seq2scene.json_text import write_json
from seq2scene.running.installation import MOST_SHAPES

FLAT = 0.5  # MB per 1,000 steps
EVERY = 10  # steps between two readings
NEVER = 10**6  # shapes
SAMPLES = {"layout": 200, "composite": 60, "inpainting": 60, "captioning": 100, "layout_captioning": 100}
LINES = 200_000
PAGE = 4096  # bytes
CACHES = ("LRU_CACHE_CAPACITY", "ONEDNN_PRIMITIVE_CACHE_CAPACITY")
LONG = [
    *("trainer.max_epochs=-1", "trainer.limit_val_batches=0", "trainer.num_sanity_val_steps=0"),
    *("callbacks.last.every_n_train_steps=null", "schedule=constant", "~callbacks.early_stopping"),
]


@dataclass(frozen=True)
class Row:
    """shapes: the bound of the caches. first, last: resident MB at half of the steps and at the end. growth,
    given, blocks: of the resident memory, of malloc's and of Python's, per 1,000 steps. speed: steps per
    second of CPU time.
    """

    task: str
    shapes: int
    steps: int
    first: float
    last: float
    growth: float
    given: float
    blocks: float
    speed: float


def after_each_step(note: Callable[[int], object]) -> None:
    """Calls ``note`` with the number of steps so far after every few steps of this process."""
    steps = count(1)

    def hook(*_: object) -> None:
        if (step := next(steps)) % EVERY == 0:
            note(step)

    register_optimizer_step_post_hook(hook)


class Mallinfo2(ctypes.Structure):
    """Of glibc: what malloc has, in bytes."""

    names = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
    _fields_ = [(name, ctypes.c_size_t) for name in names.split()]


def given_out() -> int:
    """The bytes that malloc has given out, in its arenas and as mappings of their own."""
    system = ctypes.CDLL(None)
    system.mallinfo2.restype = Mallinfo2
    now = system.mallinfo2()
    return now.uordblks + now.hblkhd


def measure(work: Path, task: str, steps: int, seconds: float, shapes: int) -> Row:
    folder, file = work / f"{task}-{shapes}", work / f"{task}-{shapes}.txt"
    limits = [f"trainer.max_steps={steps}", f"trainer.max_time={{seconds: {seconds:g}}}"]

    def note(step: int) -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        counts = f"{given_out() / 1e6} {sys.getallocatedblocks() / 1e3}"
        with file.open("a") as opened:
            opened.write(f"{step} {pages * PAGE / 1e6} {counts} {time.process_time()}\n")

    caches = dict.fromkeys(CACHES, str(shapes))
    given = [*sized(task, SAMPLES.get(task, 1200)), *QUIET, *LONG, *limits, "data.batch_size=4"]
    run(folder, given, before=lambda rank: after_each_step(note), environment=caches)
    readings = np.loadtxt(file, ndmin=2)
    half = readings[len(readings) // 2 :]
    slopes = np.polyfit(half[:, 0], half[:, 1:4], 1)[0] * 1000
    taken, first, last = half[-1] - half[0], *half[[0, -1], 1]
    return Row(task, shapes, int(half[-1, 0]), first, last, *slopes.tolist(), taken[0] / taken[4])


def tell(row: Row) -> None:
    flat = "flat" if row.given < FLAT else "GROWS"
    numbers = f"{row.steps:6} {row.first:8.1f} {row.last:8.1f} {row.growth:9.2f}"
    numbers += f" {row.given:8.3f} {row.blocks:8.3f} {row.speed:8.1f}"
    print(f"{row.task:18} {row.shapes:8} {numbers}  {flat}", flush=True)


# What ranks share


@dataclass(frozen=True)
class Share:
    """Of one process, in MB. own: what no other process has. mapped: of the corpus, what is in memory. share:
    its part of that, if each of the processes that map it takes an equal part.
    """

    rank: int
    own: float
    mapped: float
    share: float


def shares(work: Path, processes: int) -> list[Share]:
    texts = {"en": "a dog runs over the green grass", "de": "ein hund läuft über das grüne gras"}
    for split, lines in (("train", LINES), ("val", 20)):
        for side, text in texts.items():
            numbered = (f"{number % 1000} {text}\n" for number in range(lines))
            (work / f"{split}.{side}").write_text("".join(numbered), "utf-8")
    files = [f"data.{split}=[{work}/{split}.en,{work}/{split}.de]" for split in ("train", "val")]
    given = [*TASKS["nmt"], *QUIET, *LONG, "data=text_files", "data.source=en", "data.target=de", *files]
    given += ["data.tokenizer=whitespace", f"trainer.max_steps={EVERY}"]

    def before(rank: int) -> None:
        after_each_step(lambda _: (work / f"{rank}.smaps").write_text(Path("/proc/self/smaps").read_text()))

    run(work / "ranks", given, processes, before)
    return [_share(rank, (work / f"{rank}.smaps").read_text()) for rank in range(processes)]


def _share(rank: int, smaps: str) -> Share:
    own = mapped = share = 0.0
    of_corpus = False
    for line in smaps.splitlines():
        name, _, rest = line.partition(":")
        if " " in name:  # the head of a mapping: addresses, rights and file
            of_corpus = "/cache/" in line
        elif rest.endswith("kB"):
            size = int(rest.split()[0]) / 1000
            own += size * name.startswith("Private_")
            mapped += size * (of_corpus and name == "Rss")
            share += size * (of_corpus and name == "Pss")
    return Share(rank, own, mapped, share)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", default=",".join(TASKS))
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--shapes", help="tasks to train with bounded and with unbounded caches")
    parser.add_argument("--ranks", type=int, help="how many processes share a corpus")
    parser.add_argument("--out", type=Path, help="JSON file")
    options = parser.parse_args()
    found: list[Row | Share] = []
    with TemporaryDirectory() as work:
        if options.ranks:
            print(f"{'rank':4} {'own MB':>8} {'corpus MB':>9} {'share MB':>8}")
            for each in shares(Path(work), options.ranks):
                print(f"{each.rank:4} {each.own:8.1f} {each.mapped:9.1f} {each.share:8.1f}")
                found.append(each)
        else:
            bounds = (MOST_SHAPES, NEVER) if options.shapes else (MOST_SHAPES,)
            heads = f"{'half MB':>8} {'end MB':>8} {'MB/1,000':>9} {'given':>8} {'blocks':>8} {'steps/s':>8}"
            print(f"{'task':18} {'shapes':>8} {'steps':>6} {heads}")
            for task in (options.shapes or options.tasks).split(","):
                for bound in bounds:
                    found.append(measure(Path(work), task, options.steps, options.seconds, bound))
                    tell(found[-1])
    if options.out:
        write_json(options.out, [asdict(each) for each in found])


if __name__ == "__main__":
    main()
