"""The scenes on disk: the format of AbstractScenes_v1.1, deterministic, written at once."""

import hashlib
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest
from PIL import Image, ImageStat

from seq2scene.data.park import scenes_writing
from seq2scene.data.park.drawing.clip_art import picture_names
from seq2scene.data.park.language.describing import describe
from seq2scene.data.park.language.grammar import text
from seq2scene.data.park.sampling import sample_scene
from seq2scene.data.park.scenes_writing import ensure_scenes
from seq2scene.data.park.world import CANVAS, EXPRESSIONS, POSES, THINGS, Placed
from seq2scene.errors import UserError
from seq2scene.scenes.clip_art import TYPES

pytestmark = pytest.mark.slow

DRAWN = {  # premultiplied red, green, blue and alpha, the mean of the pictures of each kind
    "sky": [93.5, 76.9, 72.0, 140.1],
    "large": [57.2, 64.4, 53.9, 124.8],
    "child": [69.9, 49.7, 44.1, 103.1],
    "animal": [82.3, 70.5, 52.5, 144.5],
    "clothing": [80.5, 66.4, 62.1, 145.8],
    "food": [119.7, 92.9, 68.7, 177.3],
    "toy": [89.5, 75.9, 63.3, 158.6],
}
SMALL = {"seed": 5, "train": 40, "val": 7, "test": 6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return ensure_scenes(tmp_path_factory.mktemp("scenes"), **SMALL)


@pytest.fixture(scope="module")
def written(folder) -> list[list[list[str]]]:
    """The lines of each scene, its header first, as fields."""
    scenes = []
    for fields in (line.split() for line in (folder / "Scenes_10020.txt").read_text().splitlines()[1:]):
        if len(fields) == 2:
            scenes.append([])
        scenes[-1].append(fields)
    return scenes


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def sentence_lines(folder: Path, group: int) -> list[list[str]]:
    text = (folder / "SimpleSentences" / f"SimpleSentences{group}_10020.txt").read_text()
    return [line.split("\t") for line in text.splitlines() if line]


def placed(fields: list[str]) -> Placed:
    """A line of the scene file, read back."""
    name, *rest = fields[0].removesuffix("s.png").split("_")
    kind, variant, x, y, z, flip = map(int, fields[1:])
    assert TYPES[kind].startswith(name) and variant == int(rest[0])
    pose, expression = divmod(variant, len(EXPRESSIONS)) if name in THINGS else (0, 0)
    return Placed(name if name in THINGS else f"{name}_{rest[0]}", x, y, z, flip, pose, expression)


def test_a_scene_is_a_header_and_a_line_of_seven_fields_for_each_thing(folder, written):
    assert (folder / "Scenes_10020.txt").read_text().splitlines()[0] == "53"
    assert len(written) == 53
    for number, (header, *things) in enumerate(written):
        assert header == [str(number // 10), str(len(things))]
        assert {len(fields) for fields in things} == {7}


def test_a_line_that_is_read_gives_the_thing_that_was_placed(written):
    rng = Random(SMALL["seed"])
    for _, *things in written:
        assert tuple(map(placed, things)) == sample_scene(rng).things


def test_no_class_occurs_twice_and_the_types_come_in_order(written):
    for _, *things in written:
        classes = [placed(fields).name for fields in things]
        assert len(set(classes)) == len(classes)
        assert [fields[1] for fields in things] == sorted(fields[1] for fields in things)


def test_each_scene_is_told_twice_in_three_sentences(folder):
    groups = [sentence_lines(folder, group) for group in (1, 2)]
    for lines in groups:
        assert [line[:2] for line in lines] == [[str(n), str(k)] for n in range(53) for k in range(3)]
    same = sum(one == other for one, other in zip(*groups, strict=True))
    assert same < len(groups[0]) / 2


def test_the_sentences_are_those_that_describe_the_scenes(folder):
    rng = Random(SMALL["seed"])
    scenes = [sample_scene(rng) for _ in range(53)]
    for group in (1, 2):
        told = [text(message, "en") for scene in scenes for message in describe(scene, rng)]
        assert [line[2] for line in sentence_lines(folder, group)] == told


def test_each_scene_is_in_one_split(folder):
    splits = [
        (folder / "splits" / f"text2scene_{s}.txt").read_text().split() for s in ("train", "val", "test")
    ]
    assert [len(split) for split in splits] == [40, 7, 6]
    assert [int(number) for split in splits for number in split] == list(range(53))


def test_every_picture_that_a_scene_can_name_is_there(folder, written):
    files = {path.name for path in (folder / "Pngs").iterdir()}
    assert files == {f"{name}.png" for name in [*picture_names(), "background"]} and len(files) == 127
    assert {fields[0] for _, *things in written for fields in things} <= files
    assert {Placed("hb1", 0, 0, 0, 0, p, e).picture for p in range(len(POSES)) for e in range(5)} <= {
        name.removesuffix(".png") for name in files
    }


def test_pictures_are_as_large_as_the_world_says(folder):
    for name, thing in THINGS.items():
        png = "_0s.png" if thing.kind == "child" else "s.png"
        with Image.open(folder / "Pngs" / f"{name}{png}") as image:
            assert image.size == (thing.width, thing.height) and image.mode == "RGBA"
    with Image.open(folder / "Pngs" / "background.png") as image:
        assert image.size == CANVAS and image.mode == "RGB"


def test_the_same_seed_writes_the_same_bytes_whatever_the_hash_seed(folder, tmp_path):
    code = "import sys; from seq2scene.data.park.scenes_writing import ensure_scenes\n"
    code += f"ensure_scenes(sys.argv[1], **{SMALL})"
    environment = {"PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).resolve().parents[3] / "src")}
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env=environment)
    assert contents(tmp_path / folder.name) == contents(folder)


def test_scenes_are_written_once(folder):
    before = (folder / "Scenes_10020.txt").stat().st_mtime_ns
    assert ensure_scenes(folder.parent, **SMALL) == folder
    assert (folder / "Scenes_10020.txt").stat().st_mtime_ns == before


def test_other_seeds_sizes_and_versions_lie_in_other_folders(folder, tmp_path, monkeypatch):
    one = ensure_scenes(tmp_path, 5, 4, 1, 1)
    assert {one, ensure_scenes(tmp_path, 6, 4, 1, 1), ensure_scenes(tmp_path, 5, 4, 2, 1)} == set(
        tmp_path.iterdir()
    )
    monkeypatch.setattr(scenes_writing, "VERSION", 99)
    assert ensure_scenes(tmp_path, 5, 4, 1, 1) != one


def test_processes_that_race_agree_and_leave_nothing_behind(tmp_path):
    with ThreadPoolExecutor(3) as pool:
        folders = set(pool.map(lambda _: ensure_scenes(tmp_path, 5, 4, 1, 1), range(3)))
    assert len(folders) == 1 and list(tmp_path.iterdir()) == list(folders)


def test_a_folder_with_something_else_in_it_is_refused_and_kept(tmp_path):
    mine = tmp_path / ensure_scenes(tmp_path / "names", 5, 4, 1, 1).name
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="cannot write the park"):
        ensure_scenes(tmp_path, 5, 4, 1, 1)
    assert (mine / "thesis.txt").read_text() == "years of work"


def test_a_change_of_scenes_sentences_or_drawings_raises_the_version(folder):
    """Old folders are known by their version: raise VERSION and put the new fingerprints here."""
    told = [folder / "Scenes_10020.txt", *sorted((folder / "SimpleSentences").iterdir())]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in told)).hexdigest()
    drawn = {}
    for kind in dict.fromkeys(thing.kind for thing in THINGS.values()):
        of_kind = [name for name, thing in THINGS.items() if thing.kind == kind]
        files = [path for name in of_kind for path in sorted((folder / "Pngs").glob(f"{name}[s_]*"))]
        pictures = [Image.open(path).convert("RGBa") for path in files]
        drawn[kind] = [
            round(sum(means) / len(pictures), 1) for means in zip(*map(mean, pictures), strict=True)
        ]
    assert (scenes_writing.VERSION, digest[:16]) == (3, "6ec639fd7b269cd0")
    assert drawn == {kind: pytest.approx(means, abs=0.11) for kind, means in DRAWN.items()}


def mean(picture: Image.Image) -> list[float]:
    return ImageStat.Stat(picture).mean
