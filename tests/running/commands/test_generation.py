"""Unknown words, replaced while a model writes. A model that prefers <unk> to all else writes one after
another; a window of three words that moves on by one a step, all looked at alike, counts as its first, the
word before.
"""

import io
import shutil
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from seq2scene.errors import UserError
from seq2scene.models.checkpoints import load_checkpoint
from seq2scene.models.translator import Translator
from seq2scene.running.commands.averaging import average_checkpoints
from seq2scene.running.commands.generation import generate
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import Whitespace
from seq2scene.sequences.vocabulary import Vocabulary
from seq2scene.tasks.loading import build_task, load_task

pytestmark = pytest.mark.slow

LINES = ["a b c d e f", "c", "f e", "", "zebra d a"]
PARTS = ("task", "model", "attention", "loss", "val_search", "search")
WINDOW = ("attention=local_m", "attention.half_width=1")
AS_LONG = ("search.max_ratio=1", "search.max_extra=0")  # as the source; nothing ends sooner

Save = Callable[..., Path]
Write = Callable[..., list[str]]


@pytest.fixture(scope="module")
def untrained(composed, tmp_path_factory) -> Save:
    """Saves a model that reads a to f, writes A, B and <unk>, and prefers <unk> to all else, once for each
    choice of options.
    """

    @cache
    def save(*options: str) -> Path:
        config = composed("train", *([] if "task=lm" in options else ["task=nmt"]), "debug=tiny", *options)
        config = {key: OmegaConf.to_container(config[key], resolve=True) for key in PARTS}
        source, target = (
            Language(Whitespace(), Vocabulary.count([words])).state()
            for words in (list("abcdef"), ["A", "B"])
        )
        languages = {"source": source, "target": target, "language": target}
        torch.manual_seed(0)
        task = build_task(config, {**languages, "source_eos": False})
        output = task.model.decoder.output
        with torch.no_grad():
            output.bias[:4] = torch.tensor([0.0, 5.0, 0.0, -20.0])  # pad, unk, bos, eos
            if WINDOW[0] in options:
                for parameter in task.model.decoder.attention.parameters():
                    parameter.zero_()  # every word is as good as another
        parts = {"state_dict": task.state_dict(), "hyper_parameters": dict(task.hparams)}
        path = tmp_path_factory.mktemp("untrained") / "model.ckpt"
        torch.save(parts, path)
        return path

    return save


@pytest.fixture
def saved(untrained: Save, tmp_path: Path) -> Save:
    """Copies an untrained model, for the test to change."""
    return lambda *options: Path(shutil.copy(untrained(*options), tmp_path / "model.ckpt"))


@pytest.fixture
def written(composed, tmp_path: Path) -> Write:
    """The lines that generation writes for ``LINES``."""

    def write(ckpt: Path | str, *options: str) -> list[str]:
        source, out = tmp_path / "in", tmp_path / "out"
        source.write_text("".join(f"{line}\n" for line in LINES))
        generate(composed("generate", f"ckpt={ckpt}", f"file={source}", f"out={out}", "device=cpu", *options))
        return out.read_text(encoding="utf-8").splitlines()

    return write


def test_an_unknown_word_is_a_copy_of_the_one_looked_at_whatever_the_batch(
    saved: Save, written: Write
) -> None:
    ckpt = saved(*WINDOW)
    plain = written(ckpt, "search=greedy", *AS_LONG)
    assert plain == [" ".join("<unk>" for _ in line.split()) for line in LINES]
    for batch in (1, 2, 128):
        said = written(ckpt, "search=greedy", *AS_LONG, "replace_unk=copy", f"batch_size={batch}")
        assert said == ["a a b c d e", "c", "f f", "", "zebra zebra d"]


