"""The workspace of W&B that a script lays out has panels of what a run logs."""

import runpy
import sys
from pathlib import Path

import pytest
import yaml

SCRIPT = Path(__file__).resolve().parents[1] / "experiments" / "wandb_workspace.py"


def test_a_workspace_without_its_extra_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb_workspaces", None)
    with pytest.raises(SystemExit, match=r"error: .*wandb_workspaces.*: pip install -e '\.\[workspace\]'"):
        runpy.run_path(str(SCRIPT))


@pytest.mark.filterwarnings("ignore")  # of the extra, which has deprecated validators
def test_a_workspace_has_the_panels_of_a_run(tmp_path):
    pytest.importorskip("wandb_workspaces")
    columns = ["val/score", "val/loss", "train/loss", "val/faithfulness_all", "val/nll_pose", "val/nll_place"]
    (tmp_path / "metrics.csv").write_text(",".join([*columns, "lr-Adam", "train/scenes_per_second\n"]))
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "step_000004_line_17.png").touch()
    config = {"task": {"name": "abstract"}, "monitor": {"metric": "val/score", "mode": "max"}}
    (tmp_path / "hparams.yaml").write_text(yaml.safe_dump(config))
    script = runpy.run_path(str(SCRIPT))
    made = script["workspace"](script["read_run"](tmp_path, tested=False), "me", "mine")
    model = made._to_model().model_dump()
    shown = {
        section["name"]: [
            panel["config"].get("metrics") or panel["config"].get("media_keys") for panel in section["panels"]
        ]
        for section in model["spec"]["section"]["panel_bank_config"]["sections"]
    }
    assert shown["chosen by"] == [["val/score"], ["val/best"], ["train/loss", "val/loss"]]
    assert shown["samples"][0] == ["samples/line_17"]
    assert shown["faithfulness"] == [["faithfulness/all"]] and len(shown["confusion"]) == 1
    assert shown["optimizer"] == [["optimizer/lr-Adam"]]
    assert shown["speed"] == [["speed/scenes_per_second"]]
