#!/bin/sh
# A run as a Ray job: submitted, followed, ended in the middle, and gone on with by the same command.
#
#     ray up -y ray_config.yaml; ray dashboard ray_config.yaml &      # or any cluster that there is
#     export RAY_AUTH_MODE=token RAY_API_SERVER_ADDRESS=http://127.0.0.1:8265
#     sh examples/cluster_job.sh s3://my-bucket/runs/first --model meta-llama/Llama-3.1-8B --replicas 8 --shards 8 --target 1000000
#
# It is given in this repository's folder, which becomes the job's. The run's folder must be one that every node reaches.
set -eu
out=$1
shift

submit() {
    ray job submit "$@"
}

# Spot nodes come and go, drivers die: here the job is stopped once the first round is there ...
submit --no-wait --submission-id first-life --working-dir . -- python -m jobs.generate --out "$out" "$@"
until selfinstruct status "$out" >/dev/null 2>&1; do sleep 1; done
ray job stop first-life

# ... and the same command goes on: nothing that was committed is asked again.
submit --submission-id second-life --working-dir . -- python -m jobs.generate --out "$out" "$@"
selfinstruct verify "$out"
