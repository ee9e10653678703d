"""Averages the weights of checkpoints: ``python src/average.py ckpt=[a.ckpt,b.ckpt] out=averaged.ckpt``."""

import hydra
from omegaconf import DictConfig

from seq2scene.running.entry import user_errors
from seq2scene.running.options.command_line import quote_arguments


@hydra.main(version_base="1.3", config_path="../conf", config_name="average")
def main(cfg: DictConfig) -> None:
    with user_errors():
        from seq2scene.running.commands.averaging import average

        average(cfg)


if __name__ == "__main__":
    quote_arguments()
    main()
