"""The command ``seq2scene``, and what it has in common with the scripts of a checkout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import seq2scene
from entry_points import command
from seq2scene.errors import UserError
from seq2scene.running.cli import COMMANDS, main
from seq2scene.running.entry import user_errors
from seq2scene.running.installation import CHECKOUT, PACKAGE

TOLD = "fetch it with `python src/prepare.py data=x`, or python other.py"
SCRIPT = str(CHECKOUT / "src" / "train.py")


@pytest.mark.parametrize(
    ("started", "said"),
    [
        (SCRIPT, TOLD),
        ("/usr/bin/seq2scene", "fetch it with `seq2scene prepare data=x`, or python other.py"),
        (f"{PACKAGE}/__main__.py", "fetch it with `python -m seq2scene prepare data=x`, or python other.py"),
    ],
)
def test_messages_name_a_command_as_it_was_called(started: str, said: str, monkeypatch, capsys) -> None:
    monkeypatch.setattr(sys, "argv", [started])
    with pytest.raises(SystemExit), user_errors():
        raise UserError(TOLD)
    assert capsys.readouterr().err == f"error: {said}\n"


def test_a_name_too_long_for_a_file_is_an_error_of_the_user(capsys) -> None:
    with pytest.raises(SystemExit) as exit, user_errors():
        Path(5000 * "x").is_file()
    assert exit.value.code == 2
    assert capsys.readouterr().err == f"error: {60 * 'x'}... is too long for the name of a file\n"


def told(monkeypatch, capsys, *arguments: str) -> tuple[str, str]:
    monkeypatch.setattr(sys, "argv", ["seq2scene", *arguments])
    main()
    return capsys.readouterr()


def test_the_commands_are_listed_with_a_line_each(monkeypatch, capsys) -> None:
    listed = told(monkeypatch, capsys, "--help").out
    assert told(monkeypatch, capsys).out == listed
    for name, one in COMMANDS.items():
        assert [line.split() for line in listed.splitlines()].count(
            ["seq2scene", name, *one.what.split()]
        ) == 1


def test_the_version_is_told(monkeypatch, capsys) -> None:
    assert told(monkeypatch, capsys, "--version").out == f"seq2scene {seq2scene.__version__}\n"


def test_an_unknown_command_fails_with_the_list(monkeypatch, capsys) -> None:
    with pytest.raises(SystemExit) as exit:
        told(monkeypatch, capsys, "trian")
    said = capsys.readouterr()
    assert exit.value.code == 2 and said.out == ""
    assert said.err.startswith("error: trian is not a command; the commands are\n  seq2scene train ")


@pytest.mark.slow
def test_the_command_says_what_the_script_says(tmp_path: Path) -> None:
    line = [sys.executable, "-m", "seq2scene", "train", "--help"]
    said = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    script = command("train.py", "--help", work=tmp_path).stdout
    renamed = script.replace("python src/train.py", "python -m seq2scene train")
    assert said.replace(str(CHECKOUT), "") == renamed.replace(str(tmp_path), "") != script


@pytest.mark.slow
@pytest.mark.parametrize("show", [["--help"], ["--cfg", "job"]], ids=" ".join)
def test_a_reader_that_has_seen_enough_of_the_help_is_no_fault(show: list[str]) -> None:
    reader, writer = os.pipe()
    started = subprocess.Popen([sys.executable, SCRIPT, *show], stdout=writer, stderr=subprocess.PIPE)
    os.close(writer), os.close(reader)
    _, said = started.communicate(timeout=60)
    assert (started.returncode, said) == (141, b"")
