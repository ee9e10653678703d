"""Scoring is the training loss of given pairs, and what a search says of its own output."""

from pathlib import Path

import pytest
import torch

from entry_points import run
from seq2scene.building import build
from seq2scene.errors import UserError
from seq2scene.models.loading import load
from seq2scene.models.translator import Translator
from seq2scene.running.commands.generation import generate
from seq2scene.running.commands.scoring import score, score_pairs
from seq2scene.sequences import corpus
from seq2scene.sequences.batch import ParallelBatch, Sentences
from seq2scene.tasks.loading import load_task

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=["one", "logits", "probs"])
def model(request, models) -> Translator:
    """A model, and ensembles of two."""
    if request.param == "one":
        return load(models.a)
    return load([models.a, models.b], ensemble=request.param)


@pytest.fixture
def scored(models, composed, tmp_path: Path):
    """Scores files: the lines that come out, split at tabs."""

    def run(source: Path, target: Path, *overrides: str) -> list[list[str]]:
        files = [f"source={source}", f"target={target}", f"out={tmp_path}/scores", f"paths.cache={tmp_path}"]
        score(composed("score", f"ckpt={models.a}", *files, "device=cpu", *overrides))
        return [line.split("\t") for line in (tmp_path / "scores").read_text().splitlines()]

    return run


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def corpora(model: Translator, folder: Path, cache: Path) -> list[corpus.Corpus]:
    sides = (("x", model.source), ("y", model.target))
    texts = [(corpus.read_text(folder / f"test.{side}", cache), language) for side, language in sides]
    return [corpus.encode(text, language, cache) for text, language in texts]


def lines(folder: Path, side: str) -> list[str]:
    return (folder / f"test.{side}").read_text().splitlines()


def test_scores_add_up_to_minus_the_training_loss_without_smoothing(models, tmp_path: Path) -> None:
    task = load_task([models.a])
    assert task.smoothing > 0
    with torch.no_grad():
        pairs = score_pairs(task.model, *corpora(task.model, models.folder, tmp_path), batch_size=4)
    source, target = (lines(models.folder, side) for side in "xy")
    batch = ParallelBatch(task.source.batch(source), task.target.batch(target, eos=True), torch.arange(11))
    loss = task.loss(batch)  # of all pairs in one batch, in the order of the files
    torch.testing.assert_close(sum(values.sum() for values in pairs), -loss.nll, rtol=1e-5, atol=0)
    assert sum(len(values) for values in pairs) == loss.count


