"""Alignments as evaluation reports them, on a cipher: the n-th word of a line stands for the n-th of its
translation. A window of one word that moves on by one a step is then a perfect aligner, untrained.
"""

import csv
import json
import random
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import sacrebleu
import torch
from PIL import Image

from entry_points import run as run_entry_point
from seq2scene.data.text.parallel_text import ParallelText
from seq2scene.errors import UserError
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.reports.report import Evaluation, Report, ScoredSet
from seq2scene.reports.text.alignment_recorder import AlignedLine, RecordAlignments, forced_alignment
from seq2scene.reports.text.alignments import Alignments
from seq2scene.reports.text.gold_error import GoldError, read_gold_pairs, score_gold, word_language
from seq2scene.reports.text.sentence_vectors import SentenceVectors
from seq2scene.reports.text.unknown_words import (
    UnknownWords,
    learn_dictionary,
    score_replaced,
    write_replaced,
)
from seq2scene.sequences.alignments import links, read_pharaoh
from seq2scene.sequences.batch import ParallelBatch
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import Character
from seq2scene.sequences.unknown_words import load_dictionary
from seq2scene.tasks.loading import task_of
from seq2scene.tasks.nmt import NMT

pytestmark = pytest.mark.slow

CIPHER = {letter: letter.upper() * 2 for letter in "abcdefghijkl"}


def translation(line: str) -> str:
    return " ".join(CIPHER[word] for word in line.split())


def run(script: str, name: str, *arguments: str, work: Path) -> tuple[str, Path]:
    """What a command prints, and the folder it leaves."""
    plain = ["trainer.accelerator=cpu", "trainer.enable_progress_bar=false"]
    said = run_entry_point(script, f"name={name}", *plain, *arguments, work=work)
    return said, max((work / "outputs" / name).iterdir())


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    """A corpus, with gold alignments of its test set."""
    folder, rng = tmp_path_factory.mktemp("cipher"), random.Random(0)
    for split, count in (("train", 60), ("val", 5), ("test", 12)):
        lines = [" ".join(rng.choices("abcdefghijkl", k=rng.randint(1, 6))) for _ in range(count)]
        (folder / f"{split}.x").write_text("".join(f"{line}\n" for line in lines))
        (folder / f"{split}.y").write_text("".join(f"{translation(line)}\n" for line in lines))
    (folder / "gold_text").write_text("".join(f"{line} ||| {translation(line)} \n" for line in lines))
    gold = (" ".join(f"{n}-{n}" for n in range(1, len(line.split()) + 1)) for line in lines)
    (folder / "gold").write_text("".join(f"{line}\n" for line in gold))
    return folder


@pytest.fixture(scope="module")
def trained(work: Path) -> Path:
    """The run of a model that knows three words of the cipher and writes <unk> for the others."""
    files = [f"data.{split}=[{work}/{split}.x,{work}/{split}.y]" for split in ("train", "val")]
    _, folder = run(
        "train.py",
        "base",
        *("data=text_files", *files, f"+data.tests.test=[{work}/test.x,{work}/test.y]"),
        *("data.source=en", "data.target=fr", "data.tokenizer=whitespace", "data.max_size=[null,7]"),
        *("task=nmt", "debug=tiny", "attention=local_m", "model.decoder.input_feeding=false"),
        *("search=greedy", "trainer.limit_train_batches=10", "data.batch_size=6", "optimizer.lr=0.03"),
        "test=false",
        work=work,
    )
    return folder


@pytest.fixture
def task(trained: Path) -> NMT:
    """The model, its window one word wide."""
    task = task_of(load_checkpoint(trained / "best.ckpt"))
    task.model.decoder.attention.half_width = 0
    return task


@pytest.fixture
def trainer() -> pl.Trainer:
    return pl.Trainer(
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        barebones=False,
    )


@pytest.fixture
def data(trained: Path, work: Path) -> ParallelText:
    parts = load_checkpoint(trained / "best.ckpt")["hyper_parameters"]
    settings = {key: value for key, value in parts["config"]["data"].items() if key != "_target_"}
    data = ParallelText(**settings)
    data.use(parts["description"])
    data.setup("test")
    return data


