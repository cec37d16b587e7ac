#!/bin/bash
# A run on a Slurm cluster, from the repository's folder on a file system that all nodes share:
#
#   sbatch deploy/slurm.sh --out runs/first --model /models/first --target 100000
#
# Every node starts Ray, and the first one runs the command (`ray symmetric-run`, which ends with `ray stop`: hence whole
# nodes). The environment is .venv of this folder; the token that all nodes ask for is ~/.ray/auth_token, made once by
# (umask 077; ray get-auth-token --generate). When the time is up, submit it again: the run goes on where its files end.

#SBATCH --job-name=selfinstruct
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --dependency=singleton

set -euo pipefail
source .venv/bin/activate
export RAY_AUTH_MODE=token RAY_USAGE_STATS_ENABLED=0 RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300

first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | sed -n 1p)
address=$(srun --nodes=1 --ntasks=1 --nodelist="$first" hostname --all-ip-addresses | awk '{print $1}'):6379
gpus=${SLURM_GPUS_ON_NODE:-0}

srun ray symmetric-run --address "$address" --num-gpus "$gpus" -- \
    selfinstruct generate --ray.address "$address" --replicas $((SLURM_JOB_NUM_NODES * gpus)) --shards 4 "$@"
