"""The page under load: visitors at once who write, check and draw scenes; prints latencies and memory.

    python benchmarks/page_load.py MODEL [MODEL ...] [--visitors 20] [--requests 200] [--waiting 32]

Starts ``src/demo.py`` with the models, of which the first writes scenes of clip art, and ends it. A visitor
who is told to wait (503) waits as long as the answer says and asks again, as the page does; the latency is
that of the whole. A request is lost if it is answered with anything else than 200, or not at all.
"""

import argparse
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from pathlib import Path
from statistics import quantiles
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "src")]

from seq2scene.json_text import to_json  # noqa: E402

TEXTS = ("Mike holds a hotdog.", "Jenny kicks the ball. A dog is next to the tent.", "Jenny is sad.")
TIMEOUT = 120.0  # seconds


def post(address: str, action: str, fields: dict) -> tuple[int, bytes, float]:
    """Status, body, and the seconds to wait if the server says so."""
    connection = HTTPConnection(address, timeout=TIMEOUT)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", f"/api/scene/{action}", to_json(fields), headers)
        answer = connection.getresponse()
        return answer.status, answer.read(), float(answer.headers.get("Retry-After", 0))
    finally:
        connection.close()


def visit(address: str, action: str, fields: dict) -> tuple[str, float, int, bool]:
    """One request: action, seconds until it was answered, how often it was told to wait, whether lost."""
    start, waits = time.monotonic(), 0
    try:
        while True:
            status, _, seconds = post(address, action, fields)
            if status != 503 or time.monotonic() - start > TIMEOUT:
                return action, time.monotonic() - start, waits, status != 200
            waits += 1
            time.sleep(seconds)
    except OSError:
        return action, time.monotonic() - start, waits, True


def requests(address: str, count: int) -> list[tuple[str, dict]]:
    """Of each five requests two write, one writes four samples, one checks facts, one draws."""
    model = {"model": json.loads(_get(address, "/api/rooms"))["rooms"][0]["models"][0]}
    _, body, _ = post(address, "write", {**model, "text": TEXTS[1]})
    objects = json.loads(body)["scenes"][0]["objects"]
    kinds = (
        *[("write", {"text": text}) for text in TEXTS[:2]],
        ("write", {"text": TEXTS[2], "samples": 4}),
        ("check", {"text": TEXTS[1], "objects": objects}),
        ("draw", {"objects": objects, "form": "png"}),
    )
    return [(action, {**model, **fields}) for action, fields in (kinds * count)[:count]]


def _get(address: str, path: str) -> bytes:
    connection = HTTPConnection(address, timeout=TIMEOUT)
    try:
        connection.request("GET", path)
        return connection.getresponse().read()
    finally:
        connection.close()


def megabytes(process: int) -> float:
    """Resident memory of a process."""
    status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    return int(status.split("VmRSS:")[1].split()[0]) / 1024


def started(models: list[str], waiting: int) -> tuple[subprocess.Popen, str]:
    """The server and its address."""
    command = [sys.executable, str(ROOT / "src" / "demo.py"), f"models=[{','.join(models)}]"]
    server = subprocess.Popen([*command, "port=0", f"waiting={waiting}"], stdout=subprocess.PIPE, text=True)
    line = server.stdout.readline()
    if "http://" not in line:
        sys.exit("the server did not start")
    return server, urlsplit(line.split()[0]).netloc


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+")
    parser.add_argument("--visitors", type=int, default=20)
    parser.add_argument("--requests", type=int, default=200)
    parser.add_argument("--waiting", type=int, default=32)
    options = parser.parse_args()
    begin = time.monotonic()
    server, address = started(options.models, options.waiting)
    try:
        print(f"address after {time.monotonic() - begin:.1f} s", end=", ")
        asked = requests(address, options.requests)
        print(f"first scene after {time.monotonic() - begin:.1f} s")
        for one in asked[:5]:
            visit(address, *one)
        before, begin = megabytes(server.pid), time.monotonic()
        with ThreadPoolExecutor(options.visitors) as visitors:
            found = list(visitors.map(lambda one: visit(address, *one), asked))
        total, after = time.monotonic() - begin, megabytes(server.pid)
    finally:
        server.terminate()
        server.wait()
    print(f"{len(found)} requests of {options.visitors} visitors in {total:.1f} s")
    print(f"lost {sum(lost for *_, lost in found)}, told to wait {sum(waits for *_, waits, _ in found)}")
    for action in ("write", "check", "draw", "all"):
        seconds = [took for kind, took, *_ in found if action in (kind, "all")]
        cuts = quantiles(seconds, n=20, method="inclusive")
        print(f"{action:6} median {cuts[9]:.2f} s, p95 {cuts[18]:.2f} s, longest {max(seconds):.2f} s")
    print(f"memory {before:.0f} MB before, {after:.0f} MB after")


if __name__ == "__main__":
    main()
