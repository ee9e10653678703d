"""The page of a run, as a command."""

from pathlib import Path

from omegaconf import DictConfig

from seq2scene.reports.page.page import write_report


def report(cfg: DictConfig) -> None:
    """Writes the page of the run ``cfg.run`` and prints its path."""
    print(write_report(Path(cfg.run)))
