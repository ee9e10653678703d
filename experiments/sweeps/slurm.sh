#!/bin/sh
# A grid with a Slurm job for each run, eight at a time (pip install -e '.[slurm]'):
#   sh experiments/sweeps/slurm.sh
# More arguments are those of src/train.py and hydra.launcher.partition=..., .account=..., .qos=...
exec "${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python)}" \
    src/train.py -m name=slurm_grid task=abstract test=false \
    hydra/launcher=submitit_slurm \
    hydra.launcher.timeout_min=240 \
    hydra.launcher.cpus_per_task=8 \
    hydra.launcher.gpus_per_node=1 \
    hydra.launcher.mem_gb=32 \
    hydra.launcher.array_parallelism=8 \
    attention=none,dot,general,concat \
    model.decoder.layers=1,2 \
    seed=1,2,3 "$@"
