"""What most commands import, and the grammars and fonts that they read: once, before they fork."""

import gc

import PIL.Image
import sacrebleu  # noqa: F401
from hydra import compose, initialize_config_dir

import composing  # noqa: F401
import seq2scene.running.commands.evaluation
import seq2scene.running.commands.generation
import seq2scene.running.commands.scene_generation
import seq2scene.running.commands.training
import seq2scene.tasks.nmt
import seq2scene.tasks.scenes  # noqa: F401
from seq2scene.plotting.figures import new_figure, to_pixels
from seq2scene.running.installation import CONF

PIL.Image.init()
figure = new_figure(2, 2)
figure.subplots().plot([0, 1])
to_pixels(figure)
with initialize_config_dir(str(CONF), version_base="1.3"):
    compose("train", ["task=nmt"])
gc.collect()
gc.freeze()  # a command ends with a collection, which would copy all of this
gc.set_threshold(100_000, 20, 20)
