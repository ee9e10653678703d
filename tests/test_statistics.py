"""Several runs in one row, whether two systems differ by more than chance, and what files are refused."""

import itertools
import json
import runpy
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pytest

from seq2scene.errors import UserError

FOLDER = Path(__file__).resolve().parents[1] / "experiments"
NAMES = ("name", "table", "system", "measured here", "test")  # of a Comparison


@pytest.fixture(scope="module")
def scripts():
    sys.path.insert(0, str(FOLDER))  # they import each other, as they do when started
    try:
        yield {name: runpy.run_path(str(FOLDER / f"{name}.py")) for name in ("collect", "compare", "status")}
    finally:
        sys.path.remove(str(FOLDER))


def make_run(folder: Path, scenes: list[dict[str, float | None]], **scores: object) -> Path:
    folder.mkdir()
    (folder / "metrics.json").write_text(json.dumps({"test": scores}))
    rows = (
        {"scene": number // 2, "sentences": [f"Text {number}."], "scores": one}
        for number, one in enumerate(scenes)
    )
    write_lines(folder / "test.scenes.jsonl", rows)
    return folder


def write_lines(path: Path, rows: Iterable[object]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def make_captions(folder: Path, references: list[str]) -> Path:
    folder.mkdir()
    (folder / "metrics.json").write_text('{"test": {"cider": 0.5}}')
    rows = ({"image": "1.jpg", "caption": "a dog", "references": [one]} for one in references)
    write_lines(folder / "test.captions.jsonl", rows)
    return folder


def make_translations(folder: Path, hypotheses: list[str], references: list[str]) -> Path:
    folder.mkdir()
    (folder / "metrics.json").write_text('{"test": {"bleu": 1.0}}')
    for side, lines in (("hypotheses", hypotheses), ("references", references)):
        (folder / f"test.{side}.txt").write_text("".join(f"{line}\n" for line in lines))
    return folder


def compared(scripts, *folders: Path) -> str:
    compare = scripts["compare"]
    return compare["compare"](*(compare["read_tested"](folder) for folder in folders), "test", 100)


def test_runs_of_several_seeds_are_one_row_with_mean_and_standard_deviation(scripts, tmp_path):
    runs = [make_run(tmp_path / str(n), [], bleu=value) for n, value in enumerate((36.0, 37.0, 39.5))]
    table = scripts["collect"]["scores"]({"three": runs, "one": runs[:1]})
    assert "| three | test | 3 | 37.50 ± 1.80 |" in table  # sqrt((2.25 + .25 + 4) / 2)
    assert "| one | test | 1 | 36.00 |" in table


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "nothing: write NAME=RUN_FOLDER"),
        (["a={0}", "a={0}"], "a stands twice"),
        (["a={0}/none"], "no run that was tested"),
        (["a={0},{0}/../run"], "run stands twice"),
    ],
)
def test_what_is_no_run_is_refused(scripts, tmp_path, arguments, said):
    run = make_run(tmp_path / "run", [], bleu=1.0)
    with pytest.raises(UserError, match=said):
        scripts["collect"]["read_runs"]([argument.format(run) for argument in arguments])


def test_recorded_runs_replace_those_of_the_same_name_and_name_no_folder_of_the_machine(scripts, tmp_path):
    run = make_run(tmp_path / "run", [], bleu=36.0)
    command = "python src/train.py data.root=/home/somebody/data/x seed=3"
    config = {"name": "mine", "seed": 3, "paths": {"data": "/home/somebody/data"}}
    record = {"command": command, "config": config, "seconds": 90, "hardware": {"cores": 2, "system": "s"}}
    (run / "run.json").write_text(json.dumps(record))
    collect, file = scripts["collect"], tmp_path / "measured.json"
    (row,) = collect["provenance"]({"a": [run]})
    assert row["command"] == "python src/train.py data.root={data}/x seed=3"
    assert (row["name"], row["seed"], row["minutes"]) == ("a", 3, 1.5)
    assert row["hardware"] == {"processor": None, "cores": 2, "gpus": None}
    (run / "run.json").write_text(json.dumps({**record, "config": {**config, "resume": "outputs/mine/1"}}))
    assert collect["provenance"]({"a": [run]})[0]["minutes"] is None  # 90 seconds are those of its last part
    kept = {"name": "b", "scores": {}}
    file.write_text(json.dumps([{"name": "a", "scores": {}}, kept]))
    assert collect["recorded"](file, [row]) == [kept, row]


