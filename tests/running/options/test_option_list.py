"""``--help`` of a command lists its own options, with the comments of its config."""

import subprocess
import sys
from pathlib import Path

import pytest

from entry_points import SOURCE
from seq2scene.running.options.option_list import commented

CONF = Path(__file__).resolve().parents[3] / "conf"
COMMANDS = ["generate", "evaluate", "score", "average", "export", "prepare", "report"]


@pytest.mark.parametrize("name", [*COMMANDS, "train"])
def test_every_option_of_a_command_has_a_comment(name: str) -> None:
    options = [(key, comment) for key, _, comment in commented(CONF / f"{name}.yaml")]
    assert not [key for key, comment in options if not comment and not key.startswith("defaults")]


@pytest.mark.parametrize(
    "search", ["search/beam", "search/greedy", "search/sample", "search_constraints", "search_values"]
)
def test_every_value_of_a_search_has_a_comment(search: str) -> None:
    options = commented(CONF / f"{search}.yaml")
    assert not [key for key, _, comment in options if not comment and key not in ("", "_target_", "defaults")]


@pytest.mark.parametrize("path", sorted((CONF / "reports").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_report_and_every_option_of_one_has_a_comment(path: Path) -> None:
    assert not [key for key, _, comment in commented(path) if not comment]


# Each --help in a fork of one fresh interpreter, which has imported no more than the command line needs.
SHOW = """
import os, runpy, sys
import seq2scene.running.cli
for script in sys.argv[1:]:
    if os.fork() == 0:
        os.dup2(os.open(os.path.basename(script) + ".txt", os.O_WRONLY | os.O_CREAT), 1)
        sys.argv = [script, "--help"]
        try:
            runpy.run_path(script, run_name="__main__")
        except SystemExit as end:
            assert not end.code
        assert "torch" not in sys.modules
        sys.exit()
    assert os.wait()[1] == 0, script
"""


@pytest.fixture(scope="module")
def told(tmp_path_factory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("told")
    scripts = [str(SOURCE / f"{name}.py") for name in COMMANDS]
    subprocess.run([sys.executable, "-c", SHOW, *scripts], cwd=folder, check=True)
    return {name: (folder / f"{name}.py.txt").read_text() for name in COMMANDS}


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_a_line_for_each_option_and_none_of_training_and_does_not_wait_for_torch(
    name: str, told: dict[str, str]
) -> None:
    assert f"python src/{name}.py " in told[name] and "image_encoder" not in told[name]
    lines = [line.split() for line in told[name].splitlines()]
    shown = {words[0].partition("=")[0] for words in lines if len(words) > 1}
    wanted = {key for key, _, _ in commented(CONF / f"{name}.yaml") if key and not key.startswith("defaults")}
    assert wanted <= shown
    if name in ("generate", "evaluate"):
        assert {f"search.{key}" for key, _, _ in commented(CONF / "search_values.yaml") if key} <= shown
    if name == "evaluate":
        assert {"reports.alignments.of", "reports.gold_error.gold", "reports.gallery.count"} <= shown


def test_headings_values_and_nested_keys_are_read_as_they_are_written(tmp_path: Path) -> None:
    (tmp_path / "some.yaml").write_text(
        "# about the file\ndefaults:\n  - search: null  # which\n  - _self_\n"
        "a: ???  # one # two\n# Heading\nb: {c: 1}\ngroup:\n  'd': \"#\"  # below\nhydra: {e: 1}\n"
    )
    assert list(commented(tmp_path / "some.yaml")) == [
        *[("defaults.search", "null", "which"), ("defaults", "_self_", ""), ("a", "???", "one # two")],
        *[("", "", "Heading"), ("b", "{c: 1}", ""), ("group.d", '"#"', "below")],
    ]
