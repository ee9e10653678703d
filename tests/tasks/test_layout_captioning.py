"""Captioning of layouts as it is configured: every choice that means something trains, others are refused."""

from pathlib import Path
from typing import Any

import pytest
import torch
from omegaconf import OmegaConf

from seq2scene.errors import UserError
from seq2scene.running.options.task_compatibility import check_choices
from seq2scene.scenes.grid import Grid
from seq2scene.scenes.schema import LEAST, MOST, Schema
from seq2scene.sequences.caption_batch import CaptionBatch, Layouts
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import choose
from seq2scene.sequences.vocabulary import Vocabulary
from seq2scene.tasks.loading import build_task
from test_configs import CONF, compose_plain, options

TAKES = OmegaConf.to_container(OmegaConf.load(CONF / "task" / "layout_captioning.yaml").takes)
LANGUAGE = Language(choose("whitespace", "en"), Vocabulary.count([list("abcdef")]))
SCHEMA = Schema(("person", "dog", "car"), Grid(4, 4, LEAST, LEAST, MOST, MOST), {}, 9, 1, canvas=(1.0, 1.0))
DESCRIPTION = {"language": LANGUAGE.state(), "language_code": "en", "schema": SCHEMA.state()}


def batch() -> CaptionBatch:
    classes = torch.tensor([[3, 4, 5], [5, 5, 0], [4, 0, 0]])
    boxes = torch.rand(3, 3, 4, generator=torch.Generator().manual_seed(0)) * (classes != 0).unsqueeze(2)
    target = LANGUAGE.batch(["a b", "c d e", "f"], eos=True)
    return CaptionBatch(None, target, torch.arange(3), layouts=Layouts(classes, boxes))


def config(tmp_path: Path, *overrides: str) -> dict[str, Any]:
    return compose_plain(tmp_path, "task=layout_captioning", *overrides)


CHOICES = [f"{group}={option}" for group, taken in TAKES.items() for option in taken]


@pytest.mark.slow
@pytest.mark.parametrize(
    "choice",
    [
        *(
            choice for choice in CHOICES if choice != "loss=self_critical"
        ),  # its reward is made from training data
        "model.decoder.cell=gru",
        "loss.per=sentence",
        "loss.doubly_stochastic=1",
    ],
)
def test_whatever_means_something_to_a_captioner_of_layouts_trains(tmp_path: Path, choice: str) -> None:
    task = build_task(config(tmp_path, choice), DESCRIPTION)
    loss = task.loss(batch())
    loss.total.backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in task.parameters())
    assert loss.count == 2 + 3 + 1 + 3


@pytest.mark.parametrize("group", TAKES)
def test_what_means_nothing_is_refused_with_what_does(tmp_path: Path, group: str) -> None:
    composed = config(tmp_path)
    for option in set(options(group)) - set(TAKES[group]):
        with pytest.raises(UserError, match=f"{group}={option} has no meaning with task=layout_captioning"):
            check_choices({group: option}, composed)


def test_two_layouts_of_the_same_boxes_and_other_classes_are_told_apart(tmp_path: Path) -> None:
    task, given = build_task(config(tmp_path), DESCRIPTION).eval(), batch()
    dogs = given.layouts.classes.where(given.layouts.classes == 0, torch.tensor(4))
    others = CaptionBatch(None, given.target, given.rows, layouts=Layouts(dogs, given.layouts.boxes))
    assert not torch.allclose(task.log_probs(given)[0], task.log_probs(others)[0])
