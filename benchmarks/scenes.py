"""Speed and memory of scene generation: prints a table, writes JSON.

    python benchmarks/scenes.py [--data FOLDER] [--device cpu] [--only train] [--steps 50] [--profile]

Two sizes: ``small`` for CPUs, with a semantic canvas, and ``paper``, with a rendered picture encoded by a
ResNet-50 with random weights. Each row is named ``device size what``, runs in its own process and is warmed
up before timing:

- train: samples per second through Lightning's whole loop, on real batches; and the seconds from the start of
  Python to the first batch and to the first step, with the park's scenes already written.
- greedy, beam 8: test scenes per second, with random weights, which write all nine objects.
- text encoder: scenes (of three sentences) per second, forward and backward, all sentences as one batch;
  or sentence by sentence in a Python loop, as in the reference.
- painter: scenes per second, all ten prefixes seen in training, 224 x 224, on the device at once; or one
  scene and one prefix at a time with PIL, reading every picture again, as in the reference.

--steps is the number of batches timed, after the same number to warm up; a tenth of it for the paper's size
on a CPU, beam search and the slow variants.
"""

import argparse
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path

from rows import measured

START = time.perf_counter()
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "src"))

from seq2scene.json_text import to_json  # noqa: E402

SIDE = 224
SIZES = {  # overrides, samples per training batch and per generation batch
    "small": (["model=text2scene_small", "model.decoder.hidden_size=64", "canvas=semantic"], 16, 128),
    "paper": (["model=text2scene", "canvas=resnet50", "canvas.weights=none"], 8, 16),
}
BF16 = ["trainer.precision=bf16-mixed"]
BEAM = ["search=beam", "search.size=8"]


def configuration(device: str, size: str, options: argparse.Namespace, overrides: list[str]) -> dict:
    """A composed config as plain containers, without the parts that need a run folder."""
    from hydra import compose, initialize_config_dir
    from omegaconf import OmegaConf

    import seq2scene.running.entry  # noqa: F401  (registers the configs' resolvers)

    own, batch, eval_batch = SIZES[size]
    real = (Path(options.data) / "Scenes_10020.txt").is_file()
    data = ["data=abstract_scenes", f"data.root={options.data}"] if real else ["data=park_scenes"]
    data += [
        f"data.batch_size={options.batch or batch}",
        f"data.eval_batch_size={options.batch or eval_batch}",
    ]
    trainer = ["trainer=cpu" if device == "cpu" else "trainer=gpu", "trainer.precision=32-true"]
    settings = ["task=abstract", *data, *trainer, "~logger", "~callbacks", *own, *overrides]
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return OmegaConf.to_container(compose("train", settings), resolve=True)


def prepared(config: dict):
    """The data module, and the task with random weights, of a config."""
    import pytorch_lightning as pl
    import torch

    from seq2scene.building import build
    from seq2scene.running.processes.trainers import filter_warnings
    from seq2scene.tasks.loading import build_task

    filter_warnings()
    pl.seed_everything(1, verbose=False)
    torch.set_float32_matmul_precision(config["trainer"]["float32_matmul"])
    module = build(config["data"], "data")
    module.prepare_data()
    module.setup()
    return module, build_task(config, module.description())


def now(device: str) -> float:
    """The time in seconds, after synchronising with the device."""
    import torch

    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


@contextmanager
def profiled(options: argparse.Namespace, device: str) -> Iterator[dict[str, float]]:
    """Fills a dict with the ten most expensive operators and their percentage of the device's time."""
    from torch.profiler import ProfilerActivity, profile

    shares: dict[str, float] = {}
    if not options.profile:
        yield shares
        return
    kinds = [ProfilerActivity.CPU] + [ProfilerActivity.CUDA] * (device == "cuda")
    with profile(activities=kinds, acc_events=True) as found:
        yield shares
    clock = "self_cpu_time_total" if device == "cpu" else "self_device_time_total"
    operators = [event for event in found.key_averages() if event.device_type.name == "CPU"]  # not kernels
    times = {event.key: getattr(event, clock) for event in operators}
    busiest = sorted(times, key=lambda key: -times[key])[:10]
    shares |= {key: round(100 * times[key] / sum(times.values()), 1) for key in busiest}


def rate(work: Callable[[int], int], steps: int, device: str, options: argparse.Namespace) -> dict:
    """Scenes per second over the last ``steps`` of 2 * ``steps``; ``work`` does a step and returns its number
    of scenes.
    """
    for step in range(steps):
        work(step)
    with profiled(options, device) as shares:
        since = now(device)
        scenes = sum(work(steps + step) for step in range(steps))
        speed = scenes / (now(device) - since)
    return {"scenes/s": round(speed, 2)} | ({"where the time goes": shares} if shares else {})


