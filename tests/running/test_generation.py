"""Unknown words, replaced while a model writes. A model that prefers <unk> to all else writes one after
another; a window of three words that moves on by one a step, all looked at alike, counts as its first, the
word before.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from seq2scene.errors import UserError
from seq2scene.running.checkpoints import build_task
from seq2scene.running.generation import generate
from seq2scene.sequences.language import Language
from seq2scene.sequences.tokenizers import Whitespace
from seq2scene.sequences.vocabulary import Vocabulary

LINES = ["a b c d e f", "c", "f e", "", "zebra d a"]
PARTS = ("task", "model", "attention", "loss", "val_search", "search")
WINDOW = ("attention=local_m", "attention.half_width=1")
AS_LONG = ("search.max_ratio=1", "search.max_extra=0")  # as the source; nothing ends sooner

Save = Callable[..., Path]
Write = Callable[..., list[str]]


@pytest.fixture
def saved(composed, tmp_path: Path) -> Save:
    """Saves an untrained model that reads a to f, writes A, B and <unk>, and prefers <unk> to all else."""

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
        output = task.net.output if config["task"]["name"] == "lm" else task.net.decoder.output
        with torch.no_grad():
            output.bias[:4] = torch.tensor([0.0, 5.0, 0.0, -20.0])  # pad, unk, bos, eos
            if WINDOW[0] in options:
                for parameter in task.net.decoder.attention.parameters():
                    parameter.zero_()  # every word is as good as another
        parts = {"state_dict": task.state_dict(), "hyper_parameters": dict(task.hparams)}
        torch.save(parts, tmp_path / "model.ckpt")
        return tmp_path / "model.ckpt"

    return save


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
