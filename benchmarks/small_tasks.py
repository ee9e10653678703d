"""Every task at a size of seconds, on a few sentences, scenes and photos of the park, for other benchmarks.
They train in forks of one process, as imports take longer than training does here.
"""

import gc
import os
import pickle
import runpy
import signal
import socket
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from functools import partial, wraps
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src")]

import sacremoses  # noqa: E402, F401
import yaml  # noqa: E402
from hydra import compose, initialize_config_dir  # noqa: E402
from hydra._internal.config_loader_impl import ConfigLoaderImpl  # noqa: E402

yaml.SafeLoader = yaml.CSafeLoader  # OmegaConf's is one: it reads thirty files for a config

from seq2scene.caching import draft  # noqa: E402
from seq2scene.plotting.figures import new_figure, to_pixels  # noqa: E402
from seq2scene.running.commands import training  # noqa: E402, F401
from seq2scene.running.installation import CONF  # noqa: E402

# Grammars and fonts are read once for all forks, and their collections of garbage pass over all of this.
figure = new_figure(2, 2)
figure.subplots().plot([0, 1])
to_pixels(figure)
with initialize_config_dir(str(CONF), version_base="1.3"):
    compose("train", ["task=nmt"])
gc.collect()
gc.freeze()
CONFIGS = TemporaryDirectory()

WORDS = ["model.decoder.embedding_size=16", "model.decoder.hidden_size=16"]
ENCODER = ["model.encoder.embedding_size=16", "model.encoder.hidden_size=16"]
GRID = [
    *("model.decoder.hidden_size=16", "model.decoder.attention_size=8", "model.decoder.classifier_size=16"),
    *("model.decoder.widths=[8,8]", "gallery=2"),
]
TASKS = {
    "nmt": ["task=nmt", *ENCODER, *WORDS],
    "lm": ["task=lm", *WORDS],
    "abstract": [
        *("task=abstract", *ENCODER, "model.decoder.hidden_size=16", "model.decoder.heads=2"),
        *("model.decoder.pair_size=8", "gallery=2"),
    ],
    "layout": ["task=layout", "model=text2scene_mini", *ENCODER, *GRID],
    "composite": [
        *("task=composite", "model=text2scene_mini", *ENCODER, *GRID),
        *("canvas.side=32", "canvas.widths=[8,8,8]"),
        *("heads.appearance.size=8", "patch_encoder.hidden=4", "data.max_objects=40"),
    ],
    "inpainting": [
        *("task=inpainting", "model.widths=[6,8]", "model.depths=[1,1]", "model.decoder_widths=[8,8,6]"),
        *("data.composites.side=16", "data.composites.photo_side=24", "data.side=16"),
        "data.composites.max_objects=40",
    ],
    "captioning": [
        *("task=captioning", *WORDS, "model.annotations.size=8", "image_encoder.trunk=squeezenet1_1"),
        *("image_encoder.layer=features.3", "image_encoder.weights=none", "image_encoder.size=64"),
    ],
    "layout_captioning": [
        *("task=layout_captioning", *WORDS, "model.annotations.size=8", "model.annotations.output_size=16"),
    ],
    "scene_captioning": [
        *("task=scene_captioning", *WORDS, "model.annotations.size=8", "model.annotations.output_size=16"),
        "search.max_extra=10",
    ],
}
QUIET = [
    *("trainer=cpu", "trainer.enable_progress_bar=false", "trainer.enable_model_summary=false"),
    *("~callbacks.samples", "~callbacks.speed", "test=false"),
]


def sized(task: str, samples: int, others: int = 24) -> list[str]:
    """The overrides of a task with so many training samples, and about so many to validate and to test."""
    if task in ("nmt", "lm", "abstract", "scene_captioning"):
        own = samples // 2 if task == "scene_captioning" else samples  # where a scene has two texts
        return [*TASKS[task], *(f"data.park.{split}={others}" for split in ("val", "test")), _train(own)]
    if task == "captioning":  # each photo has five captions
        return [*TASKS[task], _train(samples // 5), f"data.park.val={others}"]
    place = "data.composites." if task == "inpainting" else "data."
    photos = samples // 5 if task == "layout_captioning" else samples
    return [
        *(*TASKS[task], f"{place}val_images={others}", f"{place}park.val={others}"),
        f"{place}park.train={photos + others}",
    ]


def _train(samples: int) -> str:
    return f"data.park.train={samples}"


def once(compose: Callable[..., Any]) -> Callable[..., Any]:
    """The same composition of a config, done once for all forks: it takes a third of their time."""

    @wraps(compose)
    def remembering(loader: ConfigLoaderImpl, *given: Any, **options: Any) -> Any:
        facts = repr((given, options, os.getcwd(), str(loader.config_search_path)))
        file = Path(CONFIGS.name, sha256(facts.encode()).hexdigest())
        if not file.exists():
            made = compose(loader, *given, **options)
            with draft(file) as part:
                part.write_bytes(pickle.dumps(made))
        return pickle.loads(file.read_bytes())

    return remembering


ConfigLoaderImpl._load_configuration_impl = once(ConfigLoaderImpl._load_configuration_impl)


def start(
    folder: Path,
    overrides: list[str],
    environment: Mapping[str, str] = {},
    before: Callable[[], object] = lambda: None,
    log: Path | None = None,
) -> int:
    """Starts ``python src/train.py`` in the run folder ``folder``, with data and caches beside it. Its output
    is appended to ``log``, ``FOLDER.log`` by default. Returns the process.

    before: called in that process before it trains.
    """
    process = os.fork()
    if process:
        return process
    status = 1
    try:
        place = log or folder.with_suffix(".log")
        output = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        for stream in (1, 2):
            os.dup2(output, stream)
        places = {name: str(folder.parent / name.lower()) for name in ("DATA", "CACHE", "OUTPUTS")}
        os.environ.update({f"SEQ2SCENE_{name}": place for name, place in places.items()})
        os.environ.update(environment)
        before()
        sys.argv = [str(ROOT / "src" / "train.py"), *overrides, f"hydra.run.dir={folder}"]
        runpy.run_path(sys.argv[0], run_name="__main__")
        status = 0
    except SystemExit as ending:
        status = ending.code if isinstance(ending.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(status)


def wait(process: int, seconds: float = float("inf")) -> int | None:
    """The exit status of a started process, or None if it was killed after some seconds."""
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


def rendezvous(processes: int) -> list[dict[str, str]]:
    """The environment of each of so many processes of a run on this machine."""
    if processes == 1:
        return [{}]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free.getsockname()[1]), "NODE_RANK": "0"}
    return [
        {**place, "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(processes)}
        for rank in range(processes)
    ]


def run(
    folder: Path,
    overrides: list[str],
    processes: int = 1,
    before: Callable[[int], object] = lambda rank: None,
    environment: Mapping[str, str] = {},
) -> None:
    """Trains in so many processes, connected by gloo, and waits for them. Ends the benchmark with the end of
    the log ``FOLDER-rankN.log`` of one that fails.

    before: called in each process with its rank.
    """
    started = []
    for rank, place in enumerate(rendezvous(processes)):
        log = folder.with_name(f"{folder.name}-rank{rank}.log")
        given = [*overrides, f"trainer.devices={processes}"]
        started.append((start(folder, given, {**environment, **place}, partial(before, rank), log), log))
    for process, log in started:
        require(wait(process), log)


def require(status: int | None, log: Path) -> None:
    """Ends the benchmark with the end of a log unless the status is 0."""
    if status != 0:
        raise SystemExit(f"{log.stem}: exit status {status}:\n{log.read_text()[-3000:]}")
