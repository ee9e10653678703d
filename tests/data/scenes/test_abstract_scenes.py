"""Clip-art scenes as Text2Scene reads them: of a small folder written here, and the published ones."""

import logging
import shutil
from collections import Counter
from functools import partial
from itertools import chain
from pathlib import Path

import pytest
import torch
from PIL import Image

from seq2scene.data.scenes import abstract_files
from seq2scene.data.scenes.abstract_counts import verify_counts
from seq2scene.data.scenes.abstract_scenes import AbstractScenes, ParkScenes
from seq2scene.errors import UserError
from seq2scene.scenes.objects import EOS, PAD, Objects
from seq2scene.scenes.statements import statements

pytestmark = pytest.mark.slow

# Of each set a list of scenes, of each scene its objects: picture, x, y, z, flip.
SCENES = [
    [
        [("hb0_12", 100, 200, 0, 1), ("t_4", 30, 170, 2, 0), ("s_3", 467, 24, 0, 0), ("p_7", 178, 89, 2, 1)],
        [("hb1_34", 250, 300, 1, 0), ("c_9", 240, 260, 1, 0)],
        [],  # no object: left out
        [("s_0", 0, 0, 0, 0), ("s_1", 499, 399, 2, 0), ("a_1", -40, 704, 1, 1)],
    ],
    [[(f"t_{k}", 20 * k, 300, 0, 0) for k in range(12)], [("hb0_0", 1, 2, 0, 0)], [("e_6", 5, 6, 0, 0)]],
]
IDS = [0, 1, 3, 10, 11, 12]  # of those with objects
SPLITS = {"train": [0, 1, 2, 3, 10], "val": [11], "test": [12, 3]}


def scene_lines() -> list[str]:
    lines = ["7"]
    for group, scenes in enumerate(SCENES):
        for scene in scenes:
            lines.append(f"{group}\t{len(scene)}")
            lines += [f"{name}s.png\t0\t0\t{x}\t{y}\t{z}\t{flip}" for name, x, y, z, flip in scene]
    return lines


def sentence_lines(group: int) -> list[str]:
    lines = []
    for scene in [0, 1, 2, 3, 10, 11, 12]:
        if (group, scene) == (2, 1):
            continue  # told by the first group alone
        told = [
            "Mike sees the ball." if group == 1 else "The ball is near Mike.",
            f"Jenny is {'very ' * scene}sad.",
        ]
        told += ["A dog."] if scene % 2 == 0 else []
        lines += [f"{scene}\t{number}\t{sentence}" for number, sentence in enumerate(told)]
        lines += [f"{scene}\t4\tA fifth sentence is not used.", ""]
    return lines


def write(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture(scope="session")
def template(tmp_path_factory) -> Path:
    """A folder in the layout of AbstractScenes_v1.1 with seven scenes."""
    root = tmp_path_factory.mktemp("abstract")
    write(root / abstract_files.SCENES, scene_lines())
    for group, name in enumerate(abstract_files.SENTENCES, start=1):
        write(root / name, sentence_lines(group))
    for split, numbers in SPLITS.items():
        write(root / f"splits/text2scene_{split}.txt", list(map(str, numbers)))
    (root / "Pngs").mkdir()
    for number, name in enumerate(abstract_files.picture_names()):
        picture = Image.new("RGBA", (12, 9), (0, 0, 0, 50))  # an alpha of 50 is not yet opaque
        picture.paste((number, 0, 0, 51), (2, 1, 2 + 1 + number % 9, 1 + 1 + number % 5))
        picture.save(root / f"Pngs/{name}.png")
    return root


@pytest.fixture
def root(template, tmp_path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "abstract"))


def ready(root: Path, **settings) -> AbstractScenes:
    data = AbstractScenes(root=str(root), **{"batch_size": 2, "cache": str(root / "cache"), **settings})
    data.prepare_data()
    data.setup()
    return data


def as_lists(data: AbstractScenes, objects: Objects, row: int) -> list[tuple]:
    """The objects of one scene: name, x, y, z, flip, variant."""
    real, head = objects.present[row], {name: values[row] for name, values in objects.attributes.items()}
    variant = head["pose"] * 5 + head["expression"]
    return [
        (data.schema.name(int(c)), *map(int, place), int(z), int(flip), int(v))
        for c, place, z, flip, v in zip(
            *(objects.classes[row], objects.places[row], head["size"], head["flip"], variant), strict=True
        )
    ][: int(real.sum())]


