"""metrics.csv loses no row, whenever a run is killed."""

from pathlib import Path

import pytest

from seq2scene.running import metrics_file
from seq2scene.running.metrics_file import NAME, MetricsFile, read_rows


class Killed(BaseException):
    """As abrupt as a kill, for what is on disk."""


def logged(folder: Path, *losses: float) -> MetricsFile:
    file = MetricsFile(folder, name="", version="")
    for step, loss in enumerate(losses):
        file.log_metrics({"loss": loss}, step)
    file.save()
    return file


def test_a_run_that_is_killed_as_it_goes_on_still_has_its_rows(tmp_path: Path, monkeypatch) -> None:
    logged(tmp_path, 3.0, 2.0, 1.0)
    before, saved = (tmp_path / NAME).read_text(), {"rows": 2, "due": None}

    def killed(path: Path) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr(metrics_file, "draft", killed)
        MetricsFile(tmp_path, name="", version="").go_on(tmp_path / "last.ckpt", saved)
    assert (tmp_path / NAME).read_text() == before
    again = MetricsFile(tmp_path, name="", version="")
    again.go_on(tmp_path / "last.ckpt", saved)
    again.log_metrics({"loss": 0.5}, 2)
    again.save()
    assert [row["loss"] for row in read_rows(tmp_path / NAME)] == ["3.0", "2.0", "0.5"]


def test_a_new_run_starts_without_the_rows_of_an_earlier_one(tmp_path: Path) -> None:
    logged(tmp_path, 3.0, 2.0)
    logged(tmp_path, 1.0)
    assert [row["loss"] for row in read_rows(tmp_path / NAME)] == ["1.0"]
