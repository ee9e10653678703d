"""Scores a checkpoint on its test sets: ``python src/evaluate.py ckpt=outputs/nmt/.../best.ckpt``."""

from pathlib import Path

import hydra
from omegaconf import DictConfig

from seq2scene.running.entry import user_errors
from seq2scene.running.options.command_line import quote_arguments


@hydra.main(version_base="1.3", config_path="../conf", config_name="evaluate")
def main(cfg: DictConfig) -> None:
    with user_errors():
        from seq2scene.running.commands.evaluation import evaluate

        evaluate(cfg, Path(__file__).resolve())


if __name__ == "__main__":
    quote_arguments()
    main()
