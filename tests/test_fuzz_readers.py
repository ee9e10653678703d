"""Readers of user files refuse damaged ones by name; ``benchmarks/fuzz_readers.py`` damages many more."""

import pytest

from test_benchmarks import script

fuzz_readers = script("fuzz_readers")
FAST = [name for name in fuzz_readers.READERS if not name.startswith("page: ") or name == "page: request"]


@pytest.mark.parametrize("name", FAST)
def test_damaged_files_are_read_or_refused(name: str) -> None:
    tally = fuzz_readers.fuzz(fuzz_readers.READERS[name], 40, f"test {name}")
    assert not tally.faults, "\n".join(told for _, told in tally.faults.values())
    assert tally.counts["read"] + tally.counts["UserError"] == 40
