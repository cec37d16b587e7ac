#!/bin/sh
# Seed tasks of your own, and a model of your own: generate, look, export.
#
#     sh examples/own_seeds.sh --model /models/llama-3-8b --replicas 2
#
# What stands after the name goes to `generate`. Ten seed tasks are few: write at least thirty, of as many kinds as you can.
set -eu
seeds=$(dirname "$0")/library_seeds.jsonl

selfinstruct generate --seeds "$seeds" --out runs/library --target 40 "$@"

selfinstruct status runs/library
selfinstruct sample runs/library --number 3                     # what was accepted
selfinstruct sample runs/library --number 3 --reason similar    # and what was too near to something
# Of a model of your own the next line wants its licence, too (--model_license, --model_outputs), and says so.
selfinstruct export runs/library --out library-tasks --license cc-by-4.0 --seeds_license cc-by-4.0