@pytest.mark.parametrize("search", ["search=greedy", "search=beam", "search=sample"])
def test_a_search_scores_its_output_as_scoring_does(model: Translator, models, search: str) -> None:
    name = search.removeprefix("search=")
    settings = {"ban_unk": True, "max_length": 9}
    kinds = {"greedy": "stepwise.Greedy", "beam": "beam.Beam", "sample": "stepwise.Sample"}
    if name == "beam":
        settings |= {"size": 4, "n_best": 4, "normalisation": "average"}
    model.search = build({"_target_": f"seq2scene.search.{kinds[name]}", **settings}, "search")
    source = model.read(lines(models.folder, "x"))
    found = model.decode(source)
    for n in range(found.tokens.shape[1]):
        there = found.lengths[:, n] > 0
        gold = Sentences.of(found.tokens[:, n].masked_fill(~there.unsqueeze(1), 3), found.lengths[:, n])
        with torch.no_grad():
            log_probs = model.log_probs(ParallelBatch(source, gold, torch.arange(len(source))))
        torch.testing.assert_close(log_probs, found.token_log_probs[:, n], rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(log_probs.sum(1), found.log_probs[:, n], rtol=1e-5, atol=1e-5)


def test_generated_scores_are_those_of_the_scoring_mode(models, composed, scored, tmp_path: Path) -> None:
    ckpt = f"ckpt=[{models.a},{models.b}]"
    options = ["scores=true", "search=beam", "search.ban_unk=true", "search.min_length=2"]
    options += ["ensemble=probs", "device=cpu"]
    out = tmp_path / "out.txt"
    generate(composed("generate", ckpt, f"file={models.folder}/test.x", f"out={out}", *options))
    written = [line.split("\t") for line in out.read_text().splitlines()]
    target = write(tmp_path / "output.y", [text for _, _, text in written])
    rows = scored(models.folder / "test.x", target, ckpt, "ensemble=probs")
    assert [float(row[0]) for row in rows] == pytest.approx([float(row[1]) for row in written], abs=2e-4)


def test_a_pair_is_scored_alike_alone_and_among_others(model: Translator, models, tmp_path: Path) -> None:
    sides = corpora(model, models.folder, tmp_path)
    with torch.no_grad():
        together, alone = (score_pairs(model, *sides, batch_size=size) for size in (128, 1))
    for one, other in zip(together, alone, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5)


def test_lines_come_out_in_the_order_of_the_files(models, scored, tmp_path: Path) -> None:
    source, target = (lines(models.folder, side) for side in "xy")
    straight = scored(models.folder / "test.x", models.folder / "test.y")
    turned = scored(write(tmp_path / "x", source[::-1]), write(tmp_path / "y", target[::-1]))
    assert turned == straight[::-1] and len({tuple(row) for row in straight}) == len(set(target))


def test_an_empty_target_is_eos_and_empty_lines_keep_their_places(scored, tmp_path: Path) -> None:
    source = write(tmp_path / "x", ["a b", "a b", "", ""])
    target = write(tmp_path / "y", ["", "b a", "", "b"])
    rows = scored(source, target, "words=true")
    assert [row[2].split()[-1].rpartition(":")[0] for row in rows] == ["<eos>"] * 4
    assert [len(row[2].split()) for row in rows] == [1, 3, 1, 2]
    assert [row[1] for row in rows][::2] == ["0.0000"] * 2 and rows[0][0] == rows[0][2].rpartition(":")[2]


def test_words_add_up_to_their_line_and_unknown_ones_are_told(models, scored, tmp_path, capsys) -> None:
    source = models.folder / "test.x"
    target = write(tmp_path / "y", ["zebra " + line for line in lines(models.folder, "y")])
    for total, without, words in scored(source, target, "words=true"):
        values = [float(word.rpartition(":")[2]) for word in words.split()]
        assert words.startswith("<unk>:") and sum(values) == pytest.approx(float(total), abs=1e-3)
        assert sum(values[:-1]) == pytest.approx(float(without), abs=1e-3)
    said = capsys.readouterr().err
    assert " target words, 11 of them unknown to the model" in said
    assert " source words, 0 of them unknown to the model" in said


def test_the_perplexities_reported_are_those_of_the_lines(models, scored, capsys) -> None:
    rows = scored(models.folder / "test.x", models.folder / "test.y")
    words = sum(len(line.split()) for line in lines(models.folder, "y"))
    said = capsys.readouterr().err
    for column, count, behind in ((0, words + 11, " with EOS"), (1, words, " of words")):
        mean = torch.tensor(sum(float(row[column]) for row in rows) / count)
        told = float(said.split(behind)[0].split()[-1])
        assert told == pytest.approx((-mean).exp().item(), rel=1e-4)


def test_files_of_unequal_length_are_refused_by_the_line(models, scored, tmp_path: Path) -> None:
    short = write(tmp_path / "short.y", lines(models.folder, "y")[:7])
    with pytest.raises(UserError, match=r"test\.x has 11 lines .* 7: line 8 of .*test\.x has no partner"):
        scored(models.folder / "test.x", short)


def test_files_of_the_other_direction_are_refused(models, scored, tmp_path: Path) -> None:
    texts = {code: write(tmp_path / f"test.{code}.txt", ["a b"]) for code in ("en", "de", "fr")}
    with pytest.raises(UserError, match="the model reads en and writes de; turn them round"):
        scored(texts["de"], texts["en"])
    for pair in (("en", "de"), ("fr", "de"), ("en", "en")):
        assert len(scored(*(texts[code] for code in pair))) == 1


@pytest.mark.slow
def test_the_command_writes_a_line_for_each_pair(models, tmp_path: Path) -> None:
    files = [f"source={models.folder}/test.x", f"target={models.folder}/test.y", f"paths.cache={tmp_path}"]
    said = run("score.py", f"ckpt={models.a}", *files, work=tmp_path)
    assert said.count("\n") == 11 and all(float(value) < 0 for value in said.split())