def test_randomisation_agrees_with_trying_every_swap(scripts):
    rng = np.random.default_rng(1)
    one, other = (np.stack([rng.random(8) + gap, np.ones(8)], axis=1) for gap in (0, 0.3))
    quotient = scripts["compare"]["quotient"]
    observed, as_large = abs(quotient(other.sum(0)) - quotient(one.sum(0))), 0
    for swap in itertools.product((False, True), repeat=8):
        mask = np.array(swap)[:, None]
        first, second = np.where(mask, other, one), np.where(mask, one, other)
        as_large += abs(quotient(second.sum(0)) - quotient(first.sum(0))) >= observed - 1e-12
    exact = as_large / 2**8
    assert 0.005 < exact < 0.3
    error = (exact * (1 - exact) / 20000) ** 0.5
    assert scripts["compare"]["randomisation"](one, other, 20000) == pytest.approx(exact, abs=4 * error)


def test_systems_are_compared_on_the_same_draws_with_the_texts_of_a_scene_together(scripts, tmp_path):
    values = np.random.default_rng(2).random(40).round(3)
    better = make_run(tmp_path / "b", [{"u_recall": v + 0.1} for v in values], u_recall=0.0)
    worse = make_run(tmp_path / "w", [{"u_recall": v} for v in values], u_recall=0.0)
    compare = scripts["compare"]
    runs = [compare["read_tested"](folder) for folder in (worse, better)]
    table = compare["compare"](*runs, "test", 500)
    mean = values.mean()
    assert f"| U-R | {mean:.3f} | {mean + 0.1:.3f} | +0.100 | +0.100 to +0.100 | 0.0020 |" in table
    other = make_run(tmp_path / "o", [{"u_recall": 0.5}] * 38, u_recall=0.0)
    with pytest.raises(UserError, match=r"other samples of test than .* number 39 for one"):
        compare["compare"](runs[0], compare["read_tested"](other), "test", 10)


def test_a_published_score_is_reached_missed_by_so_much_or_not_run(scripts):
    status = scripts["status"]
    found = list(
        status["comparisons"](
            [
                {"name": "multi30k_en_de", "scores": {"test_2016_flickr": {"bleu_tok": value}}}
                for value in (38.0, 40.0)
            ]
            + [{"name": "a variant", "scores": {"test_2016_flickr": {"bleu_tok": 0.0}}}]
        )
    )
    assert len(found) > 100
    said = {(one.system, one.test): one.status for one in found if one.experiment == "multi30k_en_de"}
    assert said["LIUM-CVC, text only, one run", "test_2016_flickr"] == "reached"
    assert said["LIUM-CVC, text only, one run", "test_2017_flickr"] == "not run"
    perplexity = status["Comparison"](*NAMES, "perplexity", 5.0, (5.5,))
    assert perplexity.status == "worse by 0.50"
    assert status["verdict"]([perplexity]) == ("0 of 1 reached", status["AMBER"])
    nearly = status["Comparison"](*NAMES, "bleu_tok", 40.0, (39.996,))  # both are shown as 40.00
    assert nearly.status == "reached" and status["verdict"]([nearly]) == ("1 of 1 reached", status["GREEN"])


def test_the_status_page_is_that_of_the_recorded_runs(scripts):
    status = scripts["status"]
    measured = json.loads((FOLDER / "measured.json").read_text(encoding="utf-8"))
    page = (FOLDER / "STATUS.md").read_text(encoding="utf-8")
    for one in status["comparisons"](measured):
        assert "| " + " | ".join(one.row()) + " |" in page
    assert "| OpenNMT-py 3.5.1, 15 epochs | measured on 2 CPU cores | test_2016_flickr | BLEU" in page


def test_an_undefined_score_is_not_significant(scripts, tmp_path):
    rows = [{"u_recall": 0.5, "b_recall": value} for value in (0.2, 0.4, 0.6, 0.8)]
    one = make_run(tmp_path / "one", rows, u_recall=0.0)
    other = make_run(tmp_path / "other", [{**row, "b_recall": None} for row in rows], u_recall=0.0)
    for pair in ((one, other), (other, one)):
        table = compared(scripts, *pair)
        assert "| U-R |" in table and "| B-R |" not in table
        assert table.endswith("\n\nUndefined in one of the two runs: B-R")
    sums = [np.array([[value, float(value > 0)] for value in values]) for values in ((0.9, 0), (0, 0.1))]
    # a swap of one of the two samples leaves nothing on one side, a swap of both the same difference
    assert scripts["compare"]["randomisation"](*sums, 100) == 1.0


