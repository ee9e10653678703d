#!/bin/bash
# The models that ship with the package: trains them, exports them to src/seq2scene/trained and tests the folders.
#   experiments/shipped_models.sh [NAME...]    without names: all; about an hour on one CPU core, park-scene most of it
# A run whose scores are already in RUNS is not trained again.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python)} RUNS=${RUNS:-outputs/shipped} TRAINED=${TRAINED:-src/seq2scene/trained}
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}

translator() {
    echo task=nmt model.{encoder,decoder}.{embedding_size=48,hidden_size=96} model.encoder.bidirectional=false \
        model.encoder.dropout=0.1 optimizer.lr=0.003 trainer.max_epochs=14 "$@"
}

options() {
    case $1 in
        park-scene) echo experiment=park_faithful ;;
        park-layout) echo task=layout ;;
        park-composite) echo task=composite ;;
        park-de)
            translator attention=dot model.{encoder,decoder}.{embedding_size=64,hidden_size=112} trainer.max_epochs=12
            ;;
        park-de-none) translator attention=none model.encoder.reverse_source=true model.encoder.dropout=0 ;;
        park-de-location)
            translator attention=location model.encoder.bidirectional=true model.encoder.hidden_size=48 \
                trainer.max_epochs=9
            ;;
        park-de-general) translator attention=general ;;
        park-de-concat) translator attention=concat trainer.max_epochs=12 ;;
        park-de-local) translator attention=local_m attention.half_width=6 ;;
        park-fr) translator attention=dot data.target=fr ;;
        park-captioner)
            echo task=captioning data.park.train=800 data.park.val=48 model.annotations.size=128 \
                model.decoder.embedding_size=96 model.decoder.hidden_size=128 optimizer.lr=0.002 trainer.max_epochs=14
            ;;
        *) echo "$1 is no model that ships" >&2 && return 1 ;;
    esac
}

exported() {  # further options of export.py
    case $1 in
        park-composite) echo pack_photos=80 ;;
    esac
}

[ $# -gt 0 ] || set -- park-scene park-layout park-composite park-de park-de-{none,location,general,concat,local} \
    park-fr park-captioner
for name in "$@"; do
    chosen=$(options "$name")
    [ -f "$RUNS/$name/metrics.json" ] ||
        "$PYTHON" src/train.py $chosen trainer=cpu hydra.run.dir="$RUNS/$name" overwrite=true
done
for name in "$@"; do  # after all are trained, as models record whether the repository had changes
    "$PYTHON" src/export.py ckpt="$RUNS/$name" to="$TRAINED/$name" half=true overwrite=true \
        $(exported "$name")
done
"$PYTHON" -m pytest -q tests/models/test_shipped_models.py