def test_a_shift_reads_the_alignment_of_a_word_from_the_step_after_it(saved: Save, written: Write) -> None:
    said = written(saved(*WINDOW), "search=greedy", *AS_LONG, "replace_unk=copy", "align_shift=1")
    assert said == ["a b c d e e", "c", "f f", "", "zebra d d"]  # the window stays on the last two words


def test_a_dictionary_translates_what_it_has_and_the_rest_is_copied(
    saved: Save, written: Write, tmp_path: Path
) -> None:
    (tmp_path / "words.tsv").write_text("a\tÄ\nzebra\tZèbre\n", encoding="utf-8")
    said = written(saved(*WINDOW), "search=greedy", *AS_LONG, f"replace_unk={tmp_path}/words.tsv")
    assert said == ["Ä Ä b c d e", "c", "f f", "", "Zèbre Zèbre d"]


@pytest.mark.parametrize("ensemble", [False, True])
def test_every_hypothesis_of_a_beam_is_replaced_in_its_own_places(
    saved: Save, written: Write, tmp_path: Path, ensemble: bool
) -> None:
    ckpt = saved(*WINDOW)
    options = [f"[{ckpt},{ckpt}]" if ensemble else ckpt, "search=beam", "search.size=4", "n_best=3", *AS_LONG]
    before = [line.split("\t") for line in written(*options)]
    after = [line.split("\t") for line in written(*options, "replace_unk=copy", f"pictures={tmp_path}/maps")]
    assert any(set(row[2].split()) > {"<unk>"} for row in before)  # some hypotheses know a word
    for (number, log_prob, text), row in zip(before, after, strict=True):
        source = LINES[int(number) - 1].split()
        expected = [
            source[max(place - 1, 0)] if word == "<unk>" else word for place, word in enumerate(text.split())
        ]
        assert row == [number, log_prob, " ".join(expected)]
    assert len(list((tmp_path / "maps").glob("line_*.png"))) == 4  # of the empty line there is none


def test_without_attention_nobody_knows_where_a_model_looked(saved: Save, written: Write) -> None:
    ckpt = saved("attention=none")
    for key in ("replace_unk=copy", "pictures=maps"):
        with pytest.raises(UserError, match=rf"{key.split('=')[0]}: this model has no attention"):
            written(ckpt, key)


def test_a_language_model_has_no_source_to_copy_from(saved: Save, written: Write) -> None:
    with pytest.raises(UserError, match="replace_unk: a language model has no source; leave it out"):
        written(saved("task=lm"), "replace_unk=copy")


def test_a_bad_choice_is_refused_before_the_checkpoint_is_looked_for(written: Write) -> None:
    with pytest.raises(UserError, match=r"/nowhere\.tsv does not exist"):
        written("/nowhere.ckpt", "replace_unk=/nowhere.tsv")
    with pytest.raises(UserError, match="align_shift=2 is not a choice; choose one of 0, 1"):
        written("/nowhere.ckpt", "align_shift=2")


CONTRADICTIONS = ("search.no_repeat_ngram=1", "search.min_length=8", "search.ban_unk=true")


@pytest.mark.parametrize("search", ["search=greedy", "search=beam", "search=sample"])
@pytest.mark.parametrize("n_best", [1, 3])
def test_as_many_lines_come_out_as_go_in_whatever_is_asked_for(
    saved: Save, written: Write, search: str, n_best: int
) -> None:
    if search == "search=greedy" and n_best > 1:
        pytest.skip("greedy search finds one")
    said = written(saved(), search, *CONTRADICTIONS, f"n_best={n_best}", "scores=true", "batch_size=2")
    rows = [line.split("\t") for line in said]
    assert [int(number) for number, *_ in rows if number] == sorted(int(number) for number, *_ in rows)
    assert {int(number) for number, *_ in rows} == {1, 2, 3, 4, 5}
    for _, log_prob, text in rows:
        words = text.split()
        assert float(log_prob) <= 0 and len(set(words)) == len(words) and set(words) <= {"A", "B"}
    if n_best == 1:
        assert [len(text.split()) for _, _, text in rows] == [2, 2, 2, 0, 2]  # both words, then the end


