"""Fetches a published data set, or generates the embedded one: ``python src/prepare.py data=multi30k``."""

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from seq2scene.running.entry import user_errors
from seq2scene.running.options.command_line import quote_arguments


@hydra.main(version_base="1.3", config_path="../conf", config_name="prepare")
def main(config: DictConfig) -> None:
    known = GlobalHydra.instance().config_loader().get_group_options("prepare")
    choice = HydraConfig.get().runtime.choices["data"]
    with user_errors():
        from seq2scene.running.commands.preparing import (
            prepare,  # a late import: --help need not wait for PyTorch
        )

        prepare(OmegaConf.to_container(config, resolve=True), choice, known)


if __name__ == "__main__":
    quote_arguments()
    main()
