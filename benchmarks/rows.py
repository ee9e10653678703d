"""Rows of a benchmark, each measured in a process of its own."""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any


def measured(rows: Iterable[str], threads: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each row with what is measured of it by this script, which runs again with ``--row ROW`` added and with
    so many threads, and prints JSON in its last line.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    for row in rows:
        again = [sys.executable, *sys.argv, "--row", row]
        done = subprocess.run(again, stdout=subprocess.PIPE, text=True, check=True, env=environment)
        yield row, json.loads(done.stdout.splitlines()[-1])
