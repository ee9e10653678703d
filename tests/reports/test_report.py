"""The contract of reports, and what happens when a part of one fails."""

import importlib
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from seq2scene.errors import UserError
from seq2scene.reports.report import Report, attempt
from seq2scene.tasks.lm import LM
from seq2scene.tasks.nmt import NMT

CONF = Path(__file__).resolve().parents[2] / "conf" / "reports"


@pytest.mark.parametrize("path", sorted(CONF.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_report_is_called_as_its_file_and_its_key_are(path: Path) -> None:
    ((name, config),) = OmegaConf.load(path).items()
    module, _, kind = config["_target_"].rpartition(".")
    found = getattr(importlib.import_module(module), kind)
    assert issubclass(found, Report)
    assert found.name == name == path.stem == module.rpartition(".")[2]


def test_a_report_is_refused_for_a_task_that_it_does_not_apply_to() -> None:
    class Mine(Report):
        name = "mine"
        tasks = (NMT,)

    task = LM.__new__(LM)
    task.config = {"task": {"name": "lm"}}
    with pytest.raises(UserError, match=r"^mine: has no meaning with task=lm; leave it out"):
        Mine().check(task)
    Report().check(task)


def test_a_picture_may_fail_and_says_in_one_line_what_and_why(capsys) -> None:
    with attempt("curves.png"):
        raise ValueError("no data\nand much more")
    with attempt("gallery"):
        raise RuntimeError
    assert (
        capsys.readouterr().out
        == "not made: curves.png: ValueError: no data\nnot made: gallery: RuntimeError\n"
    )


def test_an_interruption_is_no_failure_of_a_picture() -> None:
    with pytest.raises(KeyboardInterrupt), attempt("gallery"):
        raise KeyboardInterrupt
