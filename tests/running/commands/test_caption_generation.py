"""Captions of photos by ``generate``: of one, of a folder's, of a list's; whatever is no photo is refused."""

import shutil
from functools import cache
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from captioned_photos import write_photos
from seq2scene.errors import UserError
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.models.loading import load
from seq2scene.running.commands.caption_generation import find_photos
from seq2scene.running.commands.generation import generate
from seq2scene.tasks.captioning import Captioning
from seq2scene.tasks.loading import load_task
from small_captioner import LANGUAGE, SMALL, save, small_captioner

pytestmark = pytest.mark.slow

PARTS = ("task", "image_encoder", "model", "attention", "loss", "val_search", "search")
THREE_WORDS = ["search.max_extra=3"]


@pytest.fixture(scope="module")
def made(composed, tmp_path_factory):
    """Saves a captioner once for each choice of options, and gives the path of its checkpoint."""

    @cache
    def make(*options: str) -> Path:
        config = composed("train", *SMALL, *THREE_WORDS, *options)
        config = {key: OmegaConf.to_container(config[key], resolve=True) for key in PARTS}
        return save(small_captioner(config), tmp_path_factory.mktemp("made") / "model.ckpt")

    return make


@pytest.fixture
def captioner(made, tmp_path: Path):
    """Copies a captioner, for the test to change."""
    return lambda *options: Path(shutil.copy(made(*options), tmp_path / "model.ckpt"))


@pytest.fixture
def say(composed, tmp_path: Path):
    """The lines that generation writes."""

    def lines(ckpt: Path, *options: str) -> list[str]:
        out = tmp_path / "out.txt"
        generate(composed("generate", f"ckpt={ckpt}", f"out={out}", "device=cpu", *options))
        return out.read_text().splitlines()

    return lines


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    write_photos(tmp_path / "photos")
    (tmp_path / "photos" / "notes.md").write_text("no photo")
    return tmp_path / "photos"


def test_a_photo_has_the_caption_that_it_has_among_others(captioner, say, photos: Path) -> None:
    ckpt = captioner()
    told = [line.split("\t") for line in say(ckpt, f"image={photos}", "batch_size=3")]
    files = sorted(photos.glob("*.png"))
    assert [file for file, _ in told] == [str(file) for file in files]
    for file, (_, caption) in zip(files, told, strict=True):
        assert say(ckpt, f"image={file}") == [caption] and len(caption.split()) == 3
    wanted = photos.parent / "wanted.txt"
    wanted.write_text(f"{files[2]}\n\n{files[0]}\n")
    assert say(ckpt, f"image={wanted}") == ["\t".join(told[2]), "\t".join(told[0])]


def test_what_is_no_photo_in_a_folder_is_left_out_and_told(photos: Path, capsys) -> None:
    (photos / "._x.JPG").write_bytes(b"\0\x05\x16\x07\0\x02\0\0Mac OS X        ")
    (photos / "paper.pdf").write_bytes(b"%PDF-1.7")
    (photos / "gone.png").symlink_to("nowhere.png")
    (photos / "more.png").mkdir()
    (photos / "big.PNG").write_bytes((photos / f"{0:012}.png").read_bytes())
    found = [path.name for path in find_photos(str(photos))]
    assert found == [f"{n:012}.png" for n in range(4)] + ["big.PNG"]
    told = "4 of 9 files are no photos and left out: ._x.JPG, gone.png, notes.md, paper.pdf"
    assert capsys.readouterr().err == f"image={photos}: {told}\n"


def test_scores_are_log_probabilities_of_the_captions_and_the_best_comes_first(
    captioner, say, photos: Path
) -> None:
    ckpt = captioner()
    file = sorted(photos.glob("*.png"))[0]
    told = [line.split("\t") for line in say(ckpt, f"image={file}", "n_best=3")]
    scores = [float(score) for score, _ in told]
    assert len(told) == 3 and scores == sorted(scores, reverse=True)
    (line,) = say(ckpt, f"image={file}", "scores=true", "prefix='red red'")
    name, score, caption = line.split("\t")
    assert name == str(file) and caption.startswith("red red ")
    assert float(score) < scores[0]


def test_pictures_show_the_square_and_a_panel_for_each_word(captioner, say, photos: Path) -> None:
    maps = photos.parent / "maps"
    say(captioner(), f"image={photos}", f"pictures={maps}")
    assert sorted(path.name for path in maps.iterdir()) == [f"{n + 1}_{n:012}.png" for n in range(4)]


def test_a_model_captions_files_and_pictures_alike(captioner, say, photos: Path) -> None:
    ckpt, (first, *others) = captioner(), sorted(photos.glob("*.png"))
    model = load(ckpt)
    with Image.open(first) as picture:
        one = model.caption(picture, keep_attention=True)
    assert [one.text] == say(ckpt, f"image={first}")
    assert model.caption([first, *others])[0].text == one.text == model.caption(str(first)).text
    assert one.attention.shape == (len(one.words) + 1, model.encoder.cells)