def test_systems_are_compared_on_the_same_texts_and_references_alone(scripts, tmp_path):
    one, other = (make_run(tmp_path / name, [{"u_recall": 0.5}] * 4, u_recall=0.5) for name in "ab")
    assert "| U-R |" in compared(scripts, one, other)
    path = other / "test.scenes.jsonl"
    path.write_text(path.read_text().replace("Text 2.", "Another text."))
    with pytest.raises(UserError, match=r"b: other samples of test than .*a, number 3 for one"):
        compared(scripts, one, other)
    first, second = (make_captions(tmp_path / name, ["a dog", name]) for name in ("cat", "bird"))
    with pytest.raises(UserError, match=r"bird: other samples of test than .*cat, number 2 for one"):
        compared(scripts, first, second)


def test_headings_tell_scores_and_shares_of_facts_apart(scripts, tmp_path):
    row = scripts["compare"]["row"]
    names = ("size", "faithfulness_size", "faithfulness_all_strict", "rouge_l", "cider")
    headings = [row(name, (0.1, 0.2), (0.0, 0.1), 0.5)[0] for name in names]
    assert headings == ["size", "facts: size", "facts: all strict", "ROUGE-L", "CIDEr-D"]


def test_of_translations_the_scores_are_shown_not_the_means_of_the_bootstrap(scripts, tmp_path):
    references = ["a dog sees the ball", "a boy runs to a tree", "it rains on the sea today", "he sleeps"]
    one = make_translations(tmp_path / "one", [*references[:3], "she wakes up"], references)
    other = make_translations(tmp_path / "other", [*references[:2], "a", "he"], references)
    bleu = [scripts["compare"]["BLEU"](force=True) for _ in range(2)]
    scores = [
        metric.corpus_score((folder / "test.hypotheses.txt").read_text().splitlines(), [references]).score
        for metric, folder in zip(bleu, (one, other), strict=True)
    ]
    cells = compared(scripts, one, other).splitlines()[2].split(" | ")
    assert [cell.split(" ± ")[0] for cell in cells[1:3]] == [f"{score:.2f}" for score in scores]
    assert cells[3] == f"{scores[1] - scores[0]:+.2f}"


def test_a_mean_of_fewer_values_says_of_how_many(scripts, tmp_path):
    line = {"bleu_4": 19.0}
    runs = [
        make_run(tmp_path / "1", [], bleu=36.0, chrf=None, cider=0.5),
        make_run(tmp_path / "2", [], bleu=38.0, chrf=50.0, human_line=line),
        make_run(tmp_path / "3", [], bleu=37.0, chrf=52.0, human_line=line),
    ]
    (tmp_path / "3" / "metrics.json").write_text('{"test": {"bleu": NaN, "chrf": 52.0}}')
    table = scripts["collect"]["scores"]({"three": runs})
    assert "| three | test | 3 |  | 0.500 (n = 1) | 37.00 ± 1.41 (n = 2) | 51.00 ± 1.41 (n = 2) |" in table
    assert "| three, human line | test | 3 | 19.00 (n = 1) |" in table


def test_bleu_by_length_has_a_table_for_each_set_of_buckets(scripts, tmp_path):
    runs = {}
    for name, sentences in (("a", 7), ("b", 7), ("c", 9)):
        runs[name] = make_run(tmp_path / name, [], bleu=1.0)
        row = f"test,3,5,{sentences},20.5,20.5,1.0"
        text = f"system,shortest,longest,sentences,bleu,cumulative,ratio\n{row}\n"
        (runs[name] / "test.by_length.csv").write_text(text)
    first, second = scripts["collect"]["lengths"](runs, "test").split("\n\n")
    assert "| test | 3-5 (7) |" in first and "| a | 20.5 |\n| b | 20.5 |" in first
    assert "| test | 3-5 (9) |" in second and second.endswith("| c | 20.5 |")


