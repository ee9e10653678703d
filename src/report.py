"""Writes the page of a run: ``python src/report.py run=outputs/abstract/...``."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from seq2scene.running.entry import user_errors
from seq2scene.running.options.command_line import quote_arguments


@hydra.main(version_base="1.3", config_path="../conf", config_name="report")
def main(cfg: DictConfig) -> None:
    with user_errors():
        from seq2scene.reports.page.page import write_report

        print(write_report(Path(cfg.run)))


if __name__ == "__main__":
    quote_arguments()
    main()
