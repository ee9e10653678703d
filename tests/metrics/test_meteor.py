"""METEOR of captions by the protocol of its program; what it computes is in ``test_caption_scores``."""

from pathlib import Path

import pytest

from seq2scene.errors import UserError
from seq2scene.metrics import meteor
from seq2scene.metrics.meteor import Meteor, MeteorProcess, find_meteor
from small_meteor import stand_in

REFERENCES = [("A dog runs.", "a brown dog is running"), ("Two children play.", "Kids outside")]
CAPTIONS = ["A dog runs on it", "a child"]


def test_batches_add_up_to_the_score_of_all_words(tmp_path: Path, monkeypatch) -> None:
    jar = find_meteor(str(stand_in(tmp_path, monkeypatch)))
    with MeteorProcess(jar) as process:
        metric = Meteor(process)
        for row in (1, 0):
            metric.update([CAPTIONS[row]], [REFERENCES[row]])
        assert metric.compute().item() == pytest.approx(100 * 3 / 7)  # METEOR sees "a dog runs" in lower case
        metric.reset()
        metric.update(["A |||\nDOG!"], [("a |||", "dog")])
        assert metric.compute().item() == 100
        metric.reset()
        metric.update([], [])
        assert metric.compute().isnan()


def test_a_program_that_fails_says_why(tmp_path: Path, monkeypatch) -> None:
    jar = stand_in(
        tmp_path, monkeypatch, "#!/bin/sh\necho no heap of {jar} >&2\nread line; echo 1 2\nread line\n"
    )
    with MeteorProcess(jar) as process, pytest.raises(UserError, match="METEOR failed: 1 2"):
        process.statistics("a", ["b"])
    with MeteorProcess(jar) as process:
        with pytest.raises(UserError):
            process.statistics("a", ["b"])
        with pytest.raises(UserError, match="no heap of"):
            process.score([0.0] * 23)


def test_what_is_missing_is_said(tmp_path: Path, monkeypatch) -> None:
    stand_in(tmp_path, monkeypatch)
    with pytest.raises(UserError, match=r"meteor_jar=none\.jar: there is no such file"):
        find_meteor("none.jar")
    monkeypatch.setattr(meteor, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install pycocoevalcap"):
        find_meteor()
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="METEOR needs Java: install"):
        find_meteor()