def read(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def test_the_alignments_of_a_batch_are_those_of_its_sentences_alone(task):
    lines = ["a b c d e", "a", "l k j", ""]

    def batch(chosen: list[str]) -> ParallelBatch:
        targets = [translation(line) for line in chosen]
        return ParallelBatch(
            task.source.batch(chosen), task.target.batch(targets, eos=True), torch.arange(len(chosen))
        )

    task.model.decoder.attention.half_width = 2
    together = forced_alignment(task, batch(lines), 0)
    for row, line in enumerate(lines):
        alone = forced_alignment(task, batch([line]), 0)[0].tolist()
        assert links(together[row].tolist()) == links(alone)
        assert len(links(alone)) == len(line.split())


def test_a_perfect_aligner_has_no_error_and_a_shift_spoils_all_but_last_words(task, work, tmp_path):
    pairs = read_gold_pairs(str(work / "gold"), str(work / "gold_text"))
    evaluation = Evaluation(task=task, data=None, device=task.device)
    scores = score_gold(evaluation, pairs, 0, tmp_path)
    assert (scores["aer"], scores["precision"], scores["recall"]) == (0, 1, 1)
    assert scores["unknown_source"] == 0 and 0.5 < scores["unknown_target"] < 1
    assert read_pharaoh(tmp_path / "gold.alignments.txt") == [set(one.sure) for one in pairs.gold]
    assert json.loads((tmp_path / "alignment_error.json").read_text()) == scores
    shifted = score_gold(evaluation, pairs, 1, tmp_path)
    words = sum(len(one.sure) for one in pairs.gold)
    assert shifted["precision"] == pytest.approx(len(pairs.gold) / words)  # the window stays on the last word
    with open(tmp_path / "alignment_error.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["line"]) for row in rows] == list(range(1, 13))
    assert sum(int(row["links_sure"]) for row in rows) == len(pairs.gold)


def test_a_perfect_aligner_learns_the_cipher_unknown_words_included(task, trainer, data):
    data.trainer = trainer
    entries = learn_dictionary(Evaluation(task=task, data=data, device=task.device), 0)
    assert {entry.source: entry.target for entry in entries} == CIPHER
    assert {entry.probability for entry in entries} == {1.0}
    counted = " ".join(data.sources("train")).split().count("a")
    assert entries[0].links == counted


def test_with_the_cipher_every_unknown_word_is_put_right(task, data, tmp_path):
    lines = []
    for line, text in enumerate(data.references("test")):
        unknown = [word not in task.target.vocabulary for word in text.split()]
        words = ["<unk>" if gap else word for word, gap in zip(text.split(), unknown, strict=True)]
        lines.append(AlignedLine(line, words, unknown, list(range(len(words)))))
    test = ScoredSet(task=task, data=data, device=task.device, name="test")
    scores, rows = score_replaced(test, lines, CIPHER)
    write_replaced("test", rows, tmp_path)
    assert scores["bleu_replaced"] == scores["bleu_tok_replaced"] == pytest.approx(100)
    assert scores["unknown"] == scores["replaced"] == sum(sum(one.unknown) for one in lines) > 0
    assert read(tmp_path / "test.replaced.txt") == data.references("test")
    with open(tmp_path / "test.replaced.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(int(row["sentences"]) for row in rows) == len(lines)
    gains = [float(row["bleu_replaced"]) - float(row["bleu"]) for row in rows]
    assert all(gain >= 0 for gain in gains) and max(gains) > 0
    assert all(gain == 0 for row, gain in zip(rows, gains, strict=True) if row["unknown"] == "0")


@pytest.fixture(scope="module")
def everything(trained, work) -> tuple[str, Path]:
    """What an evaluation with all reports prints, and its folder."""
    asked = ["alignments=search", "pictures=2", f"gold={work}/gold", f"gold_text={work}/gold_text"]
    asked += [f"learn_dictionary={work}/learnt.tsv", f"replace_unk={work}/learnt.tsv"]
    return run("evaluate.py", "all", f"ckpt={trained}", *asked, work=work)


def test_the_command_writes_what_it_is_asked_for(everything, work):
    said, folder = everything
    assert "alignment error rate" in said and "unknown words replaced: bleu_tok" in said

    written, replaced = read(folder / "test.hypotheses.txt"), read(folder / "test.replaced.txt")
    aligned, sources = read_pharaoh(folder / "test.alignments.txt"), read(work / "test.x")
    for line, source, hypothesis in zip(aligned, sources, written, strict=True):
        assert sorted(target for _, target in line) == list(range(len(hypothesis.split())))
        assert all(0 <= place < len(source.split()) for place, _ in line)
    scores = json.loads((folder / "metrics.json").read_text())["test"]
    assert scores["unknown"] == scores["replaced"] == sum(line.split().count("<unk>") for line in written) > 0
    dictionary = load_dictionary(work / "learnt.tsv")
    for line, source, hypothesis, result in zip(aligned, sources, written, replaced, strict=True):
        origin = {target: source.split()[place] for place, target in line}
        expected = [
            dictionary[origin[place]] if word == "<unk>" else word
            for place, word in enumerate(hypothesis.split())
        ]
        assert result.split() == expected
    theirs = sacrebleu.corpus_bleu(replaced, [read(work / "test.y")], tokenize="none").score
    assert scores["bleu_tok_replaced"] == pytest.approx(theirs)

    pictures = sorted(path.name for path in (folder / "test.alignments").iterdir())
    assert pictures == ["line_1.png", "line_2.png"]
    picture = np.asarray(Image.open(folder / "test.alignments" / "line_1.png"))
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 50
    assert (folder / "gold.alignments.txt").is_file() and (folder / "alignment_error.csv").is_file()


def test_two_processes_report_what_one_does(trained, work):
    asked = [f"ckpt={trained}", "alignments=forced", "replace_unk=copy"]
    asked += [f"gold={work}/gold", f"gold_text={work}/gold_text", f"learn_dictionary={work}/again.tsv"]
    folders = [
        run(
            "evaluate.py", f"on_{devices}", f"ckpt={trained}", *asked, f"trainer.devices={devices}", work=work
        )[1]
        for devices in (1, 2)
    ]
    for name in (
        *("test.alignments.txt", "test.replaced.txt", "test.replaced.csv", "gold.alignments.txt"),
        *("alignment_error.json", "alignment_error.csv", "metrics.json"),
    ):
        one, two = ((folder / name).read_text() for folder in folders)
        if name == "metrics.json":
            one, two = (json.loads(text)["test"] for text in (one, two))
            signature = one.pop("signature")
            assert two.pop("signature") == signature
            assert two == pytest.approx(one, rel=1e-5)
        else:
            assert two == one, name
    assert len(read(folders[1] / "test.alignments.txt")) == 12
    assert load_dictionary(work / "again.tsv").keys() <= CIPHER.keys()


def test_an_ensemble_of_a_model_with_itself_looks_where_the_model_does(everything, trained, work):
    asked = ["alignments=search", f"replace_unk={work}/learnt.tsv"]
    _, one = everything
    _, two = run("evaluate.py", "ensemble", f"ckpt=[{trained},{trained}]", *asked, work=work)
    for name in ("test.alignments.txt", "test.replaced.txt"):
        assert (one / name).read_text() == (two / name).read_text(), name


@pytest.mark.parametrize("report", [Alignments(), UnknownWords("copy"), GoldError("gold", "text")])
def test_a_model_without_attention_is_told_that_it_has_no_alignments(task, report: Report):
    task.model.decoder.attention = None
    with pytest.raises(UserError, match=f"{report.name}: this model has no attention"):
        report.check(task)


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (UnknownWords("/nowhere.tsv"), "/nowhere.tsv does not exist"),
        (UnknownWords(learn="/"), "learn_dictionary=/ is a folder"),
        (UnknownWords(), "replace=copy or FILE.tsv, or learn=FILE.tsv"),
        (GoldError("/nowhere"), "gold_text=FILE"),
        (GoldError("/nowhere", "/nowhere"), "/nowhere does not exist"),
        (SentenceVectors("/nowhere"), "/nowhere does not exist"),
    ],
)
def test_a_bad_choice_is_refused_before_any_work(task, report: Report, said: str):
    with pytest.raises(UserError, match=said):
        report.check(task)


@pytest.mark.parametrize("kind", [Alignments, UnknownWords])
def test_a_shift_is_0_or_1(kind: type[Report]):
    with pytest.raises(UserError, match="align_shift=2 is not a choice; choose one of 0, 1"):
        kind(shift=2)


@pytest.mark.parametrize(
    ("gold", "text", "said"),
    [
        ("1-1\n", "a ||| b\nc ||| d\n", "1 lines but"),
        ("1-1\n1-1\n", "a ||| b\nc d\n", "line 2: a line is"),
        ("1-1\n1-1 1p2\n", "a ||| b\nc ||| d\n", "line 2: a link joins words 1 and 2"),
    ],
)
def test_gold_that_does_not_fit_its_text_is_refused_with_file_and_line(tmp_path, gold, text, said):
    (tmp_path / "gold").write_text(gold)
    (tmp_path / "text").write_text(text)
    with pytest.raises(UserError, match=said):
        read_gold_pairs(str(tmp_path / "gold"), str(tmp_path / "text"))


def test_a_model_that_does_not_write_words_cannot_be_held_to_gold(task):
    with pytest.raises(UserError, match="tokenizer character"):
        word_language(Language(Character(), task.target.vocabulary), "target")


def test_a_batch_of_empty_lines_is_aligned_with_nothing(trained: Path) -> None:
    task = task_of(load_checkpoint(trained / "best.ckpt"))
    recorder = RecordAlignments("search")
    recorder.on_test_start(None, task)
    empty = ParallelBatch(task.source.batch(["", ""]), task.target.batch(["AA", ""], True), torch.arange(2))
    found = task.translate(empty.source, keep_weights=True)
    recorder.on_test_batch_end(None, task, found, empty)
    assert [line.words for line in recorder.lines[task.test_name]] == [[], []]
