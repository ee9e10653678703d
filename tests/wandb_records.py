"""Reads the file in which W&B keeps an offline run, RUN/wandb/offline-run-*/run-*.wandb: records of Protocol
Buffers in LevelDB's log format.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wandb.proto.wandb_internal_pb2 import Record

BLOCK, START = 32768, b":W&B"
HEADER = 7  # bytes: of the file, and of each chunk: CRC, length (2), kind
WHOLE, FIRST, LAST = 1, 2, 4


@dataclass
class Offline:
    """What an offline run holds. history: values by metric. best: ``min`` or ``max`` of metrics that have it
    in the summary. artifacts: (type, whether the run used it, aliases). run: group, job type and so on.
    """

    folder: Path
    history: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    best: dict[str, str] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    artifacts: list[tuple[str, bool, set[str]]] = field(default_factory=list)
    run: Any = None


def records(path: Path) -> Iterator[Record]:
    data, place, parts = path.read_bytes(), HEADER, []
    assert data.startswith(START)
    while place + HEADER <= len(data):
        if BLOCK - place % BLOCK < HEADER:
            place += BLOCK - place % BLOCK
            continue
        length, kind = int.from_bytes(data[place + 4 : place + 6], "little"), data[place + 6]
        parts = [] if kind in (WHOLE, FIRST) else parts
        parts.append(data[place + HEADER : place + HEADER + length])
        place += HEADER + length
        if kind in (WHOLE, LAST):
            yield Record.FromString(b"".join(parts))


def offline_run(run: Path) -> Offline:
    """The one offline run of a run folder."""
    (folder,) = run.glob("wandb/offline-run-*")
    (path,) = folder.glob("*.wandb")
    found = Offline(folder)
    for record in records(path):
        match record.WhichOneof("record_type"):
            case "history":
                for item in record.history.item:
                    found.history["/".join(item.nested_key) or item.key].append(json.loads(item.value_json))
            case "summary":
                for item in record.summary.update:
                    found.summary[".".join(item.nested_key) or item.key] = json.loads(item.value_json)
            case "config":
                for item in record.config.update:
                    found.config[".".join(item.nested_key) or item.key] = json.loads(item.value_json)
            case "metric" if record.metric.name:
                for kind in ("min", "max"):
                    if getattr(record.metric.summary, kind):
                        found.best[record.metric.name] = kind
            case "artifact" if record.artifact.type in ("dataset", "model"):
                one = record.artifact
                found.artifacts.append((one.type, one.use_after_commit, set(one.aliases)))
            case "run":
                found.run = record.run
    return found


def check_dashboard(run: Path, monitor: str) -> Offline:
    """The claims about the dashboard of a run that hold for every task."""
    found = offline_run(run)
    names = {name for name in found.history if not name.startswith("_")}
    assert [name for name in names if "/" not in name] == []  # each is in a section
    assert {"train/loss", "trainer/global_step", "samples/table/path"} - names == set()
    judged = {name for name in names if name.startswith(("val/", "faithfulness/", "nll/"))} - {"val/best"}
    assert judged == found.best.keys()
    best = found.summary[monitor][found.best[monitor]]
    assert found.summary["val/best"] == best and best in found.history[monitor]
    kinds = [(kind, used) for kind, used, _ in found.artifacts]
    assert kinds == [("dataset", True), ("model", False)] and "best" in found.artifacts[1][2]
    assert found.config["monitor"]["metric"] == monitor and len(found.config["git"]) >= 40
    assert found.run.job_type == "train" and found.config["task"]["name"] in found.run.tags
    return found


def tables(found: Offline, name: str) -> list[dict[str, Any]]:
    """The tables of a name, in the order in which they were logged."""
    return [json.loads((found.folder / "files" / path).read_text()) for path in found.history[f"{name}/path"]]