# Measurements


def measure_training(
    device: str, size: str, options: argparse.Namespace, overrides: list[str], steps: int
) -> dict:
    import pytorch_lightning as pl

    from seq2scene.running.processes.trainers import make_trainer

    limits = [f"trainer.max_steps={2 * steps}", "trainer.max_epochs=1000"]
    config = configuration(device, size, options, [*limits, *overrides])
    config["trainer"] |= {"limit_val_batches": 0, "enable_progress_bar": False, "enable_model_summary": False}

    class Watch(pl.Callback):
        first_batch = first_step = since = seconds = 0.0
        samples = 0
        shares: dict[str, float]
        profile = ExitStack()

        def on_train_batch_start(self, trainer, module, batch, index) -> None:
            if trainer.global_step == 0:
                self.first_batch = now(device) - START

        def on_train_batch_end(self, trainer, module, outputs, batch, index) -> None:
            if trainer.global_step == 1:
                self.first_step = now(device) - START
            if trainer.global_step == steps:
                self.shares = self.profile.enter_context(profiled(options, device))
                self.since = now(device)
            elif trainer.global_step > steps:
                self.samples += len(batch)
            if trainer.global_step == 2 * steps:
                self.seconds = now(device) - self.since
                self.profile.close()

    watch = Watch()
    module, task = prepared(config)
    trainer = make_trainer(config["trainer"], callbacks=[watch], logger=False, enable_checkpointing=False)
    trainer.fit(task, datamodule=module)
    return {
        "samples/s": round(watch.samples / watch.seconds, 2),
        "first batch after s": round(watch.first_batch, 1),
        "first step after s": round(watch.first_step, 1),
    } | ({"where the time goes": watch.shares} if watch.shares else {})


def measure_search(
    device: str, size: str, options: argparse.Namespace, overrides: list[str], steps: int
) -> dict:
    import torch

    module, task = prepared(configuration(device, size, options, overrides))
    task = task.to(device).eval()
    texts = [batch.texts.to(device) for batch in islice(module.test_dataloader()[0], steps)]
    objects = []

    def work(step: int) -> int:
        written = task.write(texts[step % len(texts)])
        objects.append(written.objects.present.sum(1).float().mean())
        return len(written.log_probs)

    with torch.inference_mode():
        result = rate(work, steps, device, options)
    return result | {"objects a scene": round(torch.stack(objects).mean().item(), 2)}


def measure_text(device: str, size: str, options: argparse.Namespace, slowly: bool, steps: int) -> dict:
    module, task = prepared(configuration(device, size, options, []))
    encoder = task.model.encoder.to(device).train()
    texts = [batch.texts.to(device) for batch in islice(module.train_dataloader(), steps)]
    encode = encode_slowly if slowly else lambda encoder, texts: encoder(texts)[0]

    def work(step: int) -> int:
        told = texts[step % len(texts)]
        encode(encoder, told).sum().backward()
        encoder.zero_grad()
        return len(told) // encoder.sentences

    return rate(work, steps, device, options)


def encode_slowly(encoder, texts):
    """The words of B scenes (B, W, features), each sentence encoded separately."""
    import torch
    from torch.nn.utils.rnn import pad_sequence

    words = []
    for ids, length in zip(texts.ids, texts.lengths.tolist(), strict=True):
        vectors = encoder.words.embedding(ids[: max(length, 1)])
        states, _ = encoder.words.rnn(encoder.words.dropout(vectors).unsqueeze(0))
        words.append(torch.cat([states[0], vectors], dim=1)[:length])
    each = encoder.sentences
    return pad_sequence([torch.cat(words[i : i + each]) for i in range(0, len(words), each)], True)


def measure_painting(device: str, size: str, options: argparse.Namespace, slowly: bool, steps: int) -> dict:
    from seq2scene.scenes.sprites import SpritePainter

    module, _ = prepared(configuration(device, "small", options, []))
    painter = SpritePainter(module.schema, module.pictures(), SIDE, SIDE).to(device)
    objects = module.schema.with_end(module.splits["train"].objects).cut(module.schema.max_objects)
    scenes = [objects[module.batch_size * step :][: module.batch_size] for step in range(steps)]
    there = [objects.to(device) for objects in scenes]
    if not slowly:
        return rate(lambda step: len(painter.paint(there[step % len(there)])), steps, device, options)

    def work(step: int) -> int:
        for scene in range(len(scenes[step % len(scenes)])):
            paint_slowly(scenes[step % len(scenes)][scene : scene + 1], module)
        return len(scenes[step % len(scenes)])

    both = [painter.paint(there[0][:1])[0].cpu(), paint_slowly(scenes[0][:1], module)]
    difference = round(255 * (both[0] - both[1]).abs().mean().item(), 2)
    return rate(work, steps, device, options) | {"difference of the two ways, of 255": difference}


