import gzip
import logging
from functools import partial
from itertools import chain
from pathlib import Path

import pytest
import torch

from seq2scene.data.text.plain_text import ParkPlainText, PlainText
from seq2scene.errors import UserError

LINES = ["a dog runs", "the dog sleeps", "a girl holds a red ball", "the ball is red"] * 5


def write(folder: Path, name: str, lines: list[str]) -> None:
    (folder / name).write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture
def root(tmp_path) -> Path:
    write(tmp_path, "train", LINES)
    write(tmp_path, "val", [*LINES[:3], "", "a zebra"])
    write(tmp_path, "test", LINES[2:5])
    return tmp_path


def plain(root: Path, **settings) -> PlainText:
    settings = {"batch_size": 2, "cache": str(root / "cache"), "tests": {"test": "test"}, **settings}
    return PlainText(train="train", val="val", language="en", root=str(root), **settings)


def ready(root: Path, **settings) -> PlainText:
    data = plain(root, **settings)
    data.prepare_data()
    data.setup()
    return data


def lines(data: PlainText, batches) -> list[str]:
    return [data.learnt_language.decode(row) for batch in batches for row in batch.target.ids]


def tokens(batches) -> int:
    return sum(int(batch.target.mask.sum()) for batch in batches)


@pytest.mark.parametrize(("by", "size"), [("sentences", 3), ("tokens", 20)])
def test_an_epoch_is_every_training_line_on_its_own(root, by: str, size: int) -> None:
    data = ready(root, batch_by=by, batch_size=size)
    assert sorted(lines(data, data.train_dataloader())) == sorted(LINES)
    assert 0.5 < data.padding_efficiency["text"] <= 1


def test_evaluation_keeps_every_line_but_empty_ones_and_says_so(root, caplog) -> None:
    """As training: a model that has seen no empty line gives it hardly any probability."""
    write(root, "val", ["", *LINES[:3], " ", "", "a zebra"])
    data = ready(root, eval_batch_size=2)
    with caplog.at_level(logging.INFO):
        (test,) = data.test_dataloader()
        val = list(data.val_dataloader())
    assert sorted(lines(data, test)) == sorted(LINES[2:5])
    assert sorted(lines(data, val)) == sorted([*LINES[:3], "a <unk>"])
    assert data.references("val")[6] == "a zebra"
    assert tokens(val) == sum(len(line.split()) + 1 for line in [*LINES[:3], "a zebra"])
    told = [message for message in caplog.messages if "empty" in message]
    assert told == ["val: 3 of 7 lines are left out as empty"]
    write(root, "train", ["", "", "the dog"])
    options = {"language": "en", "root": str(root), "cache": str(root / "cache"), "document": "line"}
    data = PlainText(train="train", val=1, tests={}, **options)
    data.setup("fit")
    with pytest.raises(UserError, match="train: all 2 lines of val are empty: nothing to score"):
        data.val_dataloader()


@pytest.mark.parametrize("streams", [1, 3])
def test_streams_hold_every_token_of_train_val_and_test(root, streams: int) -> None:
    data = ready(root, batch_by="stream", window=4, batch_size=3, eval_streams=streams)
    loaders = {"train": data.train_dataloader(), "val": data.val_dataloader()}
    loaders["test"] = data.test_dataloader()[0]
    for split, loader in loaders.items():
        assert tokens(loader) == len(data.corpora[split].ids)
        assert len(next(iter(loader))) == (3 if split == "train" else streams)


@pytest.mark.parametrize("by", ["sentences", "stream"])
def test_two_ranks_share_every_token(root, monkeypatch, by: str) -> None:
    shares = {"train": 0, "val": 0}
    for rank in range(2):
        data = ready(root, batch_by=by)
        monkeypatch.setattr(data, "_ranks", partial(dict, rank=rank, world=2))
        shares["train"] += tokens(data.train_dataloader())
        shares["val"] += tokens(data.val_dataloader())
    left_out = {"train": 0, "val": 1 if by == "sentences" else 0}  # the EOS of an empty line
    assert shares == {split: len(data.corpora[split].ids) - left_out[split] for split in shares}


def test_training_leaves_out_empty_and_long_lines_and_says_so(root, caplog) -> None:
    write(root, "train", [*LINES, "", "long " * 9])
    with caplog.at_level(logging.INFO):
        kept = lines(data := ready(root, max_length=4), data.train_dataloader())
    assert sorted(kept) == sorted(line for line in LINES if "girl" not in line)
    assert "training on 15 of 22 lines: 1 are empty, 6 are longer than max_length=4" in caplog.text
    with pytest.raises(UserError, match="no line is left to train on: of 22, 1 are empty, 21 are longer"):
        ready(root, max_length=1).train_dataloader()


@pytest.mark.parametrize("by", ["sentences", "stream"])
def test_a_place_in_the_epoch_is_kept(root, by: str) -> None:
    data = ready(root, batch_by=by, window=4)
    loader = data.train_dataloader()
    whole = list(loader)
    list(zip(range(2), loader, strict=False))
    again = ready(root, batch_by=by, window=4)
    again.load_state_dict(data.state_dict())
    rest = list(again.train_dataloader())
    assert len(rest) == len(whole) - 2
    for ours, theirs in zip(whole[2:], rest, strict=True):
        assert torch.equal(ours.target.ids, theirs.target.ids) and ours.continues == theirs.continues


def test_the_language_of_a_checkpoint_needs_no_training_file(root) -> None:
    description = ready(root).description()
    (root / "train").unlink()
    data = plain(root)
    data.use(description)
    data.prepare_data()
    data.setup("test")
    assert sorted(lines(data, chain.from_iterable(data.test_dataloader()))) == sorted(LINES[2:5])


