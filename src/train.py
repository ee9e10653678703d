"""Trains a model: ``python src/train.py``; ``--help`` lists the options."""

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from seq2scene.running.entry import user_errors
from seq2scene.running.options.command_line import quote_arguments


@hydra.main(version_base="1.3", config_path="../conf", config_name="train")
def main(cfg: DictConfig) -> float:
    with user_errors(training=True):
        from seq2scene.running.commands.training import (
            train,  # a late import: --help need not wait for PyTorch
        )

        return train(cfg, Path(__file__).resolve())


if __name__ == "__main__":
    quote_arguments()
    if any(argument.startswith("resume=") for argument in sys.argv):
        from seq2scene.running.resuming import with_choices

        sys.argv[1:] = with_choices(sys.argv[1:])
    main()
