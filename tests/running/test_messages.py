"""A failing picture is reported, and nothing else fails."""

import pytest

from seq2scene.running.messages import attempt


def test_a_report_may_fail_and_says_in_one_line_what_and_why(capsys) -> None:
    with attempt("curves.png"):
        raise ValueError("no data\nand much more")
    with attempt("gallery"):
        raise RuntimeError
    assert (
        capsys.readouterr().out
        == "not made: curves.png: ValueError: no data\nnot made: gallery: RuntimeError\n"
    )


def test_an_interruption_is_no_failure_of_a_report() -> None:
    with pytest.raises(KeyboardInterrupt), attempt("gallery"):
        raise KeyboardInterrupt
