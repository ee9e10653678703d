"""Speed and memory of composites: prints a table, writes JSON, and extrapolates to all of COCO from the
photos measured.

    python benchmarks/composites.py [OVERRIDES as for src/train.py] [--only cut] [--out FILE]

Rows, each measured in its own process:

- segments: photos per second whose masks are read, opened and filtered.
- cut: patches per second into a new store, and its size, from half of the photos and from all of them; their
  difference gives the cost per photo.
- read: training batches per second from the store, as a data module makes them.
- embed: patches per second through the patch encoder.
- exact, approximate: queries per second, 64 at a time, of an index over 450,000 appearances in 95 classes of
  very different sizes; and the time to build it.
- write: composites per second by greedy search with random weights, which paste as many patches as they may.
- render: pictures of 256 x 256 pixels per second, with all patches of a true scene.
"""

import argparse
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

from rows import measured

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from seq2scene.json_text import to_json  # noqa: E402

COCO = 77_783  # photos of the paper's training split, before filtering
SECONDS = 5.0  # minimum timing per row


def configuration(overrides: list[str]) -> dict:
    """A composed config as plain containers, without the parts that need a run folder."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    import seq2scene.running.entry  # noqa: F401  (registers the configs' resolvers)

    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        settings = [
            "task=composite",
            "model=text2scene_mini",
            "trainer=cpu",
            "~logger",
            "~callbacks",
            *overrides,
        ]
        return OmegaConf.to_container(compose("train", settings), resolve=True)


def module_of(config: dict):
    from seq2scene.building import build

    module = build(config["data"], "data")
    module.prepare_data()
    return module


def prepared(config: dict):
    """The data module, and the task with random weights and its retrieval index."""
    from seq2scene.tasks.loading import build_task

    module = module_of(config)
    module.setup()
    task = build_task(config, module.description()).eval()
    task.build_retrieval_index()
    return module, task


def rate(work: Callable[[int], int]) -> float:
    """Items per second of ``work``, after one call to warm up; each call returns its number of items."""
    work(0)
    done, step, since = 0, 0, time.perf_counter()
    while time.perf_counter() - since < SECONDS or step < 2:
        step += 1
        done += work(step)
    return round(done / (time.perf_counter() - since), 1)


def measure_segments(config: dict) -> dict:
    from seq2scene.building import build

    with tempfile.TemporaryDirectory() as fresh:
        module = build({**config["data"], "cache": fresh}, "data")
        since = time.perf_counter()
        segments = module._segments("train")
        seconds = time.perf_counter() - since
    photos = segments.tally.images
    return {
        "photos/s": round(photos / seconds, 1),
        "segments": len(segments.ids),
        "all of COCO, minutes": round(COCO / photos * seconds / 60, 1),
    }


def measure_cutting(config: dict) -> dict:
    from seq2scene.compositing.store_building import store_patches

    module = module_of(config)
    segments = module._segments("train")
    paths = [module.photo_folder("train") / name for name in segments.images.files]
    half = len(paths) // 2
    taken = []
    for count in (half, len(paths)):
        with tempfile.TemporaryDirectory() as fresh:
            since = time.perf_counter()
            store = store_patches(
                first_photos(segments, count), paths[:count], fresh, None, module.side, module.photo_side
            )
            seconds = time.perf_counter() - since
            size = sum(file.stat().st_size for file in store.folder.iterdir())
            taken.append((count, len(store), seconds, size))
    (few, few_patches, few_seconds, few_bytes), (all_, patches, seconds, size) = taken
    a_photo = (seconds - few_seconds) / (all_ - few)
    return {
        "patches/s": round((patches - few_patches) / (seconds - few_seconds), 1),
        "ms a photo": round(1000 * a_photo, 1),
        "kB a patch": round((size - few_bytes) / (patches - few_patches) / 1000, 1),
        "all of COCO, minutes": round(COCO * a_photo / 60, 1),
        "all of COCO, GB": round(COCO * (size - few_bytes) / (all_ - few) / 1e9, 1),
    }


def first_photos(segments, count: int):
    """The segments of the first ``count`` photos."""
    images = replace(
        segments.images,
        ids=segments.images.ids[:count],
        sizes=segments.images.sizes[:count],
        files=segments.images.files[:count],
    )
    licenses = replace(segments.licenses, of_images=segments.licenses.of_images[:count])
    end = int((segments.image < count).sum())
    cut = {
        name: getattr(segments, name)[:end] for name in ("image", "category", "boxes", "areas", "runs", "ids")
    }
    return replace(segments, images=images, licenses=licenses, **cut)


def measure_reading(config: dict) -> dict:
    module = module_of(config)
    module.setup()
    loader = module.train_dataloader()
    batches = loader.plan.batches(0)

    def work(step: int) -> int:
        return len(loader.collate(batches[step % len(batches)]))

    return {"samples/s": rate(work)}


def measure_embedding(config: dict) -> dict:
    import numpy as np
    import torch

    _, task = prepared(config)
    patches = task.store.labelled_patches(np.arange(min(256, len(task.store))))
    with torch.inference_mode():
        speed = rate(lambda step: len(task.embed(patches)))
    patches = COCO * len(task.store) / len(task.store.image_ids)  # extrapolated from these photos
    return {"patches/s": speed, "all of COCO, minutes": round(patches / speed / 60, 1)}


def measure_queries(kind: str) -> dict:
    import torch
    import torch.nn.functional as F

    from seq2scene.compositing.patch_finder import PatchFinder

    generator = torch.Generator().manual_seed(0)
    share = 1 / torch.arange(1, 96).float()
    centres = torch.randn(95, 60, 128, generator=generator)

    def draw(count: int):
        kinds = torch.multinomial(share, count, True, generator=generator)
        near = centres[kinds, torch.randint(60, (count,), generator=generator)]
        return kinds + 3, F.normalize(near + 0.7 * torch.randn(count, 128, generator=generator))

    classes, vectors = draw(450_000)
    since = time.perf_counter()
    finder = PatchFinder(classes, vectors, torch.zeros(len(classes), dtype=torch.int64), kind)
    built = time.perf_counter() - since
    queries, used = [draw(64) for _ in range(20)], torch.zeros(64, 0, dtype=torch.int64)
    speed = rate(lambda step: len(finder.find(*queries[step % 20], used)))
    return {"queries/s": speed, "built in s": round(built, 1)}


def measure_writing(config: dict) -> dict:
    import torch

    module, task = prepared(config)
    texts = [batch.texts for batch in islice(module.test_dataloader()[0], 4)]
    pasted = []

    def work(step: int) -> int:
        objects = task.write(texts[step % len(texts)]).objects
        pasted.append(objects.present.sum(1).float().mean())
        return len(objects)

    with torch.inference_mode():
        return {"composites/s": rate(work), "patches": round(torch.stack(pasted).mean().item(), 1)}


def measure_rendering(config: dict) -> dict:
    from seq2scene.compositing.pasting import render

    module = module_of(config)
    module.setup()
    truth, store = module.truth("val")[:32], module.stores["val"]
    patches = store.patches(truth.patches.numpy())
    boxes = module.schema.boxes(truth)

    def work(step: int) -> int:
        return len(render(truth.classes, boxes, patches, (256, 256), store.first_stuff).pictures)

    return {"pictures/s": rate(work)}


ROWS = {
    "segments": measure_segments,
    "cut": measure_cutting,
    "read": measure_reading,
    "embed": measure_embedding,
    "exact": lambda config: measure_queries("exact"),
    "approximate": lambda config: measure_queries("approximate"),
    "write": measure_writing,
    "render": measure_rendering,
}


def measure(row: str, options: argparse.Namespace) -> dict:
    import torch

    from seq2scene.running.processes.trainers import filter_warnings

    filter_warnings()
    torch.set_num_threads(options.threads)
    result = ROWS[row](configuration(options.overrides))
    return result | {"peak MiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("overrides", nargs="*", help="as for src/train.py: data=coco_composite")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="", choices=["", *ROWS], help="one row")
    parser.add_argument("--out", default="composites_benchmark.json")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        print(to_json(measure(options.row, options)))
        return
    results = {}
    for row, found in measured([options.only] if options.only else ROWS, options.threads):
        results[row] = found
        print(f"{row:12}", "  ".join(f"{key} {value}" for key, value in found.items()), flush=True)
    report = {"overrides": options.overrides, "threads": options.threads, "rows": results}
    Path(options.out).write_text(to_json(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
