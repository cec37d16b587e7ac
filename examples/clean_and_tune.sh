#!/bin/sh
# An instruction set that exists already: what is doubled, broken or in an evaluation set goes, and a model is tuned on the rest.
#
#     sh examples/clean_and_tune.sh alpaca_data.json /models/llama-3-8b held_out.jsonl
set -eu
data=$1 model=$2 held_out=$3
shift 3

# As a run it has a reason for each row that is dropped, and all commands for runs.
selfinstruct import "$data" --out runs/cleaned
selfinstruct report runs/cleaned --out cleaned.html
selfinstruct export runs/cleaned --out cleaned-tasks --license other --pool_license other --decontaminate "$held_out"

selfinstruct finetune cleaned-tasks/default/train/*.parquet --model "$model" --out models/cleaned "$@"