def test_a_language_model_ends_too_where_nothing_may_follow(saved: Save, written: Write) -> None:
    said = written(saved("task=lm", "search=beam"), *CONTRADICTIONS)
    assert len(said) == 5 and all({"A", "B"} <= set(line.split()) for line in said)


def test_a_file_can_be_translated_into_itself(saved: Save, composed, tmp_path: Path) -> None:
    file = tmp_path / "lines"
    file.write_text("a b\nc\n")
    ckpt = saved(*WINDOW)
    options = ["device=cpu", "search=greedy", "replace_unk=copy", *AS_LONG]
    generate(composed("generate", f"ckpt={ckpt}", f"file={file}", f"out={file}", *options))
    assert file.read_text() == "a a\nc\n"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["file=IN/gone.txt"], r"gone\.txt does not exist: check file="),
        (["file=IN/broken.txt"], r"broken\.txt, line 3, byte 1: not UTF-8"),
        (["out=IN"], "out=.* is a folder: name a file in it"),
        (["out=/proc/out.txt"], "out: nothing can be written in /proc"),
        (["pictures=IN/good.txt"], "pictures: .*good.txt is a file, not a folder"),
        (["text=hello"], "text and file: give one of them"),
        (["batch_size=0"], "batch_size=0: it must be a whole number of at least 1"),
        (["n_best=0"], "n_best=0: it must be a whole number of at least 1"),
        (["n_best=1.5"], r"n_best=1\.5: it must be a whole number"),
    ],
)
def test_what_cannot_be_read_or_written_is_refused_before_the_model_is_loaded(
    composed, tmp_path: Path, options: list[str], told: str
) -> None:
    (tmp_path / "good.txt").write_text("a\n")
    (tmp_path / "broken.txt").write_bytes(b"a\nb\n\xff\nc\n")
    out = tmp_path / "out.txt"
    out.write_text("good\n")
    options = [option.replace("IN", str(tmp_path)) for option in options]
    given = {"file": f"{tmp_path}/good.txt", "out": out} | dict(o.split("=", 1) for o in options)
    with pytest.raises(UserError, match=told):
        generate(composed("generate", "ckpt=/nowhere", *(f"{key}={value}" for key, value in given.items())))
    assert out.read_text() == "good\n"


def test_an_interruption_leaves_what_was_there(saved: Save, composed, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "in").write_text("a\nb\nc\n")
    (tmp_path / "out").write_text("good\n")
    ckpt, translate, calls = saved(), Translator.decode, []

    def interrupted(model: Translator, *arguments, **options):
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return translate(model, *arguments, **options)

    monkeypatch.setattr(Translator, "decode", interrupted)
    with pytest.raises(KeyboardInterrupt):
        files = (f"file={tmp_path}/in", f"out={tmp_path}/out")
        generate(composed("generate", f"ckpt={ckpt}", *files, "batch_size=1", "device=cpu"))
    assert (tmp_path / "out").read_text() == "good\n"
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out", "model.ckpt"}