def words(data: AbstractScenes, batch) -> list[list[str]]:
    vocabulary = data.reader.language.vocabulary
    rows = [
        vocabulary.tokens(ids[:n].tolist())
        for ids, n in zip(batch.texts.ids, batch.texts.lengths, strict=True)
    ]
    return [list(chain.from_iterable(rows[first : first + 3])) for first in range(0, len(rows), 3)]


def each_sentence(texts) -> list[tuple[int, ...]]:
    return [tuple(ids[:n].tolist()) for ids, n in zip(texts.ids, texts.lengths, strict=True)]


# What a scene is


def test_the_sky_comes_first_then_the_far_before_the_near(root) -> None:
    data = ready(root)
    found = as_lists(data, data.truth("train"), 0)
    assert [name for name, *_ in found] == ["s_3", "t_4", "p_7", "hb0"]
    assert found[3] == ("hb0", 100, 200, 0, 1, 12)
    assert [one[0] for one in as_lists(data, data.truth("test"), 2)] == ["s_1", "s_0", "a_1"]


def test_a_scene_without_objects_is_left_out_and_one_group_of_sentences_stands_for_both(root) -> None:
    data = ready(root)
    assert data.scene_ids("train") == [0, 0, 1, 1, 3, 3, 10, 10]
    texts = data.texts("train")
    assert texts[0] == ["Mike sees the ball.", "Jenny is sad.", "A dog."] and texts[1] != texts[0]
    assert texts[2] == texts[3] == ["Mike sees the ball.", "Jenny is very sad."]


def test_places_outside_the_canvas_stay_exact_and_go_to_the_nearest_cell(root) -> None:
    data = ready(root)
    truth = data.truth("test")[torch.tensor([2])]
    assert truth.places[0].tolist() == [[499, 399], [0, 0], [-40, 704]]
    assert data.schema.cells(truth)[0].tolist() == [783, 0, 756]
    assert data.schema.grid.point(torch.tensor(756)).tolist() == [1, 399]


def test_targets_hold_nine_objects_and_end_truth_holds_all(root) -> None:
    data = ready(root, batch_size=9)
    (batch,) = data.train_dataloader()
    crowded = batch.rows.tolist().index(max(batch.rows.tolist()))
    assert batch.truth is None and batch.target.classes.shape == (4, 10)
    assert batch.target.classes[crowded, 9] == EOS
    assert ((batch.target.classes == EOS).sum(1) == 1).all()
    assert (data.truth("train").present[6].sum(), data.truth("train").classes.shape[1]) == (12, 12)


def test_targets_are_trimmed_to_the_fullest_scene_of_a_batch(root) -> None:
    data = ready(root, eval_batch_size=9)
    (batch,) = data.val_dataloader()
    assert batch.target.classes.tolist() == [[24, EOS]] * 2 and batch.truth.classes.shape == (2, 1)


def test_sizes_are_those_of_what_is_opaque(root) -> None:
    schema = ready(root).schema
    pictures = abstract_files.picture_names()
    for name, own in (("s_0", (0, 0)), ("t_14", (3, 2)), ("hb0", (2, 4)), ("hb1", (6, 0))):
        picture = f"{name}_{5 * own[0] + own[1]}s" if name.startswith("hb") else f"{name}s"
        number = pictures.index(picture)
        expected = [1 + number % 9, 1 + number % 5]
        assert schema.sizes[schema.names.index(name), *own].tolist() == expected


def test_class_numbers_are_those_of_the_authors(root) -> None:
    schema = ready(root).schema
    numbers = {"s_0": 3, "s_7": 10, "a_0": 11, "a_5": 16, "e_0": 17, "e_6": 23, "hb0": 24, "hb1": 25}
    numbers |= {"p_0": 26, "p_9": 35, "c_0": 36, "c_9": 45, "t_0": 46, "t_14": 60}
    assert {name: schema.number(name) for name in numbers} == numbers and schema.classes == 61


def test_heads_are_a_choice_and_wrong_ones_are_refused(root) -> None:
    data = ready(root, heads={"flip": {"classes": 2}}, grid={"columns": 7, "rows": 5})
    assert list(data.schema.heads) == ["flip"] and data.schema.grid.cells == 35
    with pytest.raises(UserError, match=r"heads\.age: this data has no such attribute; it has size, flip, "):
        ready(root, heads={"age": {"classes": 2}})
    with pytest.raises(UserError, match=r"heads\.size\.classes=5: this data has 3 of them"):
        ready(root, heads={"size": {"classes": 5}})


