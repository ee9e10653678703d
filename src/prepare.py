"""Fetches a published data set, or generates the embedded one: ``python src/prepare.py data=multi30k``."""

import os
import sys
from pathlib import Path

import hydra
from hydra.core.global_hydra import GlobalHydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from seq2scene.errors import UserError
from seq2scene.running.preparing import prepare

os.environ.setdefault("SEQ2SCENE_ROOT", str(Path(__file__).resolve().parents[1]))


@hydra.main(version_base="1.3", config_path="../conf", config_name="prepare")
def main(config: DictConfig) -> None:
    known = GlobalHydra.instance().config_loader().get_group_options("prepare")
    choice = HydraConfig.get().runtime.choices["data"]
    try:
        prepare(OmegaConf.to_container(config, resolve=True), choice, known)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)


if __name__ == "__main__":
    main()
