"""The page of a run holds what the run's files hold, whatever is in them and whichever are missing."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from entry_points import run
from seq2scene.data.park.scenes_writing import ensure_scenes
from seq2scene.errors import UserError
from seq2scene.reports.page import page
from seq2scene.reports.page.page import write_report
from test_commands import runs

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium")
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)


class Page(HTMLParser):
    """What a browser would read: cells of table rows, list items, texts, and all that is loaded."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.items: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))
        self._open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag == "li":
            self.items.append("")

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            return
        self.text += data
        if {"td", "th"} & {*self._open}:
            self.rows[-1][-1] += data
        elif "li" in self._open:
            self.items[-1] += data

    def loaded(self) -> Iterator[str]:
        for _, attributes in self.tags:
            yield from (value for name, value in attributes.items() if name in ("src", "href", "data"))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    """The folder of a run of two steps on a few of the park's scenes."""
    work = tmp_path_factory.mktemp("scenes")
    shutil.move(ensure_scenes(work, train=40, val=8, test=8), work / "scenes")
    data = ["debug=tiny_scenes", "data=abstract_scenes", f"data.root={work}/scenes", "data.batch_size=8"]
    options = ["trainer.accelerator=cpu", "trainer.enable_progress_bar=false", "name=page", "gallery=3"]
    printed = run("train.py", "experiment=text2scene/park", *data, *options, work=work)
    (folder,) = runs(work, "page")
    assert printed.rstrip().endswith(f"on one page, to open in a browser: {folder / 'report.html'}")
    return folder


@pytest.fixture
def copied(scenes: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(scenes, tmp_path / "run", ignore=shutil.ignore_patterns("report.html")))


@pytest.fixture(scope="module")
def translations(models, tmp_path_factory) -> Path:
    """The folder of an evaluation of a translator."""
    work = tmp_path_factory.mktemp("translations")
    files = f"+data.tests.test=[{models.folder}/test.x,{models.folder}/test.y]"
    run(
        "evaluate.py",
        f"ckpt={models.a}",
        files,
        "trainer=cpu",
        "trainer.enable_progress_bar=false",
        work=work,
    )
    (folder,) = runs(work, "evaluate")
    return folder


def table(rows: list[list[str]]) -> dict[str, tuple[str, str]]:
    """Of each score or kind of fact: its value and its interval."""
    return {row[0].split()[-1]: (row[1], row[2]) for row in rows if len(row) == 4}


def scores(folder: Path) -> dict[str, float]:
    return json.loads((folder / "metrics.json").read_text())["test"]


@pytest.mark.parametrize("kind", ["scenes", "translations"])
def test_scores_are_those_of_the_run_and_lie_in_their_intervals(kind: str, request) -> None:
    folder = request.getfixturevalue(kind)
    known, shown, intervals = scores(folder), table(Page(folder / "report.html").rows), 0
    assert len(shown) >= 5
    for name, (value, interval) in shown.items():
        if name == "score":
            continue
        assert float(value) == pytest.approx(known[name], abs=0.006), name
        if interval:
            low, high = map(float, interval.split(" to "))
            assert low <= float(value) <= high, name
            intervals += 1
    assert intervals == {"scenes": len(shown) - 1, "translations": 2}[kind]


def test_facts_are_counted_by_kind_and_marked_in_each_scene(scenes: Path) -> None:
    read, known = Page(scenes / "report.html"), scores(scenes)
    kinds = {row[0]: row for row in read.rows if len(row) == 6 and row[1].isdecimal()}
    rows = [json.loads(line) for line in (scenes / "test.scenes.jsonl").read_text().splitlines()]
    assert int(kinds["all"][1]) == sum(len(row["facts"]) for row in rows)
    for kind in ("thing", "relation", "all", "text"):
        assert float(kinds[kind][2]) == pytest.approx(known[f"faithfulness_{kind}"], abs=6e-4)
        low, high = map(float, kinds[kind][3].split(" to "))
        assert low <= float(kinds[kind][2]) <= high
    chosen = {int(path.name[:4]) for path in (scenes / "test.gallery").glob("*.generated.png")}
    expected = sorted(
        f"{'✓' if fact['holds'] else '✗'} {fact['words']}"
        for row in rows
        for fact in row["facts"]
        if row["sample"] in chosen
    )
    assert sorted(item for item in read.items if item[:1] in "✓✗") == expected and len(chosen) == 3


def test_it_says_how_the_run_was_made(scenes: Path, translations: Path) -> None:
    record = json.loads((scenes / "run.json").read_text())
    for folder, command in ((scenes, "python src/train.py"), (translations, "python src/evaluate.py")):
        text = Page(folder / "report.html").text
        for part in (command, "_target_: seq2scene.tasks.", "cores", "parameters", "torch ", "time taken"):
            assert part in text, part
    assert f"{record['parameters']['total']:,}" in Page(scenes / "report.html").text
    assert "Learning curves" in Page(scenes / "report.html").text
    assert "reference" in Page(translations / "report.html").text


