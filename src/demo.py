"""Shows trained models on a page in the browser: ``python src/demo.py models=[outputs/abstract/...]``."""

import hydra
from omegaconf import DictConfig

from seq2scene.running.entry import user_errors
from seq2scene.running.options.command_line import quote_arguments


@hydra.main(version_base="1.3", config_path="../conf", config_name="demo")
def main(cfg: DictConfig) -> None:
    with user_errors():
        from seq2scene.app.server import serve

        serve(
            cfg.models,
            cfg.host,
            cfg.port,
            waiting=cfg.waiting,
            seconds=cfg.seconds,
            threads=cfg.threads,
            cache=cfg.paths.cache,
        )


if __name__ == "__main__":
    quote_arguments()
    main()