@pytest.mark.parametrize(
    ("file", "text", "arguments", "said"),
    [
        ("metrics.json", '{"test": {"bleu"', "", "metrics.json, line 1, column 17: not JSON"),
        ("metrics.json", "{}", "", "no run that was tested"),
        ("metrics.json", "[]", "", "metrics.json: dict wanted, not list"),
        ("alignment_error.json", "[]", "", "alignment_error.json: dict wanted"),
        (".hydra/config.yaml", "published: 5", "", "config.yaml: published: list wanted"),
        ("none", "", "--epochs", "no metrics.csv; an evaluation has no epochs"),
        ("metrics.csv", "step,val/score\n1,0.5\n", "--epochs", "metrics.csv, line 2: no number as epoch"),
        ("metrics.csv", "epoch,val/score\n0,x\n", "--epochs", "metrics.csv, line 2: no number .*'x'"),
        ("test.by_length.csv", "system,shortest\n", "", "by_length.csv: no rows"),
        ("rows.json", "", "--json {}/rows.json", "rows.json, line 1, column 1: not JSON"),
        ("rows.json", '[{"name": "a"}]', "--json {}/rows.json", "rows.json: row 1: scores: dict wanted"),
        ("none", "", "--json {}/none/rows.json", "name a file for --json, in a folder that exists"),
    ],
)
def test_collect_says_which_file_is_damaged(scripts, tmp_path, monkeypatch, file, text, arguments, said):
    run = make_run(tmp_path / "run", [], bleu=1.0)
    if file == ".hydra/config.yaml":
        (run / ".hydra").mkdir()
    if file != "none":
        (run / file).write_text(text)
    monkeypatch.setattr(sys, "argv", ["collect.py", f"a={run}", *arguments.format(run).split()])
    with pytest.raises(UserError, match=said):
        scripts["collect"]["main"]()


def test_a_file_that_cannot_be_written_is_refused_before_any_work(scripts, tmp_path, monkeypatch, capsys):
    run = make_run(tmp_path / "run", [], bleu=1.0)
    monkeypatch.setattr(sys, "argv", ["collect.py", f"a={run}", "--json", str(tmp_path)])
    with pytest.raises(UserError, match="name a file"):
        scripts["collect"]["main"]()
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("test.scenes.jsonl", "", "scenes.jsonl: no samples in it"),
        ("test.scenes.jsonl", '{"scene": 1, "sentences": []}\n', "scenes.jsonl: sample 1 has no scores"),
        (
            "test.scenes.jsonl",
            '{"scene": 1, "sentences": [], "scores": {"iou": "x"}}\n',
            "scenes.jsonl: a score or a fact .*'x'",
        ),
        ("test.captions.jsonl", '{"caption": "a"}\n', "captions.jsonl: sample 1 has no references"),
        ("test.hypotheses.txt", "a\n", "1 hypotheses for 2 references of test"),
        ("none", "", "test.hypotheses.txt does not exist: a comparison needs the report"),
    ],
)
def test_compare_says_which_file_is_damaged(scripts, tmp_path, file, text, said):
    run = make_translations(tmp_path / "run", ["a", "b"], ["a", "b"])
    (run / "test.hypotheses.txt").unlink()
    if file != "none":
        (run / file).write_text(text)
    with pytest.raises(UserError, match=said):
        compared(scripts, run, run)


def test_fewer_than_one_trial_are_refused(scripts, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["compare.py", "one", "other", "--trials", "-5"])
    with pytest.raises(UserError, match="--trials -5: at least 1"):
        scripts["compare"]["main"]()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (None, "measured.json does not exist: python experiments/collect.py"),
        ('[{"name"', "measured.json, line 1, column 9: not JSON"),
        ('[{"name": "a"}]', "measured.json: row 1: scores: dict wanted, not NoneType"),
    ],
)
def test_status_says_what_is_wrong_with_its_file(scripts, tmp_path, monkeypatch, text, said):
    if text is not None:
        (tmp_path / "measured.json").write_text(text)
    monkeypatch.setitem(scripts["status"]["main"].__globals__, "HERE", tmp_path)
    monkeypatch.setattr(sys, "argv", ["status.py"])
    with pytest.raises(UserError, match=said):
        scripts["status"]["main"]()
    assert not (tmp_path / "STATUS.md").exists()


def test_a_score_that_is_undefined_counts_as_not_measured(scripts):
    rows = [
        {"name": "multi30k_en_de", "scores": {"test_2016_flickr": {"bleu_tok": value}}}
        for value in (40.0, None, float("nan"))
    ]
    of_all = scripts["status"]["comparisons"](rows)
    found = [one for one in of_all if (one.experiment, one.test) == ("multi30k_en_de", "test_2016_flickr")]
    assert found and all(one.measured == (40.0,) for one in found)


def test_asking_status_for_help_writes_nothing(scripts, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(scripts["status"]["main"].__globals__, "HERE", tmp_path)
    monkeypatch.setattr(sys, "argv", ["status.py", "--help"])
    with pytest.raises(SystemExit, match="0"):
        scripts["status"]["main"]()
    assert "Where each published table stands" in capsys.readouterr().out and not list(tmp_path.iterdir())
