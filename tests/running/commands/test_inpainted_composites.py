"""Composites and what an inpainter makes of them: beside pictures, in galleries, and scored as pictures."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from torch import nn

from seq2scene.building import build
from seq2scene.compositing.compositor import Compositor, empty_canvas
from seq2scene.compositing.inpainting import inpaint, photos_of
from seq2scene.compositing.pasting import Rendering, occupied
from seq2scene.data.park.photos_writing import ensure_photos
from seq2scene.errors import UserError
from seq2scene.models.loading import load_inpainter
from seq2scene.reports.report import Report, check_reports
from seq2scene.reports.scene.captioned_scenes import CaptionedScenes
from seq2scene.reports.scene.gallery import Gallery
from seq2scene.reports.scene.realism import Realism, score_realism
from seq2scene.reports.scene.scenes import Scenes
from seq2scene.running.commands.evaluation import evaluate_task
from seq2scene.running.commands.generation import generate
from seq2scene.running.processes.trainers import filter_warnings, make_trainer
from seq2scene.scenes.objects import PAD
from seq2scene.tasks.composites import CompositeTask
from seq2scene.tasks.loading import build_task, load_task, with_local_paths
from seq2scene.tasks.scenes import Result
from small_composites import COMPOSITE, PHOTOS
from test_configs import compose_plain

pytestmark = pytest.mark.slow

INPAINTING = [
    "task=inpainting",
    "data=coco_inpainting",
    *(f"data.composites.{choice}" for choice in PHOTOS),
    "data.composites.side=32",
    "data.composites.photo_side=48",
    "data.side=32",
    "model=inpainter_small",
    "model.widths=[6,8]",
    "model.depths=[1,1]",
    "model.decoder_widths=[8,8,6]",
]
STORY = "Jenny is kicking the ball."


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """A folder with photos, and ``composite.ckpt`` and ``inpainting.ckpt`` of untrained models of them, the
    weights of the first far enough from zero for texts to matter.
    """
    folder = tmp_path_factory.mktemp("work")
    shutil.move(ensure_photos(folder, train=12, val=3), folder / "photos")
    for name, options in (("composite", COMPOSITE), ("inpainting", INPAINTING)):
        places = [f"data.root={folder}/photos", f"paths.cache={folder}/cache"]
        config = compose_plain(folder, *options, *places)
        config["trainer"] |= {"enable_progress_bar": False, "enable_model_summary": False}
        data = build(config["data"], "data")
        data.prepare_data()
        data.setup()
        torch.manual_seed(5)
        task = build_task(config, data.description())
        if name == "composite":
            with torch.no_grad():
                parts = task.model.encoder, task.model.decoder
                for parameter in (one for part in parts for one in part.parameters()):
                    parameter.add_(0.2 * torch.randn_like(parameter))
                task.model.decoder.object_decoder.output.bias[2] -= 3  # seldom at an end
        parts = {"state_dict": task.state_dict(), "hyper_parameters": dict(task.hparams)}
        torch.save(parts, folder / f"{name}.ckpt")
    return folder


@pytest.fixture(scope="module")
def inpainter(work: Path):
    return load_inpainter(work / "inpainting.ckpt")


@pytest.fixture(scope="module")
def composites(work: Path) -> tuple[CompositeTask, Any]:
    """The task, which has its patches, and its data."""
    parts = torch.load(work / "composite.ckpt")["hyper_parameters"]
    task = build_task(parts["config"], parts["description"]).eval()
    task.load_state_dict(torch.load(work / "composite.ckpt")["state_dict"])
    task.build_retrieval_index()
    data = build(parts["config"]["data"], "data")
    data.use(parts["description"])
    data.setup("test")
    return task, data


@pytest.fixture
def told(work: Path, tmp_path: Path) -> Callable[..., None]:
    """``generate.py`` in this process."""

    def write(*options: str) -> None:
        given = [f"ckpt={work}/composite.ckpt", "device=cpu", "search.max_length=4", *options]
        generate(OmegaConf.create(compose_plain(tmp_path, *given, job="generate")))

    return write


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


# Beside pictures


def test_beside_a_picture_lies_what_was_made_of_it(told, work: Path, tmp_path: Path) -> None:
    told("search=greedy", f"text={STORY}", f"out={tmp_path}/scene.png", f"inpainter={work}/inpainting.ckpt")
    names = {"scene.png", "scene.inpainted.png", "scene.strip.png", "scene.json"}
    assert {path.name for path in tmp_path.glob("scene.*")} == names
    composite, made = pixels(tmp_path / "scene.png"), pixels(tmp_path / "scene.inpainted.png")
    assert made.shape == composite.shape == (800, 800, 3)
    empty = empty_canvas(800).permute(1, 2, 0).numpy()
    there, painted = (composite != empty).any(2), (made != empty).any(2)
    for axis in (0, 1):  # the box around all that was pasted; the inpainter sees it in pixels of 800 / 48
        first, last = (np.flatnonzero(seen.any(axis))[[0, -1]] for seen in (there, painted))
        assert np.abs(first - last).max() <= 2 * 800 / 48
    assert (painted[there]).mean() > 0.9
    assert np.abs(made - composite)[there].mean() > 5


def test_each_scene_of_each_text_has_its_own(told, work: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.txt").write_text(f"{STORY}\n\n")
    told(
        *("search=beam", "search.size=2", "n_best=2", f"file={tmp_path}/texts.txt", f"out={tmp_path}/s.gif"),
        f"inpainter={work}/inpainting.ckpt",
    )
    names = {f"s_{text}_{n}" for text in (1, 2) for n in (1, 2)}
    assert {path.stem for path in tmp_path.glob("*.gif")} == names
    assert {path.name for path in tmp_path.glob("*.inpainted.png")} == {f"{n}.inpainted.png" for n in names}


# What the inpainter is given


def test_scenes_are_given_as_they_were_in_training(work: Path, inpainter) -> None:
    """A photo's own patches, pasted back in place, equal what is learnt from when no mask hides anything."""
    places = {"cache": str(work / "cache"), "data": str(work)}
    data = build(with_local_paths(inpainter.config["data"], places), "data")
    data.setup()
    stencils = data.sample("val", np.arange(2))
    stencils = replace(stencils, paired=torch.zeros_like(stencils.paired), colours=identity(stencils.colours))
    learnt = load_task([work / "inpainting.ckpt"]).mend(stencils).composite
    given = []

    class Spy:
        device, side, photo_side = inpainter.device, inpainter.side, inpainter.photo_side

        def inpaint(self, composite: Rendering):
            given.append(composite)
            return inpainter.inpaint(composite)

    split, store = data.composites.splits["val"], data.composites.stores["val"]
    folder = data.composites.photo_folder("val")
    compositor = Compositor(store, folder, data.composites.schema, edges="soft")
    with torch.no_grad():
        photos = list(photos_of(Spy(), split.objects[torch.arange(2)], compositor, 64))
    assert [photo.shape for photo in photos] == [(3, 64, 64)] * 2
    (seen,) = given
    assert set(seen.masks.unique().tolist()) <= {0.0, 1.0}
    both = (seen.masks * learnt.masks)[:, 0] > 0
    assert both.sum() > 0.9 * learnt.masks.sum()
    assert (seen.labels == learnt.labels)[both].float().mean() > 0.9
    apart = (seen.pictures - learnt.pictures).abs().mean(1)
    assert apart[both].mean() < 10