def test_faults_are_refused_by_name(root) -> None:
    with pytest.raises(UserError, match=r"data\.eval_streams must be at least 1, not 0"):
        plain(root, eval_streams=0)
    with pytest.raises(UserError, match="a test set cannot be called train or val"):
        plain(root, tests={"val": "test"})
    with pytest.raises(UserError, match=r"does not exist: fetch it with `python src/prepare\.py data=x`"):
        ready(root, tests={"none": "none"}, fetch="python src/prepare.py data=x")
    (root / "test").write_bytes(b"one\n\xff\n")
    with pytest.raises(UserError, match="test, line 2, byte 1: not UTF-8"):
        ready(root)


@pytest.mark.slow
def test_the_park_is_written_on_first_use(tmp_path) -> None:
    data = ParkPlainText(
        train="train.fr",
        val="val.fr",
        tests={},
        language="fr",
        park={"train": 60, "val": 9, "test": 9},
        root=str(tmp_path),
        cache=str(tmp_path / "cache"),
    )
    data.prepare_data()
    data.setup()
    assert len(data.references("train")) == 60


def test_multi30k_is_read_as_published(shared_data, tmp_path) -> None:
    name = "multi30k/tok/val.lc.norm.tok.en.gz"
    data = PlainText(
        train=name, val=name, tests={}, language="en", root=str(shared_data), cache=str(tmp_path)
    )
    data.setup()
    text = gzip.decompress((shared_data / name).read_bytes()).decode()
    assert tokens(data.val_dataloader()) == len(text.split()) + text.count("\n")


def test_lines_that_are_in_training_too_are_counted_and_told(root, caplog) -> None:
    caplog.set_level(logging.INFO)
    ready(root)
    assert "val: 3 of 5 lines are in the training set too" in caplog.messages  # an empty one does not count


def test_a_vocabulary_without_a_word_is_refused(root) -> None:
    with pytest.raises(UserError, match=r"data.max_size=4: no word is left in the vocabulary"):
        ready(root, max_size=4)


# Several files, and documents that are held out


def test_a_pattern_names_files_in_order_and_a_file_is_in_one_set_alone(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.txt").write_text(f"of {name}")
    options = {"root": str(tmp_path), "cache": str(tmp_path / "cache"), "language": "en", "val": ["c.txt"]}
    data = PlainText(train="[ab].txt", tests={}, **options)
    data.setup("fit")
    assert data.references("train") == ["of a", "of b"] and data.references("val") == ["of c"]
    for train, said in (
        ("*.txt", r"c\.txt: it is of both data\.train and data\.val"),
        ("*.md", "no file matches"),
    ):
        with pytest.raises(UserError, match=said):
            PlainText(train=train, tests={}, **options).prepare_data()


def test_several_test_files_are_read_without_training_files(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / f"{name}.txt").write_text(f"of {name}\n")
    files = ["a.txt", "b.txt"]
    options = {"root": str(tmp_path), "cache": str(tmp_path / "cache"), "language": "en"}
    data = PlainText(train=files, val=files, tests={"mine": files}, **options)
    with pytest.raises(UserError, match=r"it is of both data\.train and data\.tests\.mine"):
        data.references("mine")
    data.test_alone(["train", "val"])
    assert data.references("mine") == ["of a", "of b"]


def test_a_pattern_is_of_the_files_and_never_of_their_folder(tmp_path: Path) -> None:
    root = tmp_path / "my[1]*"
    (root / "more").mkdir(parents=True)
    for name in ("b.txt", "a.txt", "more/c.txt", "v"):
        (root / name).write_text(f"of {name}")
    options = {"root": str(root), "cache": str(tmp_path / "cache"), "language": "en", "val": "v", "tests": {}}
    for train, files in (("*.txt", "ab"), ("**/*.txt", ["a.txt", "b.txt", "more/c.txt"])):
        expected = [f"of {name if '.' in name else name + '.txt'}" for name in files]
        assert PlainText(train=train, **options).references("train") == expected
    assert PlainText(train=f"{tmp_path}/my?1]*/*.txt", **options).references("train") == [
        "of a.txt",
        "of b.txt",
    ]


@pytest.mark.parametrize(
    ("lines", "documents"),
    [
        (["a\nb\n\nc\nd\n", "e\n\n\nf\n"], "4 blocks"),
        (["a\nb\nc\nd\n", "e\nf"], "6 lines"),
        ([f"{n}\n\nand {n}" for n in range(10)], "10 files"),
    ],
    ids=["blocks", "lines", "files"],
)
def test_whole_documents_are_held_out(tmp_path: Path, lines: list[str], documents: str, caplog) -> None:
    for number, text in enumerate(lines):
        (tmp_path / f"{number}.txt").write_text(text)
    options = {"root": str(tmp_path), "cache": str(tmp_path / "cache"), "language": "en", "train": "*.txt"}
    with caplog.at_level("INFO"):
        data = PlainText(val=1, tests={"t": 0.2}, **options)
        data.setup()
    assert f"of its {documents}" in caplog.text
    sets = {split: [line for line in data.references(split) if line] for split in ("train", "val", "t")}
    whole = [line for text in lines for line in text.split("\n") if line]
    assert sorted(line for lines in sets.values() for line in lines) == sorted(whole)
    if documents == "10 files":
        assert len(sets["val"]) == 2 and sets["val"][1] == f"and {sets['val'][0]}"
