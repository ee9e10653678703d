"""The commands: ``seq2scene NAME`` of an installed package, ``python src/NAME.py`` of a checkout."""

import os
import sys
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from importlib import import_module
from io import StringIO
from typing import Any

import hydra
from omegaconf import DictConfig

import seq2scene
from seq2scene.errors import UserError
from seq2scene.running.entry import user_errors
from seq2scene.running.installation import CONF, as_called
from seq2scene.running.options.added_keys import check_added
from seq2scene.running.options.command_line import quote_arguments
from seq2scene.running.options.mistakes import MISTAKES, explain, read_arguments
from seq2scene.running.processes.launchers import requeued

# Options of Hydra that show something and run nothing.
SHOWING = ("--help", "-h", "--hydra-help", "--info", "-i", "--cfg", "-c", "--shell-completion", "-sc")

FULL_ERROR = "HYDRA_FULL_ERROR"  # set to 1: Hydra raises what it would print and end the process for


@dataclass(frozen=True)
class Command:
    """what: a line for the list of commands. function: full name of a function of the composed config, which
    is imported late, as ``--help`` need not wait for PyTorch.
    """

    what: str
    function: str


COMMANDS = {  # each with its options in conf/NAME.yaml, and a script src/NAME.py
    "train": Command("train a model and score it", "seq2scene.running.commands.training.train"),
    "evaluate": Command("score a model on test sets", "seq2scene.running.commands.evaluation.evaluate"),
    "generate": Command("write words or draw scenes", "seq2scene.running.commands.generation.generate"),
    "demo": Command("show models on a page", "seq2scene.running.commands.showing.demo"),
    "report": Command("write the page of a run", "seq2scene.running.commands.reporting.report"),
    "score": Command("score given translations", "seq2scene.running.commands.scoring.score"),
    "prepare": Command("fetch or generate a data set", "seq2scene.running.commands.preparing.prepare_chosen"),
    "export": Command("write a model folder", "seq2scene.running.commands.exporting.export"),
    "average": Command("average the weights of models", "seq2scene.running.commands.averaging.average"),
}


def main() -> None:
    """``seq2scene``: runs the command that the first argument names, or lists the commands."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in COMMANDS:
        del sys.argv[1]
        return run(name)
    with user_errors():
        match name:
            case "--help" | "-h":
                print("seq2scene: attention models that turn text into sequences of words or of objects.\n")
                print(_commands())
                print("\nCOMMAND --help lists the options of a command, --version the version of seq2scene.")
            case "--version":
                print(f"seq2scene {seq2scene.__version__}")
            case _:
                raise UserError(f"{name} is not a command; the commands are\n{_commands()}")


def _commands() -> str:
    lines = [f"  python src/{name}.py {' ' * (8 - len(name))} {one.what}" for name, one in COMMANDS.items()]
    return as_called("\n".join(lines))


def run(name: str) -> None:
    """Runs a command with the other arguments of this process, as a Hydra application. A mistake in them is
    a message and status 2, unless the user has set HYDRA_FULL_ERROR=1.
    """
    function, training = COMMANDS[name].function, name == "train"
    full = os.environ.get(FULL_ERROR) == "1"

    def job(cfg: DictConfig) -> Any:
        if not full:  # composed: from here on an exception is a bug, of which Hydra prints the end
            os.environ.pop(FULL_ERROR, None)
        with user_errors(training):
            check_added(cfg, name)
            module, _, attribute = function.rpartition(".")
            return getattr(import_module(module), attribute)(cfg)

    job.__module__ = f"seq2scene.{name}"  # Hydra names the job after it
    with user_errors():
        read_arguments(sys.argv[1:])
    if training and ("resume=auto" in sys.argv or requeued()):
        from seq2scene.running.resuming.starts import with_start

        with user_errors():
            sys.argv[1:] = with_start(sys.argv[1:], CONF)
    quote_arguments()
    if training and any(argument.startswith("resume=") for argument in sys.argv):
        from seq2scene.running.resuming.stored_overrides import with_choices

        sys.argv[1:] = with_choices(sys.argv[1:])
    application = hydra.main(version_base="1.3", config_path=str(CONF), config_name=name)(job)
    shows = any(argument.partition("=")[0] in SHOWING for argument in sys.argv[1:])
    with user_errors():
        try:
            os.environ[FULL_ERROR] = "1"
            _show(application) if shows else application()
        except MISTAKES as error:
            if full:
                raise
            explain(error, name, read_arguments(sys.argv[1:]))
        finally:
            if not full:
                os.environ.pop(FULL_ERROR, None)


def _show(application: Callable[[], None]) -> None:
    """Prints what an application shows of itself; quietly if nobody reads on, which Hydra takes for a bug."""
    shown = StringIO()
    try:
        with redirect_stdout(shown):
            application()
    finally:
        with user_errors():
            print(as_called(shown.getvalue()), end="")