def identity(colours: torch.Tensor) -> torch.Tensor:
    return torch.eye(3, 4).expand_as(colours)


def test_photos_are_those_of_the_renderings_whatever_their_size(composites, inpainter) -> None:
    _, data = composites
    compositor = data.compositor("test")
    truth = data.truth("test")[::5]
    truth = replace(truth, classes=truth.classes.where(torch.tensor([[True], [True], [False]]), PAD))
    ground = torch.full((3, 96, 96), 7.0)
    with torch.no_grad():
        made = list(photos_of(inpainter, truth, compositor, 96, ground))
        scene = compositor.render(truth, 48)
        expected = inpaint(inpainter, scene, 96, ground)
    assert len(made) == 3 and all(torch.equal(one, other) for one, other in zip(made, expected, strict=True))
    for photo, first, last in zip(made, *occupied(scene.masks), strict=True):
        (left, top), (right, bottom) = (2 * first).tolist(), (2 * last).tolist()
        beyond = torch.ones(96, 96, dtype=torch.bool)
        beyond[top:bottom, left:right] = False
        assert (photo[:, beyond] == 7).all() and (photo[:, ~beyond] != 7).float().mean() > 0.5
    assert beyond.sum() == 0  # of the last one, which is empty, the whole canvas is painted


# In galleries, and scored


