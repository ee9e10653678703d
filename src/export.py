"""Writes a trained model as a folder of plain data: ``python src/export.py ckpt=... to=FOLDER``."""

import hydra
from omegaconf import DictConfig

from seq2scene.running.entry import user_errors
from seq2scene.running.options.command_line import quote_arguments


@hydra.main(version_base="1.3", config_path="../conf", config_name="export")
def main(cfg: DictConfig) -> None:
    with user_errors():
        from seq2scene.running.commands.exporting import export

        export(cfg)


if __name__ == "__main__":
    quote_arguments()
    main()
