"""metrics.csv, which continues when its run does: no row is lost or there twice."""

import csv
import os
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loggers import CSVLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter
from pytorch_lightning.loggers.logger import rank_zero_experiment
from pytorch_lightning.utilities import rank_zero_only

from seq2scene.caching import draft
from seq2scene.errors import UserError

NAME = ExperimentWriter.NAME_METRICS_FILE


class Rows(ExperimentWriter):
    """Writes rows as they come. The file is whole at every moment, except for its last line."""

    def __init__(self, folder: str, rows: list[dict[str, Any]]) -> None:
        """Replaces the file of an earlier run by one of these rows, in one step: a run that is killed in
        between must find it when it goes on.
        """
        super().__init__(folder)
        self.metrics_keys, self.written = sorted(set().union(*rows)), 0
        if rows:
            self._rewrite(rows)
        else:
            Path(self.metrics_file_path).unlink(missing_ok=True)

    def save(self) -> None:
        written = self.written + len(self.metrics)
        try:
            super().save()
        except OSError as error:
            raise UserError(f"{self.metrics_file_path} cannot be written: {error.strerror}") from error
        self.written = written

    def _check_log_dir_exists(self) -> None:
        """Leaves the file of an earlier run, which Lightning deletes."""

    def _rewrite_with_new_header(self, fieldnames: list[str]) -> None:
        self._rewrite(read_rows(Path(self.metrics_file_path)))

    def _rewrite(self, rows: list[dict[str, Any]]) -> None:
        with (
            draft(Path(self.metrics_file_path)) as part,
            part.open("w", encoding="utf-8", newline="") as file,
        ):
            writer = csv.DictWriter(file, self.metrics_keys)
            writer.writeheader()
            writer.writerows(rows)
        self.written = len(rows)


class MetricsFile(CSVLogger):
    """Lightning's logger to ``metrics.csv``; ``go_on`` continues the file of the run that is resumed."""

    _experiment: Rows | None

    @property
    @rank_zero_experiment
    def experiment(self) -> Rows:
        return self._start([]) if self._experiment is None else self._experiment

    @rank_zero_only
    def go_on(self, start: Path, saved: dict[str, Any]) -> None:
        """Starts with the rows of the metrics.csv next to the checkpoint ``start``, up to that state:
        ``saved`` is the checkpoint's ``state_of``. Rows that the run wrote later are dropped, as they come
        again.
        """
        file = start.with_name(NAME)
        rows = read_rows(file)[: saved["rows"]] if file.is_file() else []
        if saved["due"] is not None and len(rows) == saved["rows"]:
            rows.append(saved["due"])
        self._start(rows)

    def _start(self, rows: list[dict[str, Any]]) -> Rows:
        os.makedirs(self.log_dir, exist_ok=True)
        self._experiment = Rows(self.log_dir, rows)
        return self._experiment


def state_of(trainer: pl.Trainer) -> dict[str, Any] | None:
    """What a checkpoint keeps of metrics.csv: the number of ``rows`` so far, and the row that is ``due``,
    which Lightning logs only after the hook in which the checkpoint is saved. None without a MetricsFile.
    """
    files = [logger for logger in trainer.loggers if isinstance(logger, MetricsFile)]
    if not files:
        return None
    loop, connector, due = trainer.fit_loop.epoch_loop, trainer._logger_connector, None
    progress = loop.batch_progress.total
    within_batch = progress.completed < progress.processed
    if within_batch and not loop._should_accumulate() and connector.should_update_logs:
        values = {name: float(value) for name, value in connector.metrics["log"].items()}
        due = {**values, "epoch": trainer.current_epoch, "step": loop._batches_that_stepped}
    files[0].save()  # callbacks log rows without that
    return {"rows": files[0].experiment.written if trainer.is_global_zero else 0, "due": due}


def read_rows(file: Path) -> list[dict[str, str]]:
    """The rows of a metrics.csv, by column."""
    with file.open(encoding="utf-8", newline="") as opened:
        return list(csv.DictReader(opened))