def test_nothing_is_loaded_or_run_and_texts_stay_texts(copied: Path) -> None:
    hostile = "</pre></style><script>alert(1)</script><img src=http://a.b/c onerror=alert(1)>"
    record = json.loads((copied / "run.json").read_text())
    record["config"]["name"] = record["command"] = hostile
    (copied / "run.json").write_text(json.dumps(record))
    rows = [json.loads(line) for line in (copied / "test.scenes.jsonl").read_text().splitlines()]
    for row in rows:
        row["sentences"], row["facts"] = [hostile], [{**fact, "words": hostile} for fact in row["facts"]]
    (copied / "test.scenes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    read = Page(write_report(copied))
    assert read.text.count(hostile) >= 5
    assert not {"script", "link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in read.tags}
    assert all(one.startswith(("data:image/", "#")) for one in read.loaded())
    assert not [name for _, attributes in read.tags for name in attributes if name.startswith("on")]
    style = (copied / "report.html").read_text().split("</style>")[0]
    assert "url(" not in style and "@import" not in style


def test_pictures_beyond_the_limit_are_left_out_and_counted(copied: Path, monkeypatch) -> None:
    whole = write_report(copied).stat().st_size
    total = len(re.findall(r"<img", (copied / "report.html").read_text()))
    assert whole < page.LIMIT and "left out" not in (copied / "report.html").read_text()
    monkeypatch.setattr(page, "PICTURE_LIMIT", 60_000)
    text = write_report(copied).read_text()
    shown = text.count("<img")
    assert 0 < shown < total and f"{shown} pictures in this page; {total - shown} more are left out" in text
    assert len(text) < whole - 60_000


def test_what_is_missing_or_broken_is_named_and_the_rest_is_shown(copied: Path, capsys) -> None:
    for name in ("metrics.csv", "run.json"):
        (copied / name).unlink()
    (copied / "test.scenes.jsonl").write_text("{")
    (copied / "samples" / "step_000002_line_1.png").write_text("no picture")
    read = Page(write_report(copied))
    printed = capsys.readouterr().out.splitlines()
    for part in ("learning curves", "intervals of scores", "validation samples"):
        (line,) = (line for line in printed if part in line)
        assert line.removeprefix("report.html: ") in read.items
    assert any("run.json is missing" in item for item in read.items)
    assert "python src/train.py" in read.text and "parameters" in read.text  # from other files
    rows = {row[0].split()[-1]: row[1] for row in read.rows if len(row) == 2}
    assert float(rows["u_recall"]) == pytest.approx(scores(copied)["u_recall"], abs=6e-4)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("metrics.json", "{", "line 1, column 2: not JSON"),
        ("metrics.json", '{"test": 3}', "test: dict wanted, not int"),
        ("metrics.json", '{"../x": {}}', "'../x' is no name of a test set"),
        ("run.json", '{"config": []}', "config: dict wanted, not list"),
        ("run.json", '{"config": {"task": {"name": 3}}}', "config: task: name: str wanted, not int"),
        ("run.json", "{}", "it has no config"),
    ],
)
def test_a_damaged_record_is_refused_by_file_and_key(
    copied: Path, name: str, content: str, said: str
) -> None:
    (copied / name).write_text(content)
    with pytest.raises(UserError, match=re.escape(f"{copied / name}") + f".*{re.escape(said)}"):
        write_report(copied)


def test_a_score_that_the_samples_do_not_give_has_no_interval(copied: Path) -> None:
    known = json.loads((copied / "metrics.json").read_text())
    known["test"]["u_recall"] += 0.01
    (copied / "metrics.json").write_text(json.dumps(known))
    read = Page(write_report(copied))
    assert table(read.rows)["u_recall"][1] == "" and table(read.rows)["u_precision"][1]
    assert any(item.startswith("u_recall: no interval") for item in read.items)


def test_the_command_writes_the_same_page_and_refuses_other_folders(copied: Path, tmp_path: Path) -> None:
    written = write_report(copied).read_bytes()
    (copied / "report.html").unlink()
    assert run("report.py", f"run={copied}", work=tmp_path).strip() == str(copied / "report.html")
    assert (copied / "report.html").read_bytes() == written
    with pytest.raises(UserError, match=r"no metrics\.json, so nothing was evaluated"):
        write_report(tmp_path)


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium to look at the page")
def test_a_browser_shows_it_light_and_dark(scenes: Path, tmp_path: Path) -> None:
    brightness = []
    for scheme in (1, 0):
        picture, profile = tmp_path / f"{scheme}.png", tmp_path / f"profile-{scheme}"
        profile.mkdir()
        look = [f"--user-data-dir={profile}", f"--blink-settings=preferredColorScheme={scheme}"]
        look += ["--window-size=900,1600", f"--screenshot={picture}", f"file://{scenes / 'report.html'}"]
        subprocess.run([CHROMIUM, *FLAGS, *look], check=True, capture_output=True, timeout=120)
        with Image.open(picture) as opened:
            pixels = np.asarray(opened.convert("L"), dtype=float)
        assert pixels.shape == (1600, 900) and pixels.std() > 10
        brightness.append(np.median(pixels))
    assert brightness[0] > 200 and brightness[1] < 60
