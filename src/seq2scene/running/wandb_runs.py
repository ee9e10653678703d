"""Runs in Weights & Biases: metrics sorted into sections of a dashboard, samples with their history, data and
checkpoint as artifacts. Without an account or a network a run stays offline, in its folder.

W&B is imported by what uses it: it takes half a second, which runs without it need not wait for.
"""

import hashlib
import math
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from pytorch_lightning.loggers import WandbLogger
from pytorch_lightning.utilities import rank_zero_only

from seq2scene.json_text import to_json
from seq2scene.metrics.directions import lower_is_better
from seq2scene.models.folders import without_places
from seq2scene.reports.report import attempt
from seq2scene.running.callbacks.confusion import Confusion, Counts
from seq2scene.running.messages import say
from seq2scene.running.processes.sweeps import in_sweep

STEP = "trainer/global_step"
SHOWN_CLASSES = 40  # of a confusion matrix; W&B draws tables of up to 10,000 rows
# A metric's name in metrics.csv, and on the dashboard, where the part before the first / is its section
SECTIONS = (
    (re.compile(r"val/faithfulness_(.+)"), r"faithfulness/\1"),
    (re.compile(r"val/nll_(.+)"), r"nll/\1"),
    (re.compile(r"test/(.+)/(faithfulness|nll)_(.+)"), r"test \2/\1/\3"),
    (re.compile(r"train/(\w+_per_second)|data/(\w+)"), r"speed/\1\2"),
    (re.compile(r"train/(gradient_norm|skipped_steps)|(lr-.+)"), r"optimizer/\1\2"),
    (re.compile(r"val/(?:scenes|captions|texts|translations)"), "samples/table"),
    (re.compile(r"epoch"), "trainer/epoch"),
)
JUDGED = ("val/", "faithfulness/", "nll/")  # sections of scores, whose best values a summary has


def dashboard_name(name: str) -> str:
    """The name on the dashboard, SECTION/NAME, of a metric as metrics.csv has it."""
    for pattern, replacement in SECTIONS:
        if pattern.fullmatch(name):
            return pattern.sub(replacement, name)
    return name


class WandbRun(WandbLogger):
    """Lightning's logger with names by section, and for every validation score its best value in the summary
    of the run. ``val/best`` is the best value so far of ``monitor``, which a sweep of W&B can optimise.

    folder: of the run. data, model: names of its artifacts. checkpoint: whether to log the best checkpoint,
    which uploads it. confusion: whether to log confusion matrices of scenes.
    """

    def __init__(
        self,
        folder: str,
        data: str,
        model: str,
        monitor: str | None,
        checkpoint: bool,
        confusion: bool,
        **arguments: Any,
    ) -> None:
        super().__init__(save_dir=folder, **arguments)
        del self._wandb_init["anonymous"]  # Lightning passes it, and W&B warns of it
        self.data, self.model, self.monitor = _artifact_name(data), _artifact_name(model), monitor
        self.checkpoint, self.confusion = checkpoint, confusion
        self._best: float | None = None
        self._judged: set[str] = set()
        self._table: Any = None

    @property
    def experiment(self) -> Any:
        """W&B's run. If it cannot be had online, one line says why, and it is offline."""
        if rank_zero_only.rank != 0 or self._experiment is not None:
            return super().experiment
        from wandb.errors import CommError, UsageError

        try:
            run = super().experiment
        except (UsageError, CommError) as error:
            say(f"logger=wandb: this run stays offline: {str(error).splitlines()[0]}")
            self._wandb_init["mode"], self._wandb_init["settings"].silent = "offline", True
            run = super().experiment
        if not run.disabled:
            say(f"logger=wandb: {_place(run)}")
        return run

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        if self.monitor is not None and not math.isnan(value := float(metrics.get(self.monitor, math.nan))):
            better = min if lower_is_better(self.monitor) else max
            self._best = value if self._best is None else better(self._best, value)
            metrics = {**metrics, "val/best": self._best}
        named = {dashboard_name(name): value for name, value in metrics.items()}
        for name in named.keys() - self._judged:
            self._judged.add(name)
            if name.startswith(JUDGED) and name != "val/best":
                best = "min" if lower_is_better(_score(name)) else "max"
                self.experiment.define_metric(name, step_metric=STEP, step_sync=True, summary=f"{best},last")
        super().log_metrics(named, step)

    def callbacks(self) -> list[pl.Callback]:
        """What observes training for the dashboard."""
        return [Confusion(self.log_confusion)] if self.confusion else []

    @rank_zero_only
    def log_samples(
        self,
        name: str,
        columns: Sequence[str],
        rows: Sequence[list],
        pictures: Mapping[int, np.ndarray],
        step: int,
    ) -> None:
        """Adds samples to one table of all validations, and shows their pictures (H, W, 3) also alone, where
        W&B goes back and forth in time. pictures: by the first value of the row they belong to.
        """
        import wandb

        if self._table is None:
            self._table = wandb.Table(columns=["step", *columns, "picture"], log_mode="INCREMENTAL")
        images = {line: wandb.Image(picture) for line, picture in pictures.items()}
        for row in rows:
            self._table.add_data(step, *row, images.get(row[0]))
        shown = {f"samples/line_{line}": image for line, image in images.items()}
        self.log_metrics({name: self._table, **shown}, step)

    @rank_zero_only
    def log_confusion(self, found: Mapping[str, Counts], step: int) -> None:
        """Charts of how often each class was predicted as which, by field."""
        import wandb

        charts = {
            f"confusion/{name}": wandb.plot_table(
                "wandb/confusion_matrix/v1",
                wandb.Table(columns=["Actual", "Predicted", "nPredictions"], data=counts.rows(SHOWN_CLASSES)),
                {"Actual": "Actual", "Predicted": "Predicted", "nPredictions": "nPredictions"},
                {"title": f"{name}, given the true beginning of the scene"},
            )
            for name, counts in found.items()
        }
        self.log_metrics(charts, step)

    @rank_zero_only
    def log_data(self, config: Mapping[str, Any], description: Mapping[str, Any]) -> None:
        """Names the data that the run uses: an artifact of its settings and of a digest of vocabularies and
        classes, without the data.
        """
        import wandb

        if self.experiment.disabled:
            return
        with attempt("W&B's artifact of the data"):
            settings = without_places(config["data"], config["paths"]["data"])
            known = {key: value for key, value in description.items() if not isinstance(value, str)}
            text = to_json(known, sort_keys=True, default=lambda tensor: list(tensor.shape))
            digest = hashlib.sha256(text.encode()).hexdigest()
            artifact = wandb.Artifact(self.data, "dataset", metadata={"digest": digest})
            with artifact.new_file("data.json") as file:
                file.write(to_json({**settings, "digest": digest}, indent=2, sort_keys=True))
            # use_artifact refuses to work offline; what it calls for a new artifact does not.
            self.experiment._log_artifact(artifact, is_user_created=True, use_after_commit=True)

    @rank_zero_only
    def log_checkpoint(self, path: Path, scores: Mapping[str, Any]) -> None:
        """Logs a checkpoint as the run's model, unless ``checkpoint`` is false. scores: of the test sets."""
        import wandb

        if self.experiment.disabled or not self.checkpoint:
            return
        with attempt("W&B's artifact of the checkpoint"):
            metadata = {"monitor": self.monitor, "best": self._best, "scores": scores}
            artifact = wandb.Artifact(self.model, "model", metadata=metadata)
            artifact.add_file(str(path), policy="immutable")  # not copied
            self.experiment.log_artifact(artifact, aliases=["latest", "best"])


