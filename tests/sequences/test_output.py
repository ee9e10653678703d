"""Output of lines: a file appears once it is complete; until then an old one stays."""

import io
import os
import subprocess
import sys
from pathlib import Path
from threading import Thread

import numpy as np
import pytest

from seq2scene.errors import UserError
from seq2scene.plotting.figures import save_picture
from seq2scene.sequences.output import notices, open_output, require_folder, require_output, with_progress

SOURCE = Path(__file__).resolve().parents[2] / "src"


@pytest.mark.parametrize("failure", [KeyboardInterrupt, UserError, RuntimeError])
def test_what_stood_there_stays_where_writing_breaks_off(tmp_path: Path, failure: type) -> None:
    out = tmp_path / "out.txt"
    out.write_text("good\n")
    with pytest.raises(failure), open_output(str(out)) as lines:
        lines.write("half a li")
        lines.flush()
        raise failure("broken off")
    assert out.read_text() == "good\n" and list(tmp_path.iterdir()) == [out]
    with open_output(str(out)) as lines:
        lines.write("ünd jetzt\n")
        assert out.read_text() == "good\n"
    assert out.read_text(encoding="utf-8") == "ünd jetzt\n" and list(tmp_path.iterdir()) == [out]


def test_a_file_keeps_its_mode_and_a_link_stays_a_link(tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("old")
    file.chmod(0o640)
    link.symlink_to(file)
    with open_output(str(link)) as lines:
        lines.write("new")
    assert link.is_symlink() and file.read_text() == "new" and file.stat().st_mode & 0o777 == 0o640


def test_file_names_that_are_not_utf_8_are_written_as_they_are(tmp_path: Path, capfdbinary) -> None:
    name = os.fsdecode(b"b\xe9.png")
    with open_output(None) as out, open_output(str(tmp_path / "out.txt")) as kept:
        for lines in (out, kept):
            lines.write(f"{name}\tä\n")
    assert capfdbinary.readouterr().out == (tmp_path / "out.txt").read_bytes() == b"b\xe9.png\t\xc3\xa4\n"


def test_folders_are_made_for_the_file_and_nothing_by_the_check(tmp_path: Path) -> None:
    out = tmp_path / "a" / "b" / "out.txt"
    require_output(str(out))
    assert list(tmp_path.iterdir()) == []
    with open_output(str(out)) as lines:
        lines.write("x")
    assert out.read_text() == "x"


def test_lines_go_straight_through_a_pipe(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = Thread(target=lambda: got.append(pipe.read_text()))
    reader.start()
    require_output(str(pipe))
    with open_output(str(pipe)) as lines:
        lines.write("one\ntwo\n")
    reader.join(10)
    assert got == ["one\ntwo\n"] and pipe.is_fifo()


@pytest.mark.parametrize("path", [None, "-", "/dev/stdout"])
def test_stdout_has_three_names(path: str | None, capfd) -> None:
    require_output(path)
    with open_output(path) as lines:
        lines.write("said\n")
    assert capfd.readouterr().out == "said\n"
    require_output("/dev/null")


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("", r"out=.* is a folder: name a file in it, as out=.*/NAME"),
        ("new/", "is a folder"),
        ("file/out.txt", "file is a file, not a folder"),
    ],
)
def test_what_cannot_be_a_file_is_refused(tmp_path: Path, path: str, told: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=told):
        require_output(f"{tmp_path}/{path}")
    with pytest.raises(UserError, match=r"pictures: .*file is a file, not a folder"):
        require_folder(f"{tmp_path}/file", "pictures")


def test_a_folder_that_takes_no_files_is_refused() -> None:
    """Even root cannot write there."""
    with pytest.raises(UserError, match="out: nothing can be written in /proc"):
        require_output("/proc/out.txt")


def test_half_a_picture_is_none(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    save_picture(path, np.zeros((4, 4, 3), np.uint8))
    before = path.read_bytes()
    with pytest.raises(TypeError):
        save_picture(path, np.zeros((4, 4, 7), np.uint8))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
@pytest.mark.parametrize("count", [1, 100_000])
@pytest.mark.parametrize("write", ["print('x' * 50)", "lines.write('x' * 50 + chr(10))"])
def test_a_reader_that_has_seen_enough_is_no_fault(count: int, write: str) -> None:
    script = f"""
from seq2scene.running.entry import user_errors
with user_errors():
    from seq2scene.sequences.output import open_output
    with open_output(None) as lines:
        for _ in range({count}):
            {write}
"""
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.Popen(
        [sys.executable, "-c", script], stdout=writer, stderr=subprocess.PIPE, env={"PYTHONPATH": str(SOURCE)}
    )
    os.close(writer)
    _, said = done.communicate(timeout=60)
    assert (done.returncode, said) == (141, b"")


def test_of_many_lines_the_first_notices_are_told_and_the_others_counted_and_of_a_stream_all(capsys) -> None:
    def told(lines: int | None) -> list[str]:
        with notices(lines) as tell:
            for line in range(1, 16):
                tell("odd lines", f"line {line} is odd")
            tell("even lines", "line 16 is even")
        return capsys.readouterr().err.splitlines()

    every = [f"line {line} is odd" for line in range(1, 16)] + ["line 16 is even"]
    assert told(None) == every
    assert told(16) == [*every[:10], every[-1], "... and 5 more odd lines"]


@pytest.mark.parametrize(("lines", "hidden", "bar"), [(5, False, True), (1, False, False), (5, True, False)])
def test_on_a_terminal_a_bar_shows_how_many_lines_are_done(lines, hidden, bar, monkeypatch) -> None:
    monkeypatch.setattr(sys, "stderr", shown := Terminal())
    parts = [[0]] if lines == 1 else [[0, 1], [2, 3, 4]]
    assert list(with_progress(parts, lines, "lines", hidden)) == parts
    assert (f"{lines}/{lines}" in shown.getvalue()) == bar
    before = shown.getvalue()
    assert list(with_progress(parts, None, "lines")) == parts  # a stream
    assert shown.getvalue() == before


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True
