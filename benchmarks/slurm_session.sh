#!/bin/sh
# A Slurm of two nodes on this machine, and training under it. Prints each command and what came of it:
#   benchmarks/slurm_session.sh [FOLDER]
# 1. srun of two ranks; 2. a batch job that Slurm warns with SIGUSR1 two minutes before its time is up, and
# that goes on once it is requeued; 3. a sweep of two jobs by submitit; 4. the same with a job that fails.
# Needs Debian's packages slurm-wlm and munge, and hydra-submitit-launcher (pip install -e .[slurm]). All files
# are in FOLDER (a new one in /tmp by default), which others must be able to read; its daemons end with it.
set -u
cd "$(dirname "$0")/.."
folder=${1:-$(mktemp -d /tmp/slurm-session.XXXX)}
python=${PYTHON:-.venv/bin/python}
mkdir -p "$folder/munge" "$folder/state"
chmod 755 "$folder" "$folder/munge"
export SLURM_CONF="$folder/slurm.conf" PYTHON="$python" PATH="$PATH:/usr/sbin"
export MASTER_ADDR="$(hostname)"  # a real cluster's nodes find each other by name
export SEQ2SCENE_DATA="$folder/data" SEQ2SCENE_CACHE="$folder/cache" SEQ2SCENE_OUTPUTS="$folder/outputs"
export OMP_NUM_THREADS=1 PYTHONPATH="$PWD/src${PYTHONPATH:+:$PYTHONPATH}"

dd if=/dev/urandom of="$folder/munge/key" bs=1024 count=1 2> /dev/null
chmod 400 "$folder/munge/key"
munged --key-file="$folder/munge/key" --socket="$folder/munge/socket" --pid-file="$folder/munge/pid" \
    --log-file="$folder/munge/log" --seed-file="$folder/munge/seed" || exit 1

cat > "$SLURM_CONF" << END
ClusterName=local
SlurmctldHost=$(hostname)
SlurmctldPort=16817
SlurmUser=$(id -un)
AuthType=auth/munge
AuthInfo=socket=$folder/munge/socket
StateSaveLocation=$folder/state
SlurmdSpoolDir=$folder/%n
SlurmctldPidFile=$folder/slurmctld.pid
SlurmdPidFile=$folder/%n.pid
SlurmctldLogFile=$folder/slurmctld.log
SlurmdLogFile=$folder/%n.log
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
ReturnToService=2
NodeName=n1 NodeHostname=$(hostname) Port=17001 CPUs=1
NodeName=n2 NodeHostname=$(hostname) Port=17002 CPUs=1
PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
END
finish() {
    scancel --user="$(id -un)" 2> /dev/null
    for pid in "$folder/n1.pid" "$folder/n2.pid" "$folder/slurmctld.pid" "$folder/munge/pid"; do
        kill "$(cat "$pid")"
    done
}
trap finish EXIT
slurmctld && slurmd -N n1 && slurmd -N n2 || exit 1
until [ "$(sinfo --noheader --states=idle --format=%D)" = 2 ]; do sleep 1; done
sinfo

show() {
    printf '\n$'
    printf ' %s' "$@"
    printf '\n'
    "$@"
    echo "exit status $?"
}
small="task=nmt debug=tiny trainer=cpu trainer.enable_model_summary=false callbacks.progress.seconds=10
    data.park.train=200 data.park.val=20 data.park.test=20 ~callbacks.samples trainer.limit_train_batches=1.0"

echo; echo "1. Two ranks on two nodes"
show srun --nodes=2 --ntasks-per-node=1 "$python" src/train.py $small test=false trainer.num_nodes=2

echo; echo "2. A job that is requeued when its time is up"
log="$folder/seq2scene-%j.log"
show sbatch --parsable --nodes=2 --ntasks-per-node=1 --time="${TIME:-4}" --output="$log" experiments/slurm/train.sbatch \
    $small test=false trainer.max_epochs=100000 callbacks.early_stopping.patience=100000 | tee "$folder/submitted"
job=$(grep -m 1 '^[0-9]' "$folder/submitted")
log="$folder/seq2scene-$job.log"
until grep -q "goes on in .* from last.ckpt" "$log" 2> /dev/null; do
    [ "$(squeue --noheader --jobs="$job" | wc -l)" = 0 ] && break
    sleep 5
done
scontrol show job "$job" | grep -E "JobState|Restarts"
sleep "${AFTER:-60}"
show scancel "$job"
until [ "$(squeue --noheader --jobs="$job" | wc -l)" = 0 ]; do sleep 1; done
grep -v "validation:" "$log"

echo; echo "3. A sweep by submitit"
submitit="hydra/launcher=submitit_slurm hydra.launcher.timeout_min=30 hydra.launcher.cpus_per_task=1"
show "$python" src/train.py -m $submitit $small test=false trainer.max_epochs=1 seed=1,2
echo; echo "4. A sweep with a job that fails"
show "$python" src/train.py -m $submitit $small test=false trainer.max_epochs=1 data.batch_size=8,0
find "$folder/outputs" -name '*.ckpt' -o -name error.txt | sort
