"""Several runs in one row, and whether two systems differ by more than chance."""

import itertools
import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest

from seq2scene.errors import UserError

FOLDER = Path(__file__).resolve().parents[1] / "experiments"


@pytest.fixture(scope="module")
def scripts():
    sys.path.insert(0, str(FOLDER))  # they import each other, as they do when started
    try:
        yield {name: runpy.run_path(str(FOLDER / f"{name}.py")) for name in ("collect", "compare", "status")}
    finally:
        sys.path.remove(str(FOLDER))


def make_run(folder: Path, scenes: list[dict[str, float]], **scores: float) -> Path:
    folder.mkdir()
    (folder / "metrics.json").write_text(json.dumps({"test": scores}))
    rows = ({"scene": number // 2, "scores": one} for number, one in enumerate(scenes))
    (folder / "test.scenes.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


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
    file.write_text(json.dumps([{"name": "a"}, {"name": "b"}]))
    assert collect["recorded"](file, [row]) == [{"name": "b"}, row]


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
    runs = [compare["read_run"](folder) for folder in (worse, better)]
    table = compare["compare"](*runs, "test", 500)
    mean = values.mean()
    assert f"| U-R | {mean:.3f} | {mean + 0.1:.3f} | +0.100 | +0.100 to +0.100 | 0.0020 |" in table
    other = make_run(tmp_path / "o", [{"u_recall": 0.5}] * 38, u_recall=0.0)
    with pytest.raises(UserError, match="other samples of test than"):
        compare["compare"](runs[0], compare["read_run"](other), "test", 10)


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
    perplexity = status["Comparison"]("name", "table", "system", "test", "perplexity", 5.0, (5.5,))
    assert perplexity.status == "below by 0.50"
    assert status["verdict"]([perplexity]) == ("0 of 1 reached", status["AMBER"])


def test_the_status_page_is_that_of_the_recorded_runs(scripts):
    status = scripts["status"]
    measured = json.loads((FOLDER / "measured.json").read_text(encoding="utf-8"))
    page = (FOLDER / "STATUS.md").read_text(encoding="utf-8")
    for one in status["comparisons"](measured):
        assert "| " + " | ".join(one.row()) + " |" in page
