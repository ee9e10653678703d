"""The benchmark of faithfulness: the true scenes as a file of any system score what the true scenes score."""

import importlib.util
import json
from pathlib import Path

import pytest

pytest.importorskip("sklearn", reason="the baselines weigh words with scikit-learn, of the extra dev")

from seq2scene.errors import UserError
from seq2scene.scenes.scene_json import to_plain

SCRIPT = Path(__file__).resolve().parents[1] / "benchmarks" / "faithfulness.py"
spec = importlib.util.spec_from_file_location("faithfulness_benchmark", SCRIPT)
benchmark = importlib.util.module_from_spec(spec)
spec.loader.exec_module(benchmark)


@pytest.mark.slow
def test_a_file_of_true_scenes_scores_as_the_true_scenes_and_others_less(tmp_path, capsys) -> None:
    park = ["data=park_scenes", "data.park.train=20", "data.park.val=4", "data.park.test=8"]
    park += [f"data.root={tmp_path / 'park'}", f"paths.cache={tmp_path / 'cache'}"]
    benchmark.main([*park, "--texts", str(tmp_path / "texts.jsonl")])
    asked = [json.loads(line) for line in (tmp_path / "texts.jsonl").read_text().splitlines()]
    assert [(row["scene"], row["text"]) for row in asked[:3]] == [(24, 0), (24, 1), (25, 0)]

    data = benchmark.build(benchmark.configuration(park)["data"], "data")
    data.prepare_data()
    data.setup()
    objects = to_plain(data.truth("test"), data.schema)
    rows = [
        {"scene": r["scene"], "text": r["text"], "objects": o} for r, o in zip(asked, objects, strict=True)
    ]
    file, out = tmp_path / "scenes.jsonl", tmp_path / "out.json"
    file.write_text("".join(json.dumps(row) + "\n" for row in reversed(rows)))
    benchmark.main([str(file), *park, "--baselines", "--out", str(out)])
    report = json.loads(out.read_text())
    systems = report["systems"]
    assert systems[str(file)] == systems["true scene"]
    assert set(systems["true scene"].values()) == {1.0, 0.0} and systems["true scene"]["duplicates"] == 0
    assert systems["another scene"]["all"] < systems["on the grid"]["all"] == 1
    assert systems["nearest text"]["relation"] < systems["on the grid"]["relation"]
    table = capsys.readouterr().out.splitlines()
    assert any(line.startswith(f"| relation | {report['counts']['relation']} |") for line in table)

    file.write_text("".join(json.dumps(row) + "\n" for row in rows[:-1]))
    with pytest.raises(UserError, match="1 of 16 texts have no scene, first scene 31, text 1"):
        benchmark.main([str(file), *park])
