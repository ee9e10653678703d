"""What most commands import and read: once, before they fork."""

import gc
import sys
from pathlib import Path

import PIL.Image
import sacrebleu  # noqa: F401

import composing
import seq2scene.running.commands.evaluation
import seq2scene.running.commands.generation
import seq2scene.running.commands.scene_generation
import seq2scene.tasks.nmt
import seq2scene.tasks.scenes  # noqa: F401

sys.path.append(str(Path(__file__).resolve().parents[1] / "benchmarks"))
import small_tasks  # noqa: F401  (warms grammars and fonts)

PIL.Image.init()
for path in composing.CONF.rglob("*.yaml"):
    composing.read_once(path.relative_to(composing.CONF).with_suffix("").as_posix())
gc.collect()
gc.freeze()  # a command ends with a collection, which would copy all of this
gc.set_threshold(100_000, 20, 20)
gc.enable()  # no_collections was first