def paint_slowly(objects, module):
    """One scene of T places -> (T + 1, 3, SIDE, SIDE), each prefix painted from an empty canvas."""
    import torch
    from PIL import Image, ImageOps
    from torchvision.transforms.functional import to_tensor

    from seq2scene.scenes.sprites import picture_name

    schema, prefixes = module.schema, []
    values = {name: numbers[0].tolist() for name, numbers in objects.attributes.items()}
    for steps in range(int(objects.present.sum()) + 1):
        canvas = Image.open(module.folder / "Pngs/background.png").convert("RGBA")
        for at in range(steps):
            variant = values["pose"][at] * schema.sizes.shape[2] + values["expression"][at]
            name = picture_name(module.pictures(), schema.name(objects.classes[0, at]), variant)
            picture = Image.open(module.folder / f"Pngs/{name}.png").convert("RGBA")
            scale = schema.scales[values["size"][at]]
            picture = picture.resize([max(1, round(side * scale)) for side in picture.size])
            picture = ImageOps.mirror(picture) if values["flip"][at] else picture
            x, y = objects.places[0, at].tolist()
            layer = Image.new("RGBA", canvas.size)
            layer.paste(picture, (round(x - picture.width / 2), round(y - picture.height / 2)))
            canvas = Image.alpha_composite(canvas, layer)
        prefixes.append(to_tensor(canvas.convert("RGB").resize((SIDE, SIDE))))
    prefixes += prefixes[-1:] * (objects.classes.shape[1] + 1 - len(prefixes))
    return torch.stack(prefixes)


# Rows: the function that measures each, its overrides or variant, and its fraction of the steps

ROWS = {
    "train": (measure_training, [], 1.0),
    "train, bf16": (measure_training, BF16, 1.0),
    "greedy": (measure_search, [], 1.0),
    "beam 8": (measure_search, BEAM, 0.1),
    "text encoder, one batch": (measure_text, False, 1.0),
    "text encoder, sentence by sentence": (measure_text, True, 0.1),
}
PAINTERS = {"painter": (measure_painting, False, 1.0), "painter, PIL": (measure_painting, True, 0.1)}


def row_names(device: str) -> list[str]:
    painters = [
        what for what in PAINTERS if device == "cpu" or "PIL" not in what
    ]  # PIL paints only on the CPU
    return [
        *(f"{device} {size} {what}" for size in SIZES for what in ROWS),
        *(f"{device} 224 {what}" for what in painters),
    ]


def measure(row: str, options: argparse.Namespace) -> dict:
    import torch

    torch.set_num_threads(options.threads)
    device, size, what = row.split(" ", 2)
    function, way, share = (ROWS | PAINTERS)[what]
    if (device, size) == ("cpu", "paper") and function is not measure_text:
        share = 0.1
    result = function(device, size, options, way, max(1, round(options.steps * share)))
    result["peak MiB"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    if device == "cuda":
        result["peak CUDA MiB"] = round(torch.cuda.max_memory_allocated() / 2**20)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    default = Path(os.environ.get("SEQ2SCENE_DATA", ROOT / "data")) / "AbstractScenes_v1.1"
    parser.add_argument("--data", default=str(default), help="of Abstract Scenes; the park's if missing")
    parser.add_argument(
        "--device", choices=["cpu", "cuda"], help="default: the CPU, and a GPU if there is one"
    )
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--batch", type=int, help="samples per batch; default as in SIZES")
    parser.add_argument("--only", default="", help="rows whose name contains this")
    parser.add_argument(
        "--profile", action="store_true", help="where the time goes; slows the measurement down"
    )
    parser.add_argument("--out", default="scenes_benchmark.json")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.row:
        print(to_json(measure(options.row, options)))
        return
    devices = [options.device] if options.device else ["cpu", *has_cuda()]
    rows = [row for device in devices for row in row_names(device) if options.only in row]
    if not rows:
        parser.error(f"--only: no row has {options.only!r} in its name")
    results = {}
    for row, found in measured(rows, options.threads):
        results[row] = found
        told = {key: value for key, value in found.items() if not isinstance(value, dict)}
        print(f"{row:46}", "  ".join(f"{key} {value}" for key, value in told.items()), flush=True)
        for operator, share in found.get("where the time goes", {}).items():
            print(f"{share:>12} % {operator}", flush=True)
    report = {"threads": options.threads, "steps": options.steps, "batch": options.batch, "rows": results}
    Path(options.out).write_text(to_json(report, indent=2) + "\n")


def has_cuda() -> list[str]:
    import torch

    return ["cuda"] * torch.cuda.is_available()


if __name__ == "__main__":
    main()
