#!/bin/sh
# Two torchrun agents on this machine, as if on two nodes: stopped by SIGTERM, gone on with, bereft of a rank by
# kill -9, and gone on with to the end. Prints what each agent said last, and how long it took to end:
#   benchmarks/torchrun_session.sh [FOLDER]
set -u
cd "$(dirname "$0")/.."
folder=${1:-$(mktemp -d /tmp/torchrun-session.XXXX)}
python=${PYTHON:-.venv/bin/python}
run="$folder/run"
export SEQ2SCENE_DATA="$folder/data" SEQ2SCENE_CACHE="$folder/cache" OMP_NUM_THREADS=1
mkdir -p "$folder"

agents() {  # $1: the name of this start; the rest are overrides
    start=$1
    shift
    for node in 0 1; do
        "$python" -m torch.distributed.run --nnodes=2 --nproc-per-node=1 --rdzv-backend=c10d --rdzv-id="$start" \
            --rdzv-endpoint=localhost:29455 src/train.py task=nmt debug=tiny trainer=cpu trainer.num_nodes=2 \
            trainer.enable_model_summary=false data.park.train=200 data.park.val=20 data.park.test=20 \
            trainer.limit_train_batches=1.0 '~callbacks.samples' test=false callbacks.early_stopping.patience=9999 \
            resume=auto hydra.run.dir="$run" "$@" > "$folder/$start-node$node.log" 2>&1 &
        eval "agent$node=$!"
    done
}
ended() {  # waits for both agents: $1 is what was done to them
    began=$(date +%s)
    for node in 0 1; do
        eval "wait \$agent$node"
        status=$?
        echo "$1: node $node ended after $(($(date +%s) - began)) s with exit status $status"
    done
    for node in 0 1; do
        echo "--- node $node, last lines"
        grep -v "validation:" "$folder/$start-node$node.log" | tail -n "${LINES_SHOWN:-12}"
    done
    echo
}
trained() {  # waits until this start has validated a few times
    until [ "$(grep -c "validation:" "$folder/$start-node0.log")" -gt 2 ]; do sleep 1; done
}

agents stopped trainer.max_epochs=100000
trained
kill -TERM "$agent0"
ended "SIGTERM to the first agent"

agents killed trainer.max_epochs=100000
trained
kill -KILL "$(cat "/proc/$agent1/task/$agent1/children" | cut -d ' ' -f 1)"
ended "kill -9 of the rank on node 1"

agents resumed trainer.max_epochs=100000 trainer.max_time=00:00:00:20
ended "nothing"
ls "$run"