# Epochs


def test_training_draws_one_text_of_each_scene_anew_in_every_epoch(root) -> None:
    data = ready(root)
    loader, drawn = data.train_dataloader(), []
    for epoch in range(12):
        loader.set_epoch(epoch)
        rows = sorted(chain.from_iterable(batch.rows.tolist() for batch in loader))
        assert [row // 2 for row in rows] == [0, 1, 2, 3]
        drawn.append(tuple(rows))
    assert len(set(drawn)) > 3 and {row % 2 for rows in drawn for row in rows} == {0, 1}


def test_an_epoch_is_a_function_of_the_seed(root) -> None:
    def rows(seed: int) -> list[list[int]]:
        return [batch.rows.tolist() for batch in ready(root, seed=seed, batch_size=1).train_dataloader()]

    assert rows(3) == rows(3) and len({str(rows(seed)) for seed in range(6)}) > 1


def test_evaluation_sees_every_scene_with_both_texts(root) -> None:
    data = ready(root, eval_batch_size=3)
    (test,) = data.test_dataloader()
    batches = list(test)
    assert sorted(chain.from_iterable(batch.rows.tolist() for batch in batches)) == [0, 1, 2, 3]
    for batch in batches:
        told = words(data, batch)
        for place, row in enumerate(batch.rows.tolist()):
            sentences = " ".join(data.texts("test")[row]).lower().replace(".", "")
            known = [word for word in sentences.split() if word in data.reader.language.vocabulary]
            assert told[place] == [*known, "<eos>"]
            assert as_lists(data, batch.truth, place) == as_lists(data, data.truth("test"), row)


@pytest.mark.parametrize("split", ["train", "test"])
def test_two_ranks_share_what_one_sees(root, monkeypatch, split: str) -> None:
    def rows(data: AbstractScenes) -> list[int]:
        loader = data.train_dataloader() if split == "train" else data.test_dataloader()[0]
        return list(chain.from_iterable(batch.rows.tolist() for batch in loader))

    shares = []
    for rank in range(2):
        data = ready(root, batch_size=1, eval_batch_size=1)
        monkeypatch.setattr(data, "_ranks", partial(dict, rank=rank, world=2))
        shares.append(rows(data))
    assert sorted(chain.from_iterable(shares)) == sorted(rows(ready(root, batch_size=2)))
    assert len(shares[0]) == len(shares[1])


def test_a_place_in_the_epoch_is_kept(root) -> None:
    data = ready(root, batch_size=1)
    loader = data.train_dataloader()
    whole = [batch.rows.tolist() for batch in loader]
    list(zip(range(2), loader, strict=False))
    again = ready(root, batch_size=1)
    again.load_state_dict(data.state_dict())
    assert [batch.rows.tolist() for batch in again.train_dataloader()] == whole[2:]


def test_objects_that_no_net_will_see_are_counted(root, caplog) -> None:
    with caplog.at_level(logging.INFO):
        counts = ready(root, max_objects=2).splits["train"].objects.present.sum(1)
    cut, lost = int((counts > 2).sum()), int((counts - 2).clamp(min=0).sum())
    told = (
        f"train: {cut} of {len(counts)} scenes have more than data.max_objects=2 objects; the last {lost} go"
    )
    assert cut and told in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO):
        ready(root, max_objects=int(counts.max()))
    assert "train: " not in caplog.text


# Checkpoints


def test_a_description_reads_the_same_without_pictures_or_vocabulary(root) -> None:
    data = ready(root, max_words=2, stop_words="remove", max_objects=3)
    description = data.description()
    assert description["pictures"]["s_0s"].numpy().tobytes() == (root / "Pngs/s_0s.png").read_bytes()
    assert "background" in description["pictures"] and len(description["pictures"]) == 127
    shutil.rmtree(root / "Pngs")
    again = AbstractScenes(root=str(root), cache=str(root / "cache"), eval_batch_size=9)
    again.use(description)
    again.prepare_data()
    again.setup("test")
    (ours,) = ready_batches(again)
    data.eval_batch_size = 9
    (theirs,) = ready_batches(data)
    assert torch.equal(ours.texts.ids, theirs.texts.ids) and torch.equal(ours.rows, theirs.rows)
    assert torch.equal(ours.target.classes, theirs.target.classes)
    assert torch.equal(again.schema.sizes, data.schema.sizes) and again.schema.max_objects == 3


