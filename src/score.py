"""Scores given translations: ``python src/score.py ckpt=... source=test.en target=test.de``."""

import hydra
from omegaconf import DictConfig

from seq2scene.running.entry import user_errors
from seq2scene.running.options.command_line import quote_arguments


@hydra.main(version_base="1.3", config_path="../conf", config_name="score")
def main(cfg: DictConfig) -> None:
    with user_errors():
        from seq2scene.running.commands.scoring import score

        score(cfg)


if __name__ == "__main__":
    quote_arguments()
    main()