def _score(name: str) -> str:
    """The score of a name on the dashboard as ``lower_is_better`` knows it."""
    return name.replace("nll/", "nll_")


def _place(run: Any) -> str:
    if run.offline:
        return f"offline; to upload this run: wandb sync {Path(run.settings.sync_dir)}"
    return run.url


def _artifact_name(text: str) -> str:
    return re.sub(r"[^\w.-]", "_", text)


def wandb_logger(
    save_dir: str,
    offline: bool = True,
    name: str | None = None,
    group: str | None = None,
    data: str = "data",
    monitor: str | None = None,
    checkpoint: bool = True,
    confusion: bool = True,
    **arguments: Any,
) -> WandbRun:
    """The logger of a run; ``arguments`` are passed to Lightning's and to ``wandb.init``.

    offline: unless the environment variable WANDB_MODE is set. The runs of a sweep are named by their numbers
    and are a group, unless ``group`` is given. W&B's files in the home directory go to ``save_dir`` if that
    is not writable.
    """
    import wandb
    from wandb import env

    for variable, folder in ((env.DATA_DIR, env.get_data_dir()), (env.CACHE_DIR, env.get_cache_dir())):
        if not _writable(Path(folder)):
            os.environ[variable] = str(Path(save_dir) / "wandb")
    if env.MODE not in os.environ:
        arguments["mode"] = "offline" if offline else "online"
    model, sweep = f"{name}-model", in_sweep()
    if sweep:
        hydra = HydraConfig.get()
        name, group = f"{name} {hydra.job.num}", group or Path(hydra.sweep.dir).name
    mode = arguments.get("mode") or os.environ[env.MODE]
    settings = wandb.Settings(show_info=False, silent=mode == "offline")  # one line of ours says where it is
    if "WANDB_INIT_TIMEOUT" not in os.environ:
        settings.init_timeout = 30.0  # seconds to wait for a server
    job_type = arguments.pop("job_type", "sweep" if sweep or group else "train")
    return WandbRun(
        save_dir, data, model, monitor, checkpoint, confusion,
        name=name, group=group, job_type=job_type, settings=settings, **arguments,
    )  # fmt: skip


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