def ready_batches(data: AbstractScenes) -> list:
    return list(data.test_dataloader()[0])


def test_the_vocabulary_is_of_training_or_of_all_scenes(root) -> None:
    name = abstract_files.SENTENCES[0]
    write(root / name, [line.replace("12\t2\tA dog", "12\t2\tA zebra") for line in sentence_lines(1)])
    trained, everything = ready(root), ready(root, vocabulary_from="all")
    assert "zebra" not in trained.reader.language.vocabulary
    assert "zebra" in everything.reader.language.vocabulary
    assert "mike" not in ready(root, min_count=28).reader.language.vocabulary


# What files can be wrong in


def test_other_clip_art_than_a_checkpoint_has_learnt_is_told(root, caplog) -> None:
    description = ready(root).description()
    for share, told in ((1.0, False), (0.5, True)):
        caplog.clear()
        again, schema = AbstractScenes(root=str(root), cache=str(root / "cache")), description["schema"]
        again.use({**description, "schema": {**schema, "sizes": share * schema["sizes"]}})
        with caplog.at_level(logging.INFO):
            again.read(["test"])
        assert ("its clip art is not that of the checkpoint" in caplog.text) == told


def test_empty_long_and_unknown_sentences_are_read(root, caplog) -> None:
    lines = sentence_lines(1)
    lines[0] = "0\t0\t"
    lines[1] = "0\t1\t" + "dog " * 200
    lines = ["11\t0\tZebra." if line.startswith("11\t0") else line for line in lines if line[:4] != "11\t1"]
    write(root / abstract_files.SENTENCES[0], lines)
    with caplog.at_level(logging.INFO):
        data = ready(root, max_words=5, eval_batch_size=9)
        data.train_dataloader()
    assert data.texts("train")[0][0] == "" and len(data.texts("train")[0][1]) > 700
    assert "sentences are cut after max_words=5 words" in caplog.text
    assert len(data.reader.rows(data.texts("train")[0])[1]) == 5
    (batch,) = data.val_dataloader()
    told = dict(zip(batch.rows.tolist(), words(data, batch), strict=True))
    assert told[0] == [] and told[1][-1] == "<eos>"
    long = ready(root).reader.rows(["dog " * 200])
    assert len(long[0]) == 201


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("0\t0\t30\t170\t2\t0", "0\t0\t30\t170\t2", "line 4: an object has 7 fields .*, this has 6"),
        (
            "t_4s.png",
            "t_99s.png",
            "line 4: t_99s.png is no clip art of Abstract Scenes, which are s_0s.png to",
        ),
        ("hb0_12s", "hb0_35s", "line 3: hb0_35s.png is no clip art"),
        ("hb0_12s", "hb0s", "line 3: hb0s.png is no clip art"),
        ("30\t170", "30.5\t170", "line 4: these must be whole numbers: 30.5 170 2 0"),
        ("30\t170\t2\t0", "30\t170\t3\t0", "line 4: z must be 0, 1 or 2 and flip 0 or 1, not 3 and 0"),
        ("0\t4\n", "0\t5\n", "line 2: a scene of 5 objects, but 4 follow"),
        ("7\n0\t4\n", "7\n", "line 2: an object before the first scene"),
    ],
)
def test_a_wrong_line_of_the_scenes_is_refused_with_its_number(
    root, old: str, new: str, message: str
) -> None:
    path = root / abstract_files.SCENES
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(UserError, match=f"{path}, {message}"):
        ready(root)


def test_a_scenes_file_that_is_cut_short_is_refused(root) -> None:
    path = root / abstract_files.SCENES
    path.write_text("\n".join(scene_lines()[:-1]))
    with pytest.raises(UserError, match="a scene of 1 objects, but 0 follow; lines are missing"):
        ready(root)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("99\t0\tNobody.", "line 2: there is no scene 99 in Scenes_10020.txt"),
        ("0\tMike runs.", "line 2: a line is scene <tab> sentence <tab> text, this has 2 fields"),
        ("0\tone\tMike runs.", "line 2: these must be whole numbers: 0 one"),
    ],
)
def test_a_wrong_line_of_the_sentences_is_refused_with_its_number(root, line: str, message: str) -> None:
    path = root / abstract_files.SENTENCES[1]
    write(path, [sentence_lines(2)[0], line])
    with pytest.raises(UserError, match=f"{path}, {message}"):
        ready(root)


