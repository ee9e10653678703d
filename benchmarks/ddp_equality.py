"""Distributed training against one process: prints a table, writes JSON.

    python benchmarks/ddp_equality.py [--tasks nmt,lm,...] [--processes 1,2,4] [--accumulate 1,2] [--out FILE]

Each row trains a small model of a task in several processes (gloo, CPU) for one epoch of five batches, the
last step of accumulated ones being smaller, validates on a set that does not divide evenly, and compares with
one process whose batches are those of all processes together: the largest differences of the first
gradients and of the final weights, as shares of the largest, and of the validation scores. The rows
"1 process" compare one step on all data, in three unequal micro-batches, with the same step in one batch.
What is drawn by batch or rank is left out (dropout, colours of simulated composites) or drawn for each patch
alone (the others of the triplet loss), and matrix products are in full float32. Exits with 1 if a row that
should be equal is not, within the tolerances of float32 sums in another order (TOLERANCES).
"""

import argparse
import csv
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from small_tasks import QUIET, run, sized
from torch.optim.optimizer import register_optimizer_step_post_hook

from seq2scene.data.scenes.coco_composite import Negatives
from seq2scene.json_text import write_json
from seq2scene.models.checkpoints import load_checkpoint

DRAW = Negatives.draw
TOLERANCES = {"gradients": 1e-5, "weights": 1e-5, "scores": 1e-4}
SAMPLES, BATCH = 40, 8  # of all processes
EXACT = [
    *("optimizer=sgd", "optimizer.lr=0.1", "optimizer.momentum=0.9", "schedule=constant"),
    *("trainer.float32_matmul=highest", "trainer.num_sanity_val_steps=0", "trainer.log_every_n_steps=1"),
    *("trainer.max_epochs=1", "page=false"),
]
SCENES = ["model.encoder.dropout=0", "model.decoder.dropout=0"]
CAPTIONS = ["model.annotations.dropout=0"]
DRAWS_NOTHING = {
    **{"nmt": SCENES[:1], "lm": [*SCENES[1:], "data.window=9"], "abstract": SCENES, "layout": SCENES},
    **{
        "composite": SCENES,
        "composite triplet": [*SCENES, "loss.contrast=0"],
        "inpainting": ["data.transfer=0"],
        "captioning": CAPTIONS,
        "layout_captioning": CAPTIONS,
        "scene_captioning": CAPTIONS,
    },
}
SPLIT_MATTERS = {  # into micro-batches; see docs/clusters.md
    "layout": "batch normalisation",
    "composite": "batch normalisation",
    "composite triplet": "batch normalisation",
}


@dataclass(frozen=True)
class Found:
    """What a run came to. gradients: those of the first step, as the optimizer saw them."""

    gradients: list[torch.Tensor]
    weights: dict[str, torch.Tensor]
    scores: dict[str, float]


@dataclass(frozen=True)
class Row:
    """The largest differences from one process."""

    task: str
    processes: int
    accumulate: int
    gradients: float
    weights: float
    scores: float

    def equal(self) -> bool:
        return all(getattr(self, name) <= limit for name, limit in TOLERANCES.items())


def train(work: Path, task: str, processes: int, accumulate: int, batch: int, name: str) -> Found:
    folder = work / f"{task}-{name}".replace(" ", "-")
    file = folder.with_suffix(".pt")
    overrides = [*sized(task.split()[0], SAMPLES, 10), *QUIET, *EXACT, *DRAWS_NOTHING[task]]
    overrides += [f"data.batch_size={batch}", f"trainer.accumulate_grad_batches={accumulate}"]

    def record(rank: int) -> None:
        Negatives.draw = draw_alone

        def save(optimizer: torch.optim.Optimizer, *_: object) -> None:
            handle.remove()
            parameters = (p for group in optimizer.param_groups for p in group["params"])
            torch.save([torch.zeros_like(p) if p.grad is None else p.grad for p in parameters], file)

        if rank == 0:
            handle = register_optimizer_step_post_hook(save)

    run(folder, overrides, processes, record)
    with open(folder / "metrics.csv", newline="") as table:
        rows = [{key: float(value) for key, value in row.items() if value} for row in csv.DictReader(table)]
    scores = {key: value for row in rows for key, value in row.items() if key.startswith("val/")}
    weights = load_checkpoint(folder / "last.ckpt")["state_dict"]
    return Found(torch.load(file), weights, scores)


def draw_alone(negatives: Negatives, numbers: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """``Negatives.draw``, but what is drawn for a patch does not depend on its batch."""
    own = [
        DRAW(negatives, numbers[n : n + 1], np.random.default_rng(numbers[n])) for n in range(len(numbers))
    ]
    return np.concatenate([numbers[:0], *own])


def compare(task: str, processes: int, accumulate: int, found: Found, expected: Found) -> Row:
    weights = [(found.weights[name], value) for name, value in expected.weights.items()]
    floats = [(ours, theirs) for ours, theirs in weights if theirs.is_floating_point()]
    assert found.scores.keys() == expected.scores.keys()
    scores = (abs(found.scores[key] - value) / max(1.0, abs(value)) for key, value in expected.scores.items())
    gradients = list(zip(found.gradients, expected.gradients, strict=True))
    return Row(task, processes, accumulate, largest(gradients), largest(floats), max(scores))


def largest(pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> float:
    """The largest difference, as a share of the largest value."""
    apart = max(float((ours - theirs).abs().max()) for ours, theirs in pairs)
    return apart / max(float(theirs.abs().max()) for _, theirs in pairs)


def rows(work: Path, task: str, processes: list[int], accumulate: list[int]) -> list[Row]:
    found = []
    if 1 in processes and task != "lm":  # its micro-batches are windows of the same text, one after the other
        whole = train(work, task, 1, 1, SAMPLES, "whole")
        parts = train(work, task, 1, 3, -(-SAMPLES // 3), "parts")
        found.append(compare(task, 1, 3, parts, whole))
        tell(found[-1])
    for each in accumulate:
        alone = train(work, task, 1, each, BATCH, f"1x{each}")
        for count in (one for one in processes if one > 1):
            ours = train(work, task, count, each, BATCH // count, f"{count}x{each}")
            found.append(compare(task, count, each, ours, alone))
            tell(found[-1])
    return found


def tell(row: Row) -> None:
    what = "1 process" if row.processes == 1 else f"{row.processes} processes"
    reason = SPLIT_MATTERS.get(row.task) if row.processes == 1 else None
    end = "equal" if row.equal() else f"differs: {reason}" if reason else "DIFFERS"
    numbers = f"{row.gradients:10.1e} {row.weights:10.1e} {row.scores:10.1e}"
    print(f"{row.task:18} {what:12} {row.accumulate:10} {numbers}  {end}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", default=",".join(DRAWS_NOTHING))
    parser.add_argument("--processes", default="1,2,4")
    parser.add_argument("--accumulate", default="1,2")
    parser.add_argument("--out", type=Path, help="JSON file")
    options = parser.parse_args()
    processes, accumulate = (
        [int(one) for one in given.split(",")] for given in (options.processes, options.accumulate)
    )
    print(f"{'task':18} {'':12} {'accumulate':>10} {'gradients':>10} {'weights':>10} {'scores':>10}")
    with TemporaryDirectory() as work:
        found = [
            row for task in options.tasks.split(",") for row in rows(Path(work), task, processes, accumulate)
        ]
    if options.out:
        write_json(options.out, [{**asdict(row), "equal": row.equal()} for row in found])
    wrong = [
        row for row in found if not row.equal() and not (row.processes == 1 and row.task in SPLIT_MATTERS)
    ]
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
