"""Damaged files for every reader of user files: counts what happens, and keeps an example of each fault.

    python benchmarks/fuzz_readers.py [READER ...] [--mutations 2000] [--seed 0] [--keep FOLDER] [--out FILE]

A small valid file (``fuzzing.samples``) is damaged (``fuzzing.damage``) and read (``fuzzing.readers``). A
reader may succeed or raise a UserError that names the file; anything else is a fault, as is a reading of more
than SLOW seconds. FOLDER receives the first file of each fault, named after reader and error, FILE the counts
as JSON; readers whose counts are already there are left out. Exits with 1 if there are faults. The same seed
gives the same files.
"""

import argparse
import contextlib
import io
import json
import logging
import random
import resource
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path[:0] = [str(Path(__file__).resolve().parents[1] / "src")]

from fuzzing.damage import damaged  # noqa: E402
from fuzzing.readers import READERS, Reader  # noqa: E402

from seq2scene.errors import UserError  # noqa: E402
from seq2scene.json_text import write_json  # noqa: E402

SLOW = 5.0  # seconds
IN_MEMORY = Path("/dev/shm")  # where writing a file takes a fifth of the time
MEMORY = 2**33  # bytes of data that the process may hold: a bomb becomes a MemoryError


@dataclass
class Tally:
    """What a reader did: counts by result, and the first file of each fault with its traceback."""

    counts: Counter[str]
    faults: dict[str, tuple[bytes, str]]
    slowest: float = 0.0


def fuzz(reader: Reader, mutations: int, seed: str) -> Tally:
    """Reads ``mutations`` damaged files."""
    tally, draw = Tally(Counter(), {}), random.Random(seed)
    first = next(iter(reader.files))
    with tempfile.TemporaryDirectory(prefix="fuzz", dir=IN_MEMORY if IN_MEMORY.is_dir() else None) as place:
        folder = Path(place)
        for name, content in reader.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        result, told = _result(reader, folder / first)
        if result != "read":
            raise SystemExit(f"the valid {first} is not read: {told or result}")
        for _ in range(mutations):
            data = damaged(reader.files[first], reader.kind, draw)
            (folder / first).write_bytes(data)
            start = time.process_time()
            result, told = _result(reader, folder / first)
            taken = time.process_time() - start
            if taken > SLOW:
                result, told = "slow", f"{taken:.1f} s"
            tally.slowest = max(tally.slowest, taken)
            tally.counts[result] += 1
            if result not in ("read", "UserError"):
                tally.faults.setdefault(result, (data, told))
    return tally


def _result(reader: Reader, path: Path) -> tuple[str, str]:
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            reader.read(path)
        return "read", ""
    except UserError as error:
        named = path.name in str(error) or path.parent.name in str(error)
        return ("UserError", str(error)) if named else (f"no file named: {str(error)[:60]}", str(error))
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        last = next((frame for frame in reversed(frames) if "seq2scene" in frame.filename), frames[-1])
        return f"{type(error).__name__} at {Path(last.filename).name}:{last.lineno}", traceback.format_exc()


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("readers", nargs="*", help=f"of {', '.join(READERS)}; all by default")
    parser.add_argument("--mutations", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="folder for the files of faults")
    parser.add_argument("--out", type=Path, help="JSON file")
    options = parser.parse_args()
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    found = json.loads(options.out.read_text("utf-8")) if options.out and options.out.exists() else {}
    print(f"{'reader':20} {'files':>6} {'read':>6} {'UserError':>9} {'faults':>6} {'slowest s':>9}")
    for name in (name for name in options.readers or READERS if name not in found):
        tally = fuzz(READERS[name], options.mutations, f"{options.seed} {name}")
        bad = {kind: count for kind, count in tally.counts.items() if kind in tally.faults}
        found[name] = {"files": options.mutations, "slowest": tally.slowest, "faults": sum(bad.values())}
        found[name] |= {kind: tally.counts[kind] for kind in ("read", "UserError")}
        told = f"{tally.counts['read']:6} {tally.counts['UserError']:9} {sum(bad.values()):6}"
        print(f"{name:20} {options.mutations:6} {told} {tally.slowest:9.2f}", flush=True)
        for number, kind in enumerate(sorted(bad, key=bad.get, reverse=True)):
            print(f"    {bad[kind]:6} {kind}", flush=True)
            if options.keep:
                keep(options.keep / f"{name.replace(' ', '_').replace(':', '')}.{number}", kind, tally)
        if options.out:
            write_json(options.out, found)
    return int(any(each["faults"] for each in found.values()))


def keep(stem: Path, kind: str, tally: Tally) -> None:
    """The first file of a fault, and what was raised."""
    data, text = tally.faults[kind]
    stem.parent.mkdir(parents=True, exist_ok=True)
    stem.with_suffix(f"{stem.suffix}.data").write_bytes(data)
    stem.with_suffix(f"{stem.suffix}.txt").write_text(f"{kind}\n{text}", errors="replace")


if __name__ == "__main__":
    sys.exit(main())
