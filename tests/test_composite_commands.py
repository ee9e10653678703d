"""The entry points with composites, as users run them: real commands on a few of the park's photos."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from entry_points import command, run
from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.errors import UserError
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.running.commands.generation import generate
from test_commands import runs
from test_configs import compose_plain

pytestmark = pytest.mark.slow

SMALL = [
    "task=composite",
    "model=text2scene_mini",
    "debug=tiny_scenes",
    "data=coco_composite",
    "data.photos=.",
    "data.min_thing=0.001",
    "data.min_count=1",
    "data.side=32",
    "canvas.side=32",
    "canvas.widths=[8,8,8]",
    "heads.appearance.size=8",
    "patch_encoder.hidden=4",
    "trainer=cpu",
    "trainer.enable_progress_bar=false",
    "trainer.limit_test_batches=1.0",
    "callbacks.samples.pictures=1",
    "data.fetch=null",
]
STORY = "Jenny is kicking the ball."


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("work")
    shutil.move(ensure_photos(folder, train=16, val=3), folder / "photos")
    return folder


@pytest.fixture(scope="module")
def trained(work: Path) -> Path:
    """The folder of a run of two steps, tested."""
    run("train.py", *SMALL, f"data.root={work}/photos", "name=base", work=work)
    (folder,) = runs(work, "base")
    return folder


@pytest.fixture(scope="module")
def talkative(trained: Path, work: Path) -> Path:
    """The checkpoint of the run, its weights far enough from zero for texts to matter, seldom at an end."""
    parts = load_checkpoint(trained / "best.ckpt")
    torch.manual_seed(1)
    for name, weight in parts["state_dict"].items():
        if (
            name.startswith(("model.encoder.", "model.decoder."))
            and weight.is_floating_point()
            and "running" not in name
        ):
            weight.add_(0.2 * torch.randn_like(weight))
    parts["state_dict"]["model.decoder.object_decoder.output.bias"][2] -= 3
    torch.save(parts, work / "talkative.ckpt")
    return work / "talkative.ckpt"


@pytest.fixture
def told(talkative: Path, tmp_path: Path):
    """``generate.py`` in this process: what it writes of the story into the file OUT beside the test."""

    def write(*options: str, out: str = "scene.png") -> Path:
        given = [f"ckpt={talkative}", f"text={STORY}", "device=cpu", f"out={tmp_path / out}"]
        given += ["search=greedy", "search.max_length=4", *options]
        generate(OmegaConf.create(compose_plain(tmp_path, *given, job="generate")))
        return tmp_path / out

    return write


def described(checkpoint: Path) -> dict[str, str]:
    return load_checkpoint(checkpoint)["hyper_parameters"]["description"]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_run_leaves_samples_scores_and_a_gallery_with_the_true_photos(trained: Path, work: Path) -> None:
    assert list((trained / "samples").glob("step_*_line_1.png"))
    rows = lines((trained / "test.scenes.jsonl").read_text())
    assert len(rows) == 15  # five captions of each of three photos
    gallery = trained / "test.gallery"
    page, shown = (gallery / "index.html").read_text(), list(gallery.glob("*.photo.png"))
    assert len(shown) == 2
    for photo in shown:
        row = rows[int(photo.name.split(".")[0])]
        for kind in ("generated", "true", "photo", "strip"):
            name = photo.name.replace("photo", kind)
            assert name in page and (gallery / name).stat().st_size > 0
        with Image.open(work / "photos" / "val2017" / f"{row['scene']:012}.jpg") as original:
            small = original.convert("RGB").resize((400, 320), Image.Resampling.LANCZOS)  # 500 x 400
        assert np.array_equal(np.asarray(Image.open(photo))[80:], np.asarray(small))


def test_evaluation_elsewhere_repeats_the_scores_and_says_that_photos_are_gone(
    trained: Path, work: Path
) -> None:
    """Where store and photos have moved, the store is found again, and pictures are of the small copies."""
    shutil.copytree(described(trained / "best.ckpt")["patches"], work / "moved")
    parts = load_checkpoint(trained / "best.ckpt")
    parts["hyper_parameters"]["description"] |= {"patches": str(work / "gone"), "photos": str(work / "gone")}
    torch.save(parts, work / "lost.ckpt")
    given = [f"ckpt={work}/lost.ckpt", "gallery=1", "trainer=cpu", "trainer.enable_progress_bar=false"]
    done = command("evaluate.py", *given, f"patches={work}/moved", work=work)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("the photos are gone, so pictures are of their small copies") == 1
    again = runs(work, "evaluate")[-1]
    assert len(list((again / "test.gallery").glob("*.generated.png"))) == 1
    ours, theirs = (json.loads((folder / "metrics.json").read_text()) for folder in (trained, again))
    assert ours["test"] == pytest.approx(theirs["test"], rel=1e-5)
    ours, theirs = (lines((folder / "test.scenes.jsonl").read_text()) for folder in (trained, again))
    for mine, other in zip(ours, theirs, strict=True):
        assert mine["objects"] == other["objects"] and mine["truth"] == other["truth"]


def test_a_text_becomes_a_picture_a_strip_and_a_file_that_credits_its_patches(
    talkative: Path, work: Path
) -> None:
    out = work / "pictures" / "scene.png"
    run("generate.py", f"ckpt={talkative}", f"text={STORY}", f"out={out}", "device=cpu", work=work)
    with Image.open(out) as picture, Image.open(out.with_suffix(".strip.png")) as strip:
        assert picture.size == (800, 800) and min(strip.size) > 200
    objects = json.loads(out.with_suffix(".json").read_text())["objects"]
    assert objects
    taken = json.loads((work / "photos" / "annotations" / "instances_train2017.json").read_text())
    taken["annotations"] += json.loads(
        (work / "photos" / "annotations" / "stuff_train2017.json").read_text()
    )["annotations"]
    photo_of = {f"{one['id']:012}": f"{one['image_id']:012}.jpg" for one in taken["annotations"]}
    assert all(0 < one["width"] <= 1 and 0 < one["height"] <= 1 for one in objects)
    pasted = [one for one in objects if "patch" in one]  # so few photos do not show every class
    assert pasted
    for one in pasted:
        assert photo_of[one["patch"]["id"].split("_")[0]] == one["patch"]["photo"]
        assert one["patch"]["license"] == {"name": "MIT License", "url": "https://opensource.org/license/mit"}


def test_a_gif_moves_and_edges_can_be_soft(told) -> None:
    with Image.open(told(out="scene.gif")) as animation:
        assert animation.n_frames > 1
    hard, soft = pixels(told()), pixels(told("edges=soft", out="soft.png"))
    assert 0 < (hard != soft).any(2).mean() < 0.2


def test_photos_that_moved_are_found_again(told, talkative: Path, work: Path, capfd) -> None:
    expected = pixels(told())
    shutil.copytree(work / "photos" / "train2017", work / "elsewhere")
    parts = load_checkpoint(talkative)
    parts["hyper_parameters"]["description"]["photos"] = str(work / "nowhere")
    torch.save(parts, work / "without.ckpt")
    capfd.readouterr()
    small = pixels(told(f"ckpt={work}/without.ckpt"))
    said = capfd.readouterr().err
    assert said.count(f"{work}/nowhere: the photos are gone, so pictures are of their small copies") == 1
    assert "photos=FOLDER" in said
    assert (small != expected).any()
    found = pixels(told(f"ckpt={work}/without.ckpt", f"photos={work}/elsewhere"))
    assert "photos are gone" not in capfd.readouterr().err
    assert np.array_equal(found, expected)


def test_a_photo_that_is_missing_is_named(told, work: Path) -> None:
    (work / "empty").mkdir()
    with pytest.raises(UserError, match=r"empty/0000000000\d\d.jpg does not exist"):
        told(f"photos={work}/empty")


@pytest.mark.parametrize(
    ("choice", "reason"),
    [
        ("patches=nowhere", "patches=nowhere: there is no such folder"),
        ("photos=nowhere", "photos=nowhere: there is no such folder"),
        ("edges=round", "edges=round is not a choice; choose one of hard, soft"),
    ],
)
def test_what_is_not_there_is_refused_by_name(told, choice: str, reason: str) -> None:
    with pytest.raises(UserError, match=reason):
        told(choice)


def test_patches_that_are_lost_are_told_with_what_to_do(told, talkative: Path, work: Path) -> None:
    parts = load_checkpoint(talkative)
    parts["hyper_parameters"]["description"]["patches"] = str(work / "nowhere")
    torch.save(parts, work / "lost.ckpt")
    with pytest.raises(UserError, match=r"nowhere holds no patches to write composites from: patches=FOLDER"):
        told(f"ckpt={work}/lost.ckpt")