def test_the_search_of_a_checkpoint_is_changed_option_by_option(saved: Save, written: Write) -> None:
    ckpt = saved("search=beam", "search.size=3", "search.max_extra=2")
    plain = written(ckpt)
    assert written(ckpt, "search.size=3") == plain
    wide = written(ckpt, "search.n_best=2", "search.size=4")
    assert [line.split("\t")[0] for line in wide] == ["1", "1", "2", "2", "3", "3", "4", "5", "5"]
    assert written(ckpt, "search.max_length=1") == ["<unk>", "<unk>", "<unk>", "", "<unk>"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ["search.temperature=0.5"],
            r"search\.temperature=0\.5: beam search has no such option; use search=sample",
        ),
        (
            ["search=greedy", "search.size=2"],
            r"search\.size=2: greedy search has no such option; use search=beam",
        ),
        (["search.n_best=7"], r"search\.n_best=7: it must be at most search\.size=5"),
        (["search.size=0"], r"search\.size=0: it must be a whole number of at least 1"),
        (["search.size=99999999999999999999"], "at most 1000000"),
        (["search.max_length=0"], r"search\.max_length=0: it must be"),
        (["search.min_length=9", "search.max_length=8"], r"at most search\.max_length=8"),
        (["search.alpha=40"], r"search\.alpha=40: it must be at most 13\.03 with search\.max_length=200"),
        (["search=sample", "search.temperature=-1"], "it must be a number of at least 0"),
        (["search=sample", "search.n_best=2"], r"search\.n_best=2: it must be at most search\.num_samples=1"),
        (["search.whole_objects=true"], r"search\.whole_objects=true: this model writes words, not objects"),
        (["search=sample", "search.top_p=0"], "above 0 and at most 1"),
        (["search=sample", "search.top_p=1.5"], "at most 1"),
        (["search.n_best=3", "n_best=2"], r"n_best=2 and search\.n_best=3: give one of them"),
    ],
)
def test_an_option_without_a_meaning_is_refused(
    saved: Save, written: Write, options: list[str], told: str
) -> None:
    with pytest.raises(UserError, match=told):
        written(saved("search=beam", "search.size=5"), *options)


@pytest.mark.parametrize("search", ["search=greedy", "search=beam", "search=sample"])
def test_weights_and_scores_that_are_no_numbers_are_refused_by_name(
    saved: Save, written: Write, tmp_path: Path, search: str
) -> None:
    ckpt = saved(search)
    parts = load_checkpoint(ckpt)
    parts["state_dict"]["model.decoder.output.weight"][2, :2] = torch.nan
    torch.save(parts, ckpt)
    name = r"model\.ckpt: 2 of \d+ values of model\.decoder\.output\.weight are not finite"
    for load in (lambda: written(ckpt), lambda: load_task([ckpt]), lambda: average_checkpoints([ckpt])):
        with pytest.raises(UserError, match=name):
            load()
    for key in (key for key in parts["state_dict"] if key.startswith("model.decoder.")):
        parts["state_dict"][key].fill_(3e38)  # sums of these are infinite
    torch.save(parts, ckpt)
    with pytest.raises(UserError, match="line 1: the model's log-probabilities are NaN"):
        written(ckpt)
    assert not (tmp_path / "out").exists()


def test_unknown_words_that_are_to_be_written_are_told(saved: Save, written: Write, capsys) -> None:
    written(saved(), "prefix='A zebra'")
    assert "prefix: unknown to the model: zebra" in capsys.readouterr().err
    written(saved("task=lm", "search=beam", "search.max_length=9"))
    said = capsys.readouterr().err
    assert "line 1: unknown to the model: a b c d e f" in said and "line 4" not in said


def test_only_lines_that_are_typed_are_translated_one_by_one(
    saved: Save, written: Write, monkeypatch
) -> None:
    sizes = []

    def read(model: Translator, texts: list[str], read=Translator.read):
        sizes.append(len(texts))
        return read(model, texts)

    class Terminal(io.TextIOWrapper):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(io.BufferedReader(io.BytesIO(b"a\nb\n"))))
    monkeypatch.setattr(Translator, "read", read)
    written(ckpt := saved())
    assert sizes == [len(LINES)]
    written(ckpt, "file=null")
    assert sizes == [len(LINES), 1, 1]


def test_a_language_model_continues_lines_together_as_one_by_one(saved: Save, written: Write) -> None:
    ckpt = saved("task=lm", "search=beam", "search.max_length=9")
    together, alone = (written(ckpt, "n_best=2", f"batch_size={size}") for size in (128, 1))
    assert together == alone and len(together) == 2 * len(LINES)
