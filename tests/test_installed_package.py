"""The package as strangers install it: a wheel, unpacked far from a checkout, and its command seq2scene."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest
import torch

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[1]
PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Built of a copy of the tree, as a build leaves files in it; or the one that SEQ2SCENE_WHEEL names."""
    if "SEQ2SCENE_WHEEL" in os.environ:
        return Path(os.environ["SEQ2SCENE_WHEEL"])
    copy, out = tmp_path_factory.mktemp("copy"), tmp_path_factory.mktemp("wheel")
    leave_out = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for folder in ("src", "conf"):
        shutil.copytree(ROOT / folder, copy / folder, ignore=leave_out)
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    build = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    subprocess.run([sys.executable, "-c", build, out], cwd=copy, check=True, stdout=subprocess.DEVNULL)
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def site(wheel, tmp_path_factory) -> Path:
    """A folder of packages that holds this one alone and cannot be written."""
    folder = tmp_path_factory.mktemp("site")
    subprocess.run([*PIP, "install", "--no-deps", "--no-index", f"--target={folder}", wheel], check=True)
    paths = [folder, *folder.rglob("*")]
    for path in paths:
        path.chmod(path.stat().st_mode & ~0o222)
    yield folder
    for path in paths:
        path.chmod(path.stat().st_mode | 0o200)


def seq2scene(site: Path, work: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The installed command, in the folder ``work``, which is the user's home too."""
    environment = {
        name: text for name, text in os.environ.items() if not name.startswith(("SEQ2SCENE", "XDG"))
    }
    environment |= {"PYTHONPATH": str(site), "HOME": str(work), "OMP_NUM_THREADS": "1"}
    line = [sys.executable, str(site / "bin" / "seq2scene"), *arguments]
    return subprocess.run(line, cwd=work, env=environment, capture_output=True, text=True, timeout=300)


def files_of(folder: Path, inside: str) -> set[str]:
    """The files below a folder, by their names in a wheel."""
    paths = {path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    return {f"{inside}/{path.relative_to(folder)}" for path in paths}


def test_a_wheel_holds_all_modules_their_data_files_and_the_configs(wheel) -> None:
    held = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == files_of(ROOT / "src/seq2scene", "seq2scene") | files_of(ROOT / "conf", "seq2scene/conf")


def test_an_installed_command_trains_in_two_processes_and_writes_only_to_the_users_folders(
    site, tmp_path
) -> None:
    for split in ("train", "val"):
        (tmp_path / f"{split}.x").write_text("a b\nb a c\n" * 4)
    before = {path: path.stat().st_mtime_ns for path in site.rglob("*")}
    files = ["data=text_files", "data.train=[train.x,train.x]", "data.val=[val.x,val.x]", "data.source=en"]
    tiny = ["task=nmt", "debug=tiny", "data.target=de", "data.tokenizer=whitespace", "test=false"]
    bare = ["~callbacks.samples", "trainer.enable_progress_bar=false", "trainer.enable_model_summary=false"]
    done = seq2scene(site, tmp_path, "train", *tiny, *files, *bare, "trainer=cpu", "trainer.devices=2")
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = (tmp_path / "outputs" / "nmt").iterdir()
    assert f"This run is in {run}" in done.stdout and (run / "rank1.log").is_file()
    assert torch.load(run / "best.ckpt", weights_only=True)["git"] is None
    assert any((tmp_path / ".cache" / "seq2scene").iterdir())
    assert before == {path: path.stat().st_mtime_ns for path in site.rglob("*")}


def test_an_installed_command_draws_with_a_model_that_ships(site, tmp_path) -> None:
    done = seq2scene(site, tmp_path, "generate", "text=Mike holds a hotdog.", "out=scene.png")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("scene.png\n") and (tmp_path / "scene.png").stat().st_size > 1000


def test_help_names_the_command(site, tmp_path) -> None:
    done = seq2scene(site, tmp_path, "prepare", "--help")
    assert "  seq2scene prepare data=multi30k  " in done.stdout and "python src" not in done.stdout
