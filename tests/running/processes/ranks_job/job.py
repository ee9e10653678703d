"""A job of several ranks for test_ranks.py: sums 1000 * rank + seed over all ranks."""

import os
import sys
import time
from pathlib import Path

import hydra
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig
from torch import distributed

from seq2scene.errors import UserError
from seq2scene.running.entry import user_errors
from seq2scene.running.processes import children
from seq2scene.running.processes.ranks import ranks

children.STILL = 1.0  # seconds; 5 otherwise


@hydra.main(version_base="1.3", config_path="conf", config_name="main")
def main(config: DictConfig) -> None:
    with user_errors():
        before = dict(os.environ)
        number = add_up(config)
        if "LOCAL_RANK" not in before:
            assert dict(os.environ) == before
            assert not distributed.is_initialized()
        folder, rank = HydraConfig.get().runtime.output_dir, os.environ.get("LOCAL_RANK", 0)
        Path(folder, f"sum{rank}").write_text(str(number))


def add_up(config: DictConfig) -> int:
    with ranks([sys.executable, __file__], config.count):
        rank = int(os.environ.get("LOCAL_RANK", 0))
        if config.die == "refused":
            raise UserError("no such data")
        if config.die == "before" and rank == config.count - 1:
            raise ValueError("no such luck")
        if config.count > 1:
            distributed.init_process_group("gloo")
        number = torch.tensor(1000 * rank + config.seed)
        if config.die == "inside" and rank == 1:
            raise ValueError("no such luck")
        if config.die == "never":
            Path(HydraConfig.get().runtime.output_dir, f"pid{rank}").write_text(str(os.getpid()))
            distributed.barrier()
            print("all here", flush=True)
            time.sleep(600)
        if config.die == "inside_native_code":
            Path(HydraConfig.get().runtime.output_dir, f"pid{rank}").write_text(str(os.getpid()))
            distributed.barrier()
            if rank == 1:
                distributed.barrier()  # where Python's signal handlers do not run
            print("all here", flush=True)
            time.sleep(600)
        if config.count > 1:
            distributed.all_reduce(number)
        print(f"rank {rank} of seed {config.seed} has {number.item()}", flush=True)
    return number.item()


if __name__ == "__main__":
    main()
