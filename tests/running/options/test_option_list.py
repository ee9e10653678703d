"""``--help`` of a command lists its own options, with the comments of its config."""

from pathlib import Path

import pytest

from entry_points import command
from seq2scene.running.options.option_list import commented

CONF = Path(__file__).resolve().parents[3] / "conf"
COMMANDS = ["generate", "evaluate", "score", "average", "export", "prepare", "report"]


@pytest.mark.parametrize("name", [*COMMANDS, "train"])
def test_every_option_of_a_command_has_a_comment(name: str) -> None:
    options = [(key, comment) for key, _, comment in commented(CONF / f"{name}.yaml")]
    assert not [key for key, comment in options if not comment and not key.startswith("defaults")]


@pytest.mark.parametrize("search", ["search/beam", "search/greedy", "search/sample", "search_constraints"])
def test_every_value_of_a_search_has_a_comment(search: str) -> None:
    options = commented(CONF / f"{search}.yaml")
    assert not [key for key, _, comment in options if not comment and key not in ("", "_target_", "defaults")]


@pytest.mark.parametrize("path", sorted((CONF / "reports").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_report_and_every_option_of_one_has_a_comment(path: Path) -> None:
    assert not [key for key, _, comment in commented(path) if not comment]


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_a_line_for_each_option_and_none_of_training_and_does_not_wait_for_torch(
    name: str, tmp_path: Path
) -> None:
    told = command(f"{name}.py", "--help", work=tmp_path, fresh=True, PYTHONPROFILEIMPORTTIME="1")
    assert told.returncode == 0 and " torch\n" not in told.stderr and " hydra\n" in told.stderr
    assert f"python src/{name}.py " in told.stdout and "image_encoder" not in told.stdout
    lines = [line.split() for line in told.stdout.splitlines()]
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
