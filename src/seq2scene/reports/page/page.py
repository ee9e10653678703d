"""``report.html``: one file that shows a run, drawn from the files in the run's folder alone."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from seq2scene.caching import draft
from seq2scene.reports.page import test_sets
from seq2scene.reports.page.bootstrap import DRAWS
from seq2scene.reports.page.curve_panels import HEIGHT, LEFT, WIDTH, curve_panels
from seq2scene.reports.page.pictures import Pictures
from seq2scene.reports.page.run_files import Run, read_lines, read_run
from seq2scene.reports.report import attempt
from seq2scene.scenes.facts import FAIR, STRICT
from seq2scene.sequences.lines import read_table
from seq2scene.tasks.task import Task

NAME = "report.html"
LIMIT = 5_000_000  # bytes of a page
PICTURE_LIMIT = 4_200_000  # of these, for pictures
LONGEST = 2_000  # characters shown of a text
SAMPLE_PICTURES = 3  # of validation samples

Notes = list[str]


def write_report(folder: Path) -> Path:
    """Writes ``folder/report.html`` and returns its path.

    A part that cannot be shown is named with the reason in the page and on a printed line.

    Raises:
        UserError: the folder holds no scores.
    """
    run = read_run(folder)
    notes, pictures = list(run.notes), Pictures(PICTURE_LIMIT)
    page = {
        "run": run,
        "facts": {"task": run.task, "name": run.name, "date": ""},
        "tests": [test_set(run, name, pictures, notes) for name in run.scores],
        "panels": learning_curves(run, notes),
        "samples": validation_samples(run, pictures, notes),
        "config": yaml.safe_dump(dict(run.config), sort_keys=False, allow_unicode=True),
        "model_config": None,
        "notes": notes,
        "pictures": pictures,
        "limit": f"{LIMIT / 1e6:g} MB",
        "draws": DRAWS,
        "tolerances": (f"{FAIR:g}", f"{STRICT:g}"),
        "box": (WIDTH, HEIGHT, LEFT),
    }
    with part_of(notes, "facts of the run"):
        page["facts"] = run_facts(run)
    if run.evaluates and run.model_config:
        page["model_config"] = yaml.safe_dump(dict(run.model_config), sort_keys=False, allow_unicode=True)
    with draft(folder / NAME) as part:
        html = _template().render(page)
        part.write_text(html, encoding="utf-8", errors="replace")  # JSON may hold half characters
    return folder / NAME


def show_page(folder: Path) -> None:
    """Writes the page at the end of a command and prints where it is, or why there is none."""
    with attempt(f"{folder / NAME}"):
        print(f"on one page, to open in a browser: {write_report(folder)}", flush=True)


@cache
def _template() -> Any:
    environment = Environment(
        loader=PackageLoader("seq2scene.reports.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["clip"] = clip
    return environment.get_template("page.html.j2")


def clip(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


@contextmanager
def part_of(notes: Notes, what: str) -> Iterator[None]:
    """Lets a part of the page fail: its name and the reason go into ``notes`` and are printed."""
    try:
        yield
    except Exception as error:  # whatever it is, the rest of the page can be shown
        reason = (str(error).splitlines() or [""])[0]
        if isinstance(error, FileNotFoundError):
            reason = f"{Path(error.filename).name} is missing"
        notes.append(f"{what} not shown: {reason or type(error).__name__}")
        print(f"{NAME}: {notes[-1]}", flush=True)


def test_set(run: Run, test: str, pictures: Pictures, notes: Notes) -> dict[str, Any]:
    """All that the page shows of a test set."""
    folder = run.folder
    intervals: test_sets.Intervals = {}
    found: dict[str, Any] = {"name": test, "resampled": "", "scenes": [], "sentences": {}, "total": 0}
    found["read"] = "image" if "captions" in run.reports else "source"

    report, file = test_sets.sample_file(run, test)
    rows: test_sets.Rows = []
    if report == "scenes":
        with part_of(notes, f"{test}: intervals of scores"):
            rows = read_lines(file)
            intervals, found["resampled"] = test_sets.scene_intervals(rows)
            found["total"] = len(rows)
        if rows and "faithfulness_all" in run.scores[test] and "facts" not in rows[0]:
            notes.append(
                f"{test}: which facts hold not shown: {test}.scenes.jsonl has none (a run made before they "
                "were recorded)"
            )
    if rows and (folder / f"{test}.gallery").is_dir():
        with part_of(notes, f"{test}: gallery"):
            found["scenes"] = test_sets.gallery(folder, test, rows, pictures)
    if report == "captions":
        with part_of(notes, f"{test}: captions"):
            captions = read_lines(file)
            found["sentences"] = test_sets.choose(test_sets.captions(captions))
            found["total"] = len(captions)
            intervals, found["resampled"] = test_sets.caption_intervals(captions)
    if report == "hypotheses":
        with part_of(notes, f"{test}: translations"):
            lines = test_sets.translation_lines(folder, test)
            found["sentences"] = test_sets.choose(test_sets.translations(lines))
            found["total"] = len(lines["hypotheses"])
            intervals, found["resampled"] = test_sets.translation_intervals(run, test, lines)
    with part_of(notes, f"{test}: scores"):
        found["scores"] = test_sets.score_rows(run, test, intervals, notes)
        found["facts"] = test_sets.fact_rows(run, test, rows, intervals, notes)
    found.setdefault("scores", [])
    found.setdefault("facts", [])
    found["others"] = {}
    with part_of(notes, f"{test}: other scores"):
        found["others"] = test_sets.other_scores(run, test, found["scores"])
    found["maps"], found["plots"] = [], []
    with part_of(notes, f"{test}: pictures"):
        patterns = (f"{test}.captions/*.png", f"{test}.alignments/*.png")
        found["maps"] = test_sets.maps(folder, patterns, pictures)
        found["plots"] = test_sets.maps(folder, (f"{test}.*.png",), pictures, test_sets.PLOT_WIDTH)
    return found


def learning_curves(run: Run, notes: Notes) -> list[Any]:
    """Panels of the loss, the task's curves and the rest of the validation scores that training chose by."""
    if run.evaluates:
        return []
    kind = run.task_class() or Task
    with part_of(notes, "learning curves"):
        return curve_panels(run.folder / "metrics.csv", ["loss", *kind.curves, run.monitored])
    return []


