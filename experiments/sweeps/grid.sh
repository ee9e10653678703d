#!/bin/sh
# Every combination of some values, with three seeds each, one run after the other:
#   sh experiments/sweeps/grid.sh
# More arguments are those of src/train.py: trainer.max_epochs=2; hydra/launcher=joblib hydra.launcher.n_jobs=4 for four
# runs side by side (pip install -e '.[sweep]').
exec "${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python)}" \
    src/train.py -m name=grid task=abstract test=false \
    attention=none,dot,general,concat \
    model.decoder.layers=1,2 \
    seed=1,2,3 "$@"
