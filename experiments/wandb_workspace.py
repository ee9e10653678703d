"""Lays out a workspace of Weights & Biases for runs like one that is on disk (pip install -e '.[workspace]').

    python experiments/wandb_workspace.py RUN_FOLDER ENTITY/PROJECT
    python experiments/wandb_workspace.py RUN_FOLDER ENTITY/PROJECT --json view.json      # saves nothing

The run's metrics.csv and config say which panels there are: what the best checkpoint is chosen by and the
losses, samples by step, scores, faithfulness by kind of fact, confusion, speed, optimizer, and what settings
have to do with the score. The workspace is saved as a view of the project; its address is printed.
"""

import argparse
import sys
from collections.abc import Iterable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

try:
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws
except ModuleNotFoundError as error:
    sys.exit(f"error: {error}: pip install -e '.[workspace]'")

from seq2scene.errors import UserError
from seq2scene.reports.page.run_files import Run, find_runs, read_columns, read_run
from seq2scene.running.entry import user_errors
from seq2scene.running.wandb_runs import STEP, dashboard_name

MATRIX = {"Actual": "Actual", "Predicted": "Predicted", "nPredictions": "nPredictions"}


def line(*names: str) -> wr.LinePlot:
    """A panel of one or several metrics."""
    return wr.LinePlot(title=names[0] if len(names) == 1 else None, x=STEP, y=list(names))


def section(title: str, panels: Iterable, is_open: bool = True) -> ws.Section:
    return ws.Section(name=title, panels=list(panels), is_open=is_open)


def sections(run: Run) -> list[ws.Section]:
    """Those of a run, from what the best checkpoint is chosen by to its speed."""
    names = [dashboard_name(column) for column in read_columns(run.folder)]
    monitor = dashboard_name(run.config["monitor"]["metric"])
    fields = [name.removeprefix("nll/") for name in names if name.startswith("nll/")]
    classes = [field for field in fields if field not in ("place", "appearance")]

    def those(prefix: str) -> list[wr.LinePlot]:
        return [line(name) for name in names if name.startswith(prefix) and name != monitor]

    drawn = {path.stem.partition("_line_")[2] for path in (run.folder / "samples").glob("step_*_line_*.png")}
    pictures = [f"samples/line_{number}" for number in sorted(drawn, key=int)]
    losses = [
        name for name in ("train/loss", "val/loss", "train/perplexity", "val/perplexity") if name in names
    ]
    found = [
        section("chosen by", [line(monitor), line("val/best"), line(*losses)]),
        section(
            "samples",
            [
                wr.MediaBrowser(media_keys=pictures, mode="gallery", gallery_axis="step"),
                wr.WeavePanelSummaryTable(table_name="samples/table"),
            ],
        ),
        section("faithfulness", those("faithfulness/")),
        section("scores", those("val/")),
        section("confusion", map(matrix, classes)),
        section("negative log-likelihood", those("nll/"), is_open=False),
        section("optimizer", those("optimizer/"), is_open=False),
        section("speed", those("speed/"), is_open=False),
        section(
            "settings",
            [
                wr.ParameterImportancePlot(with_respect_to="val/best"),
                wr.ScatterPlot(x=wr.Metric("Created"), y=wr.SummaryMetric("val/best")),
                wr.RunComparer(diff_only=True),
            ],
            is_open=False,
        ),
    ]
    return [one for one in found if one.panels]


def matrix(name: str) -> wr.CustomChart:
    return wr.CustomChart(
        query={"summaryTable": {"tableKey": f"confusion/{name}_table"}},
        chart_name="wandb/confusion_matrix/v1",
        chart_fields=MATRIX,
        chart_strings={"title": name},
    )


def workspace(run: Run, entity: str, project: str) -> ws.Workspace:
    return ws.Workspace(
        entity=entity,
        project=project,
        name=f"seq2scene {run.task}",
        sections=sections(run),
        settings=ws.WorkspaceSettings(x_axis=STEP, group_by_prefix="first"),
        auto_generate_panels=False,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path, help="a run's folder, or one that holds runs")
    parser.add_argument("place", help="ENTITY/PROJECT")
    parser.add_argument("--json", type=Path, help="write the view to this file and save nothing")
    options = parser.parse_args()
    entity, slash, project = options.place.partition("/")
    runs = [folder for folder in find_runs(options.run) if (folder / "metrics.csv").is_file()]
    if not (slash and project and runs):
        raise UserError("write RUN_FOLDER ENTITY/PROJECT, the first the folder of a run with a metrics.csv")
    view = workspace(read_run(runs[-1], tested=False), entity, project)
    if options.json:
        options.json.write_text(view._to_model().model_dump_json(by_alias=True, indent=2), encoding="utf-8")
    else:
        print(view.save().url)


if __name__ == "__main__":
    with user_errors():
        main()
