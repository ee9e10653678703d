"""The files: deterministic, distinct, split by unseen combinations, written at once."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sacremoses import MosesTokenizer

from seq2scene.data.park.language.facts import SPATIAL
from seq2scene.data.park.language.grammar import text, words_of
from seq2scene.data.park.writing import (
    ensure_park,
    is_held_out,
    park_is_written,
    split_messages,
    write_park,
)
from seq2scene.errors import UserError

pytestmark = pytest.mark.slow

SMALL = {"seed": 5, "train": 60, "val": 10, "test": 10}
LANGUAGES = ("en", "de", "fr")


@pytest.fixture(scope="module")
def splits():
    return split_messages(0, 8000, 500, 500)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def sentences(splits, split: str, language: str) -> list[str]:
    return [text(message, language) for message in splits[split]]


def test_the_same_seed_writes_the_same_bytes_whatever_the_hash_seed(tmp_path):
    code = "import sys; from pathlib import Path; from seq2scene.data.park.writing import write_park\n"
    code += f"write_park(Path(sys.argv[1]), **{SMALL})"
    environment = {"PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).resolve().parents[3] / "src")}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "1")], check=True, env=environment)
    write_park(tmp_path / "2", **SMALL)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")
    write_park(tmp_path / "3", **{**SMALL, "seed": 6})
    assert contents(tmp_path / "1")["train.en"] != contents(tmp_path / "3")["train.en"]


def test_every_file_has_a_line_for_every_sentence(tmp_path):
    write_park(tmp_path / "park", **SMALL)
    for split in ("train", "val", "test"):
        files = [f"{split}.{ending}" for ending in (*LANGUAGES, "en-de.links", "en-fr.links", "de-fr.links")]
        lines = [(tmp_path / "park" / name).read_text("utf-8").splitlines() for name in files]
        assert {len(of_file) for of_file in lines} == {SMALL[split]}
    assert json.loads((tmp_path / "park" / "park.json").read_text())["seed"] == 5


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_is_written_twice(splits, language):
    everything = [line for split in splits for line in sentences(splits, split, language)]
    assert len(everything) == 9000 == len(set(everything))


def test_held_out_combinations_are_in_every_test_sentence_and_in_no_other(splits):
    assert all(any(map(is_held_out, message.combinations)) for message in splits["test"])
    known = splits["train"] + splits["val"]
    assert not any(is_held_out(combination) for message in known for combination in message.combinations)


def test_every_part_of_a_held_out_combination_is_in_train(splits):
    train = {combination for message in splits["train"] for combination in message.combinations}
    parts = [{combination.split("|")[i] for combination in train} for i in range(3)]
    held_out = {c for message in splits["test"] for c in message.combinations if is_held_out(c)}
    assert len(held_out) > 100
    for combination in held_out:
        assert all(part in known for part, known in zip(combination.split("|"), parts, strict=True))


@pytest.mark.parametrize("language", LANGUAGES)
def test_val_and_test_use_no_word_that_train_lacks(splits, language):
    words = {
        split: {word.text.lower() for message in messages for word in words_of(message, language)}
        for split, messages in splits.items()
    }
    assert words["val"] | words["test"] <= words["train"]
    assert 150 <= len(words["train"]) <= 350


def test_lengths_vary(splits):
    lengths = [len(words_of(message, "en")) for message in splits["train"]]
    assert min(lengths) <= 5 and max(lengths) >= 20 and 10 <= sum(lengths) / len(lengths) <= 14


@pytest.mark.parametrize("language", LANGUAGES)
def test_links_count_the_words_that_moses_tokenisation_gives(splits, language):
    moses = MosesTokenizer(language)
    for message in splits["test"]:
        tokens = moses.tokenize(text(message, language), escape=False)
        assert tokens == [word.text for word in words_of(message, language)]


@pytest.mark.parametrize(("pair", "share"), [("en-de", 0.4), ("en-fr", 0.3)])
def test_alignments_are_not_the_diagonal(tmp_path, pair, share):
    write_park(tmp_path / "park", 0, 300, 0, 0)
    crossed = total = 0
    for line in (tmp_path / "park" / f"train.{pair}.links").read_text().splitlines():
        links = [tuple(map(int, link.split("-"))) for link in line.split()]
        crossed += sum(any((i - k) * (j - m) < 0 for k, m in links) for i, j in links)
        total += len(links)
    assert crossed / total > share


def test_a_combination_is_held_out_by_its_name_alone():
    combinations = [f"hb{i}|{kind}|t_{j}" for i in (0, 1) for kind in ("hold", *SPATIAL) for j in range(15)]
    share = sum(map(is_held_out, combinations)) / len(combinations)
    assert 0.04 < share < 0.16


def test_a_park_is_written_once_and_recognised(tmp_path):
    folder = ensure_park(tmp_path, **SMALL)
    assert park_is_written(folder, **SMALL) and not park_is_written(folder, **{**SMALL, "train": 61})
    written = (folder / "train.en").stat().st_mtime_ns
    assert ensure_park(tmp_path, **SMALL) == folder
    assert (folder / "train.en").stat().st_mtime_ns == written


def test_processes_that_race_agree_and_leave_nothing_behind(tmp_path):
    with ThreadPoolExecutor(4) as pool:
        folders = set(pool.map(lambda _: ensure_park(tmp_path, **SMALL), range(4)))
    assert len(folders) == 1 and list(tmp_path.iterdir()) == list(folders)


def test_a_folder_with_something_else_in_it_is_refused_and_kept(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="cannot write the park"):
        write_park(tmp_path / "mine", **SMALL)
    assert [path.name for path in tmp_path.rglob("*")] == ["mine", "thesis.txt"]
