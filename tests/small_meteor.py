"""A program named java that answers METEOR's protocol, where the real one is not installed."""

import sys
from pathlib import Path

import pytest

PROGRAM = """#!{python} -ISE
import sys
assert sys.argv[1:] == [
    *("-Dfile.encoding=UTF-8", "-Xmx2G", "-jar", {jar!r}, "-", "-", "-stdio", "-l", "en", "-norm")
], sys.argv
for line in sys.stdin:
    kind, *parts = line.rstrip("\\n").split(" ||| ")
    if kind == "SCORE":  # words, words also in a reference, then nothing
        *references, caption = (part.split() for part in parts)
        words = [word in sum(references, []) for word in caption]
        print(float(len(words)), float(sum(words)), *[0.0] * 21, flush=True)
    else:  # of each and of all
        scores = [list(map(float, part.split())) for part in parts]
        total = [sum(column) for column in zip(*scores)]
        for numbers in (*scores, total):
            print(numbers[1] / (numbers[0] or 1), flush=True)
"""


def stand_in(folder: Path, monkeypatch: pytest.MonkeyPatch, program: str = PROGRAM) -> Path:
    """A jar, and a java first in the path that scores the share of a caption's words that a reference has."""
    jar, java = folder / "meteor-1.5.jar", folder / "bin" / "java"
    jar.touch()
    java.parent.mkdir()
    java.write_text(program.format(python=sys.executable, jar=str(jar)))
    java.chmod(0o755)
    monkeypatch.setenv("PATH", str(java.parent))
    return jar