def test_weights_of_the_image_encoder_come_from_the_checkpoint_alone(captioner, photos: Path) -> None:
    ckpt = captioner()
    saved = load_checkpoint(ckpt)
    saved["hyper_parameters"]["config"]["image_encoder"]["weights"] = "/nowhere/weights.pth"
    for name in ("trunk.features.0.weight", "trunk.features.0.bias"):
        saved["state_dict"][f"model.encoder.{name}"] += 1
    torch.save(saved, ckpt)
    task = load_task([ckpt])
    assert isinstance(task, Captioning)
    torch.testing.assert_close(
        task.model.encoder.state_dict()["trunk.features.0.bias"],
        saved["state_dict"]["model.encoder.trunk.features.0.bias"],
    )


@pytest.mark.parametrize(
    "options, told",
    [
        ([], "image is required"),
        (["text=hello"], "text: this model captions photos; give image=FILE.jpg"),
        (["file=LIST"], "file: this model captions photos"),
        (["image=PHOTO", "replace_unk=copy"], "replace_unk: photos have no words"),
        (["image=gone.jpg"], "gone.jpg does not exist"),
        (["image=NOTES"], "notes.md is not a readable image"),
        (["image=EMPTY"], "there is no photo in it"),
        (["image=gone.txt"], "gone.txt does not exist"),
        (["image=LIST"], "line 2: there is no file gone.jpg"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_what_is_no_photo_is_refused_by_its_name(
    captioner, say, photos: Path, options: list[str], told: str
) -> None:
    photo = sorted(photos.glob("*.png"))[0]
    (photos.parent / "empty").mkdir()
    (photos.parent / "list.txt").write_text(f"{photo}\ngone.jpg\n")
    places = {"PHOTO": photo, "NOTES": photos / "notes.md", "EMPTY": photos.parent / "empty"}
    places["LIST"] = photos.parent / "list.txt"
    for name, path in places.items():
        options = [option.replace(name, str(path)) for option in options]
    with pytest.raises(UserError, match=told):
        say(captioner(), *options)


def test_where_nothing_is_looked_at_nothing_is_drawn(captioner, say, photos: Path) -> None:
    with pytest.raises(UserError, match="this model has no attention"):
        say(captioner("attention=none"), f"image={photos}", f"pictures={photos.parent}/maps")


def test_a_model_that_reads_text_refuses_photos(composed, tmp_path: Path) -> None:
    from seq2scene.tasks.loading import build_task

    config = composed("train", "task=lm", "debug=tiny")
    parts = ("task", "model", "attention", "loss", "val_search", "search")
    config = {key: OmegaConf.to_container(config[key], resolve=True) for key in parts if key in config}
    task = build_task(config, {"language": LANGUAGE.state()})
    ckpt = tmp_path / "lm.ckpt"
    torch.save({"state_dict": task.state_dict(), "hyper_parameters": dict(task.hparams)}, ckpt)
    with pytest.raises(UserError, match="image: this model reads text"):
        generate(composed("generate", f"ckpt={ckpt}", "image=photo.jpg", "device=cpu"))


def test_a_broken_photo_is_found_before_any_caption_is_written(captioner, say, photos: Path, capsys) -> None:
    ckpt, out = captioner(), photos.parent / "out.txt"
    out.write_text("good\n")
    (photos.parent / "zzz.png").write_bytes(b"no picture")
    listed = photos.parent / "list.txt"
    listed.write_text("".join(f"{photo}\n" for photo in [*photos.glob("*.png"), photos.parent / "zzz.png"]))
    with pytest.raises(UserError, match=r"zzz\.png is not a readable image"):
        say(ckpt, f"image={listed}", "batch_size=1")
    assert out.read_text() == "good\n"
    say(ckpt, f"image={photos}", "prefix='red zebra'")
    assert "prefix: unknown to the model: zebra" in capsys.readouterr().err


@pytest.mark.parametrize("search", ["greedy", "beam", "sample"])
def test_every_photo_has_a_caption_whatever_is_asked_for(captioner, say, photos: Path, search: str) -> None:
    rules = (
        "search.no_repeat_ngram=1",
        "search.min_length=50",
        "search.max_length=90",
        "search.max_extra=99",
    )
    told = say(captioner(), f"image={photos}", f"search={search}", *rules)
    assert len(told) == 4
    for line in told:
        words = line.split("\t")[1].split()
        assert words and len(set(words)) == len(words)


@pytest.mark.parametrize("search", ["greedy", "beam", "sample"])
def test_a_search_keeps_the_thirty_words_of_a_caption(captioner, say, photos: Path, search: str) -> None:
    wordy = f"search={search}", "search.min_length=200"
    told = say(captioner("search.max_extra=30"), f"image={photos}", *wordy)
    assert {len(line.split("\t")[1].split()) for line in told} == {30}
