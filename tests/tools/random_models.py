"""Small models with random weights, made on the spot, and a tokenizer for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import (
    AutoModelForCausalLM,
    BloomConfig,
    FalconConfig,
    Gemma2Config,
    Gemma3TextConfig,
    GemmaConfig,
    GPT2Config,
    GptOssConfig,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    PhiConfig,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen3Config,
)
from transformers import GPTNeoXConfig as NeoXConfig
from transformers.utils import logging

CONTEXT = 128
SENTENCES = [
    "Task: name a city that lies on a river.\nOutput: Vienna lies on the Danube.\n\n",
    "1. Write a short poem about the sea.\n2. Translate the sentence into French: où est l'été?\n",
    "Example 1\nInput: the cat sat on the mat\nOutput: a cat, sitting on a mat 😀\n",
]
SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT,
    "initializer_range": 0.6,  # wide enough that no two tokens are near a tie
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}
GROUPED: dict[str, Any] = {"num_key_value_heads": 2}
HEADS: dict[str, Any] = {**GROUPED, "head_dim": 8}
EXPERTS: dict[str, Any] = {"num_local_experts": 4, "num_experts_per_tok": 2}

SHARED: Mapping[str, Callable[..., Any]] = {
    "llama": lambda **shape: LlamaConfig(**shape, **GROUPED),
    "qwen2": lambda **shape: Qwen2Config(**shape, **GROUPED),
    "qwen3": lambda **shape: Qwen3Config(**shape, **HEADS),
    "mistral": lambda **shape: MistralConfig(**shape, **GROUPED, sliding_window=16),
    "mistral-far": lambda **shape: MistralConfig(**shape, **GROUPED, sliding_window=80),  # reaches into the prefix
    "gemma": lambda **shape: GemmaConfig(**shape, **HEADS),
    "gemma2": lambda **shape: Gemma2Config(**shape, **HEADS, sliding_window=16),  # and its scores are capped
    "gemma3": lambda **shape: Gemma3TextConfig(**shape, **HEADS, sliding_window=40, sliding_window_pattern=2),
    "phi": lambda **shape: PhiConfig(**shape, **GROUPED),
    "phi3": lambda **shape: Phi3Config(**shape, **GROUPED),
    "gpt2": lambda **shape: GPT2Config(**shape),  # learnt positions: absolute ones count
    "gpt_neox": lambda **shape: NeoXConfig(**shape),
}
"""Models whose attention goes through transformers' interface."""

OTHERS: Mapping[str, Callable[..., Any]] = {
    "bloom": lambda **shape: BloomConfig(**{**shape, "n_head": 4, "n_layer": 2}),  # no positions, but a bias
    "falcon": lambda **shape: FalconConfig(**shape),
    "gpt_oss": lambda **shape: GptOssConfig(**shape, **HEADS, **EXPERTS, sliding_window=16),  # with sinks
}
"""Models that compute it in a way of their own, or add to it."""

CONFIGS = {**SHARED, **OTHERS}


def make_tokenizer() -> PreTrainedTokenizerFast:
    """A byte-level BPE tokenizer that puts a beginning-of-text token in front."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|begin|>", "<|endoftext|>", "<|pad|>", "<|start|>", "<|end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(SENTENCES * 4, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<|begin|> $A", special_tokens=[("<|begin|>", 0)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<|begin|>", eos_token="<|endoftext|>", pad_token="<|pad|>"
    )


def make_model(name: str, context: int = CONTEXT) -> Any:
    """A model of the architecture, the same each time."""
    shape = {**SHAPE, "max_position_embeddings": context, "vocab_size": len(make_tokenizer())}
    shown = logging.get_verbosity()
    logging.set_verbosity_error()
    torch.manual_seed(1)
    model = AutoModelForCausalLM.from_config(CONFIGS[name](**shape)).eval()
    logging.set_verbosity(shown)
    return model
