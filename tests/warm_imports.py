"""What most commands import, imported once in the process that they are forked from."""

import gc

import PIL.Image
import sacrebleu  # noqa: F401

import seq2scene.running.commands.evaluation
import seq2scene.running.commands.generation
import seq2scene.running.commands.scene_generation
import seq2scene.running.commands.training
import seq2scene.tasks.nmt
import seq2scene.tasks.scenes  # noqa: F401

PIL.Image.init()
gc.collect()
gc.freeze()  # a command ends with a collection, which would copy all of this
