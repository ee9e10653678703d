"""The pages of documentation: blocks of shell and Python are right, links lead somewhere, and the reference
has every option.
"""

import json
import re
import subprocess
import sys
from collections import Counter
from contextlib import chdir
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import seq2scene
from page_blocks import ROOT, RUN, SHOWN, blocks, check_config, is_done_by_a_shipped_model, pages, session
from seq2scene.building import build
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.models.folders import write_folder
from seq2scene.running.commands.generation import generate
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import Whitespace
from seq2scene.sequences.vocabulary import Vocabulary
from seq2scene.tasks.loading import build_task
from seq2scene.tasks.task import Task
from small_captioner import SMALL, small_captioner
from test_configs import compose_plain

PAGES = pages()
PYTHON_PAGE = ROOT / "docs" / "python.md"  # a page of its own, whose models may not import what trains
SHOWING = [
    ROOT / "README.md",
    ROOT / "docs" / "first_minute.md",
]  # whose commands with shipped models are run
TRAINING = {"pytorch_lightning", "lightning_fabric", "torchmetrics", "hydra", "omegaconf", "matplotlib"}
EXTRAS = {"onnx", "onnxruntime", "torch_fidelity"}  # modules that requirements.txt leaves out
LINK = re.compile(r"!?\[(?:[^][]|\[[^][]*\])*\]\(([^)\s]+)\)")


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def prose(page: Path) -> list[str]:
    """The lines of a page outside its blocks."""
    lines, inside = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        fence = line.lstrip().startswith(("```", "~~~"))
        inside = inside != fence
        lines.append("" if inside or fence else line)
    return lines


def test_every_block_is_run_or_says_why_not(capsys) -> None:
    every = [block for page in PAGES for block in blocks(page)]
    strange = [
        f"{b.place}: {b.language}"
        for b in every
        if b.language not in (*RUN, *SHOWN) and "{" not in b.language
    ]
    assert not strange, f"blocks of no known language: {strange}"
    runnable = [block for block in every if block.language in RUN]
    counts = Counter((block.language, block.reason is None) for block in runnable)
    told = [f"{language}: {counts[language, True]} run, {counts[language, False]} not" for language in RUN]
    with capsys.disabled():
        print(f"\nblocks on {len(PAGES)} pages: {'; '.join(told)}")


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if page != PYTHON_PAGE], ids=name)
def test_the_blocks_of_a_page_are_right(page: Path, tmp_path: Path, park_scenes: Path, capfd) -> None:
    """Commands are composed with the options that they have; Python and files are run."""
    (tmp_path / "my_scenes").symlink_to(park_scenes)
    with session(tmp_path) as here:
        for block in blocks(page):
            if block.language in RUN and block.reason is None:
                try:
                    here.run(block)
                except ModuleNotFoundError as error:
                    if error.name not in EXTRAS:
                        raise
                    pytest.skip(f"{block.place} needs {error.name}")
                except Exception as error:
                    raise AssertionError(f"{block.place}: {type(error).__name__}: {error}") from error
        if page in SHOWING:
            jobs = [job for job in here.jobs if is_done_by_a_shipped_model(job)]
            assert jobs
            for job in jobs:
                with chdir(tmp_path):
                    generate(check_config("generate", tuple(job[1:])))
            assert "mike" in capfd.readouterr().out.lower()


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_and_pictures_lead_somewhere(page: Path) -> None:
    text = "\n".join(re.sub(r"`[^`]*`", "", line) for line in prose(page))
    broken = []
    for target in LINK.findall(text):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in anchors(found)):
            broken.append(target)
    assert not broken


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site name them; of a page that is a link to a file,
    those of the file.
    """
    elsewhere = re.fullmatch(r"# .*\n\n\[.*\]\((\S+)\)\n", page.read_text(encoding="utf-8"))
    if elsewhere:
        return anchors((page.parent / elsewhere[1]).resolve())
    titles = [line.lstrip("#").strip() for line in prose(page) if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_one_version_is_named_everywhere() -> None:
    version = seq2scene.__version__
    assert f"\nversion: {version}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version = {{{version}}}" in (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"\n## {version}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_readme_stays_short() -> None:
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 130


def test_every_page_is_in_the_contents() -> None:
    index = ROOT / "docs" / "index.md"
    listed = {index}
    for page in (index, index.parent / "api" / "index.md"):
        contents = [block.text for block in blocks(page) if "toctree" in block.language]
        for entry in "".join(contents).split():
            listed |= set(page.parent.glob(f"{entry}.md"))
    missing = [name(page) for page in PAGES if page.is_relative_to(index.parent) and page not in listed]
    assert not missing


def test_the_reference_has_every_option_and_its_comment(monkeypatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "docs")
    from configuration_reference import CONF, HIDDEN, reference

    pages = reference()
    for path in sorted(CONF.rglob("*.yaml")):
        group, option = path.relative_to(CONF).parts[0], path.relative_to(CONF).with_suffix("")
        if len(option.parts) > 1 and group not in HIDDEN:
            assert f"## {group}={'/'.join(option.parts[1:])}\n" in pages[group]
    assert (
        "| `half_width` | `10` | the paper's D: positions on either side of the window's centre |"
        in pages["attention"]
    )
    assert "## seq2scene generate" in pages["commands"]


# Models in Python


def keep(task: Task, folder: Path) -> None:
    write_folder(folder, {"state_dict": task.state_dict(), "hyper_parameters": dict(task.hparams)}, {})


@pytest.fixture(scope="module")
def folder(models, park_scenes: Path, tmp_path_factory) -> Path:
    """A folder with a small model of each kind that docs/python.md names, and a photo."""
    folder = tmp_path_factory.mktemp("page")
    write_folder(folder / "my_translator", load_checkpoint(models.a), {})
    torch.manual_seed(0)
    language = Language(Whitespace(), Vocabulary.count([["Mike", "is", "happy."]]))
    config = compose_plain(folder, "task=lm", "debug=tiny", "search.max_length=9")
    keep(build_task(config, {"language": language.state()}), folder / "my_language_model")
    config = compose_plain(
        folder, "task=abstract", "model=relational", "debug=tiny_relational", "data=abstract_scenes",
        f"data.root={park_scenes}", f"data.cache={folder}/cache",
    )  # fmt: skip
    data = build(config["data"], "data")
    data.prepare_data()
    data.setup()
    keep(build_task(config, data.description()), folder / "my_scenes")
    keep(small_captioner(compose_plain(folder, *SMALL)), folder / "my_captioner")
    pixels = np.random.default_rng(0).integers(0, 256, (80, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / "photo.jpg")
    return folder


@pytest.mark.slow
def test_the_ten_examples_in_python_run_without_lightning_hydra_and_matplotlib(folder: Path) -> None:
    examples = [block.text for block in blocks(PYTHON_PAGE) if block.language == "python"]
    assert len(examples) == 10
    script = "\n".join(examples) + "\nimport json, sys\nprint(json.dumps(list(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])} & TRAINING
    assert (folder / "scene.png").stat().st_size > 0
    with Image.open(folder / "scene.gif") as moving:
        assert moving.size == (500, 400)