class Tiny(nn.Module):
    """An extractor of features: means of colours over quarters of a picture."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.to_logits = nn.Linear(12, 5)

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        assert pictures.dtype == torch.uint8 and pictures.shape[1:] == (3, 299, 299)
        features = nn.functional.adaptive_avg_pool2d(pictures.float() / 255, 2).flatten(1)
        return features, self.to_logits(features)


class Pictures(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.files: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        if tag == "img":
            self.files.append(dict(attrs)["src"])


def test_a_gallery_and_the_scores_hold_composites_and_what_was_made_of_them(
    composites, work: Path, tmp_path: Path, monkeypatch
) -> None:
    task, data = composites
    monkeypatch.setattr("seq2scene.reports.scene.realism.load_inception", lambda _: Tiny())
    made_by = str(work / "inpainting.ckpt")
    reports = [Scenes(), Gallery(2, made_by), Realism("weights", made_by)]
    check_reports(reports, task)
    filter_warnings()
    trainer = make_trainer(task.config["trainer"], logger=False, enable_checkpointing=False)
    results = evaluate_task(trainer, task, data, reports, tmp_path)["test"]
    gallery = tmp_path / "test.gallery"
    files = Pictures((gallery / "index.html").read_text()).files
    kinds = [file.split(".")[1] for file in files]
    assert kinds == 2 * ["generated", "inpainted", "true", "photo"]
    assert all((gallery / file).is_file() for file in files) and len(list(gallery.glob("*.strip.png"))) == 2
    composite, made = (pixels(gallery / file) for file in files[:2])
    assert composite.shape == made.shape == (400, 400, 3) and (composite != made).any()
    found = json.loads((tmp_path / "metrics.json").read_text())["test"]
    assert found == results
    assert results["inpainted"].keys() == {"fid", "inception_score"}
    for scores in (results, results["inpainted"]):
        assert scores["fid"] > 0 and scores["inception_score"] >= 1
    assert results["fid"] != results["inpainted"]["fid"]


def test_without_an_inpainter_the_gallery_is_as_it_was(composites, tmp_path: Path) -> None:
    task, data = composites
    filter_warnings()
    trainer = make_trainer(task.config["trainer"], logger=False, enable_checkpointing=False)
    results = evaluate_task(trainer, task, data, [Gallery(1)], tmp_path)["test"]
    assert not {"fid", "inception_score", "inpainted"} & results.keys()
    kinds = [f.split(".")[1] for f in Pictures((tmp_path / "test.gallery/index.html").read_text()).files]
    assert kinds == ["generated", "true", "photo"]


# What is refused


def test_scores_of_pictures_need_two_of_each_kind_and_one_for_each_process(composites) -> None:
    task, data = composites
    truth = data.truth("test")
    rows = torch.arange(len(truth))

    def found(count: int) -> list[Result]:
        return [Result(rows[:count], truth[:count], torch.zeros(count, 1), {})]

    with pytest.raises(UserError, match=r"test has 3 photos and 1 composites; .* at least 2 of each"):
        score_realism(Tiny(), task, data, "test", found(1))
    with pytest.raises(UserError, match="at least 4 of each, one for each process"):
        score_realism(Tiny(), task, data, "test", found(len(rows)), rank=0, world=4)


@pytest.mark.parametrize(
    "report", [Gallery(1, ""), Realism(""), CaptionedScenes("")], ids=lambda one: one.name
)
def test_a_net_without_a_name_is_not_taken_for_none(composites, report: Report) -> None:
    task, _ = composites
    with pytest.raises(UserError, match=r"^no checkpoint at|^realism"):
        report.check(task)


def test_an_inpainter_is_refused_where_no_picture_is_drawn(told, work: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"inpainter: .*out=NAME with \.png"):
        told("search=greedy", f"text={STORY}", f"out={tmp_path}/s.jsonl", f"inpainter={work}/inpainting.ckpt")


def test_an_inpainter_that_is_none_is_refused(told, work: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"inpainter=.*task=composite; give one of task=inpainting"):
        told("search=greedy", f"text={STORY}", f"out={tmp_path}/s.png", f"inpainter={work}/composite.ckpt")