@pytest.mark.parametrize(
    "name", [abstract_files.SCENES, *abstract_files.SENTENCES, "splits/text2scene_val.txt"]
)
def test_a_missing_file_or_one_that_is_not_utf8_is_refused_by_name(root, name: str) -> None:
    path = root / name
    path.write_bytes(b"\n\xff\n")
    with pytest.raises(UserError, match=f"{path}, line 2, byte 1: not UTF-8"):
        ready(root)
    path.unlink()
    with pytest.raises(UserError, match=f"{path} does not exist: fetch it with `python src/prepare.py"):
        ready(root, fetch="python src/prepare.py data=abstract_scenes")


def test_scenes_that_are_in_training_too_are_counted_and_told(root, caplog) -> None:
    caplog.set_level(logging.INFO)
    ready(root)
    assert "test: 1 of 2 scenes are in the training set too" in caplog.messages  # number 3
    assert not [said for said in caplog.messages if said.startswith("val:")]


def test_a_scene_is_listed_once_in_a_split(root) -> None:
    write(root / "splits/text2scene_test.txt", ["12", "", "3", "12"])
    with pytest.raises(UserError, match=r"text2scene_test.txt, line 4: scene 12 stands in line 1 already"):
        ready(root)


def test_a_vocabulary_without_a_word_is_refused(root) -> None:
    with pytest.raises(UserError, match=r"data.min_count=99: no word is left in the vocabulary"):
        ready(root, min_count=99)


@pytest.mark.parametrize("name", ["hb1_17s", "background"])
def test_a_missing_or_damaged_picture_is_refused_before_training(root, name: str) -> None:
    path = root / f"Pngs/{name}.png"
    path.unlink()
    with pytest.raises(UserError, match=f"{path}: this picture is missing"):
        ready(root)
    if name != "background":
        path.write_bytes(b"no picture")
        with pytest.raises(UserError, match=f"{path} is not a readable image"):
            ready(root)


def test_a_split_of_unknown_or_no_scenes_is_refused(root) -> None:
    path = root / "splits/text2scene_test.txt"
    write(path, ["12", "77"])
    with pytest.raises(UserError, match=f"{path}, line 2: there is no scene 77"):
        ready(root)
    write(path, ["2"])
    with pytest.raises(UserError, match=r"no scene of its test set has objects and sentences; say which"):
        ready(root)


# The real ones


@pytest.fixture(scope="module")
def real(shared_data, tmp_path_factory) -> AbstractScenes:
    """As the paper reads them."""
    return ready(
        shared_data / "AbstractScenes_v1.1",
        cache=str(tmp_path_factory.mktemp("cache")),
        stop_words="remove",
        max_words=5,
        vocabulary_from="all",
        batch_size=32,
    )


def test_the_published_scenes_are_counted_as_by_the_authors(real) -> None:
    assert {name: len(split.numbers) for name, split in real.splits.items()} == {
        "train": 8500,
        "val": 493,
        "test": 1000,
    }
    objects = [split.objects for split in real.splits.values()]
    sizes = torch.cat([o.attributes["size"][o.present] for o in objects])
    flips = torch.cat([o.attributes["flip"][o.present] for o in objects])
    assert sizes.bincount().tolist() == [44406, 12665, 9591]
    assert flips.bincount().tolist() == [34673, 31989]
    counts = torch.cat([o.present.sum(1) for o in objects])
    assert (counts == 6).sum() == 5928 and (counts > 9).sum() == 257 and counts.max() == 17
    assert all((o.classes[~o.present] == PAD).all() for o in objects)


def test_the_published_folder_holds_the_published_numbers(real) -> None:
    assert verify_counts(real, scenes=10020, usable=9993, sentences=60105).startswith("10,020 scenes, 9,993")


def test_the_published_sentences_are_read_as_by_the_authors(real) -> None:
    assert (
        len(real.reader.language.vocabulary) == 2535 + 4
    )  # theirs has three special symbols, each counted once
    tokenizer = real.reader.language.tokenizer
    told = [s for name in real.files for text in real.texts(name) for s in text]
    counts = Counter(word for sentence in told for word in tokenizer.split(sentence))
    theirs = {"ball": 4528, "dog": 3905, "behind": 911, "away": 680, "ca": 54, "four": 137, "dosnt": 2}
    assert {word: counts[word] for word in theirs} == theirs
    lengths = torch.tensor([len(tokenizer.split(sentence)) for sentence in told])
    assert lengths.sum() == 206_546 - 3 and lengths.min() == 1 and lengths.max() == 13
    assert sum(map(real.reader.is_cut, told)) / len(told) == pytest.approx(0.022, abs=5e-4)
    tokenizer = type(tokenizer)()
    assert sum(len(tokenizer.split(sentence)) for sentence in told[::20]) / len(told[::20]) == pytest.approx(
        6.27, abs=0.05
    )