def validation_samples(run: Run, pictures: Pictures, notes: Notes) -> dict[str, Any] | None:
    """The samples of the last validation: a table, without those of scenes, which are names of classes, and
    pictures.
    """
    tables = sorted((run.folder / "samples").glob("step_*.csv"))
    if not tables:
        return None
    with part_of(notes, "validation samples"):
        last = tables[-1]
        rows = [row for _, row in read_table(last)]
        paths = [f"samples/{last.stem}_line_{row[next(iter(row))]}.png" for row in rows]
        there = [path for path in paths if (run.folder / path).is_file()][:SAMPLE_PICTURES]
        step = int(last.stem.removeprefix("step_"))
        found = test_sets.maps(run.folder, there, pictures, test_sets.STRIP_WIDTH)
        table = [] if rows and "generated" in rows[0] else rows
        return {"step": step, "table": table, "pictures": found}
    return None


# The run


def run_facts(run: Run) -> dict[str, str]:
    """What is known of a run beside its scores, by heading."""
    record, facts = run.record, {}
    facts["task"], facts["name"], facts["date"] = run.task, run.name, _date(run)
    facts |= {key: record[key] for key in ("command", "tested") if record.get(key)}
    facts |= {"commit": git} if (git := record.get("git") or run.model_config.get("git")) else {}
    if "seconds" in record:
        facts["time taken"] = str(timedelta(seconds=round(record["seconds"])))
    if "parameters" in record:
        facts["parameters"] = _parameters(record["parameters"])
    if "hardware" in record:
        facts["hardware"] = _hardware(record["hardware"], record.get("processes", 1))
        facts["system"] = record["hardware"]["system"]
    if "versions" in record:
        facts["versions"] = ", ".join(f"{name} {number}" for name, number in record["versions"].items())
    facts["folder"] = str(run.folder.resolve())
    return facts


def _date(run: Run) -> str:
    if "started" in run.record:
        return datetime.fromisoformat(run.record["started"]).strftime("%Y-%m-%d %H:%M")
    written = datetime.fromtimestamp((run.folder / "metrics.json").stat().st_mtime)
    return f"{written:%Y-%m-%d %H:%M}"


def _parameters(counts: Mapping[str, Any]) -> str:
    parts = ", ".join(f"{name} {count:,}" for name, count in counts["parts"].items())
    trainable = f", {counts['trainable']:,} of them trainable" if "trainable" in counts else ""
    return f"{counts['total']:,}{trainable} ({parts})"


def _hardware(hardware: Mapping[str, Any], processes: int) -> str:
    gpus: Sequence[str] = hardware["gpus"]
    used = f"{len(gpus)} x {gpus[0]}, " if gpus else ""
    together = f", {processes} processes" if processes > 1 else ""
    return f"{used}{hardware['processor']}, {hardware['cores']} cores{together}"
