#!/bin/sh
# A chat model behind a server with OpenAI's protocol (vLLM, SGLang, llama.cpp, Ollama, a hosted one).
#
#     vllm serve Qwen/Qwen3-8B --generation-config vllm &
#     sh examples/chat_server.sh http://127.0.0.1:8000/v1 Qwen/Qwen3-8B
#
# A key is named, never given: `export MY_KEY=...`, then `--openai.key_env MY_KEY` after the model's name.
set -eu
url=$1 model=$2
shift 2

# Twenty requests first: how does this model answer, and how are its answers read?
selfinstruct try --engine openai --openai.url "$url" --model "$model" --prompts instruct "$@"

selfinstruct generate --engine openai --openai.url "$url" --model "$model" --prompts instruct \
    --replicas 0 --target "${TARGET:-200}" --out runs/server "$@"
selfinstruct report runs/server --out server.html
