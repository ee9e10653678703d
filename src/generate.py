"""Generates from a text, a file or stdin: ``python src/generate.py ckpt=... text="A dog runs ."``."""

import hydra
from omegaconf import DictConfig

from seq2scene.running.entry import user_errors
from seq2scene.running.options.command_line import quote_arguments


@hydra.main(version_base="1.3", config_path="../conf", config_name="generate")
def main(cfg: DictConfig) -> None:
    with user_errors():
        from seq2scene.running.commands.generation import generate

        generate(cfg)


if __name__ == "__main__":
    quote_arguments()
    main()