def test_two_published_scenes_are_read_object_by_object(real) -> None:
    test = real.splits["test"]
    assert test.numbers == list(range(8000, 9000))
    first = [("s_2", 201, 68, 1, 0, 0), ("t_13", 341, 126, 2, 0, 0), ("hb1", 69, 231, 1, 0, 17)]
    first += [("hb0", 366, 235, 0, 1, 20), ("t_1", 294, 294, 0, 0, 0), ("t_11", 443, 289, 0, 0, 0)]
    assert as_lists(real, test.objects, 0) == first
    second = [("s_3", 471, 46, 0, 1, 0), ("s_2", 376, 41, 0, 0, 0), ("p_0", 248, 227, 0, 0, 0)]
    second += [("hb0", 116, 328, 0, 0, 33), ("hb1", 284, 311, 0, 1, 26), ("t_13", 400, 208, 0, 0, 0)]
    assert as_lists(real, test.objects, 1) == [*second, ("t_11", 178, 293, 0, 0, 0)]


def test_published_pictures_have_the_published_sizes(real) -> None:
    published = {"s_2": (167, 98), "s_3": (147, 146), "t_13": (307, 260), "t_1": (42, 69), "t_11": (30, 57)}
    published |= {"p_0": (94, 105), "hb0_20": (156, 148), "hb0_33": (119, 200), "hb1_17": (116, 191)}
    published |= {"hb1_26": (168, 146)}
    for name, size in published.items():
        kind, _, variant = name.rpartition("_") if name.startswith("hb") else (name, "", "0")
        pose, expression = divmod(int(variant), 5)
        assert tuple(real.schema.sizes[real.schema.names.index(kind), pose, expression].tolist()) == size


def test_without_split_files_the_official_rule_gives_the_same_splits(real) -> None:
    usable = sorted(chain.from_iterable(split.numbers for split in real.splits.values()))
    assert abstract_files.official_split(usable) == {n: s.numbers for n, s in real.splits.items()}


def test_published_batches_are_small_rectangles(real) -> None:
    loader = real.train_dataloader()
    batches = list(loader)
    assert sum(map(len, batches)) == 8500 and len(batches) == len(loader)
    assert max(batch.texts.ids.shape[1] for batch in batches) == 6
    real_steps = sum(int((batch.target.classes != PAD).sum()) for batch in batches)
    assert real_steps / sum(batch.target.classes.numel() for batch in batches) > 0.9


def test_the_park_s_scenes_are_written_on_first_use_and_read(tmp_path) -> None:
    data = ParkScenes(root=str(tmp_path / "park"), park={"seed": 7, "train": 5, "val": 2, "test": 1})
    data.prepare_data()
    data.setup()
    assert data.scene_ids("val") == [5, 5, 6, 6] and data.scene_ids("test") == [7, 7]


def test_a_training_batch_has_the_statements_of_the_sentences_drawn_for_it(tmp_path) -> None:
    """From either text of a scene, some left out but never all of a text's."""
    park = {"seed": 7, "train": 12, "val": 1, "test": 1}
    data = ParkScenes(
        root=str(tmp_path), park=park, mix_texts=True, drop_sentences=0.5, batch_size=5, cache=str(tmp_path)
    )
    data.prepare_data()
    data.setup()
    of_sentence = {}
    for text, facts in zip(data.texts("train"), data._facts_of_sentences("train"), strict=True):
        for ids, stated in zip(each_sentence(data.reader.batch([text])), facts, strict=True):
            of_sentence[ids] = statements(stated, data.schema).tolist()
    counts = set()
    for batch in data.train_dataloader():
        texts = each_sentence(batch.texts)
        for row in range(len(batch)):
            drawn = [text for text in texts[3 * row : 3 * row + 3] if text]
            own = [statement for text in drawn for statement in of_sentence[text]]
            assert batch.stated[batch.stated[:, 0] == row, 1:].tolist() == own
            counts.add(len(drawn))
    assert counts == {1, 2, 3}
    assert next(iter(data.val_dataloader())).stated is None
