"""The one place where a model's folder is opened with transformers, for engines and finetuning alike.

- Nothing is fetched: all files are in the folder (`checkpoint.locate`), and only safetensors are read.
- Attention is torch's own (sdpa), or the model's where that cannot be; never what a configuration asks for, which may
  be a kernel from a hub, and so code.
- A configuration that describes far more weights than there are is refused before any memory is taken for them.
- Whatever transformers, tokenizers or torch raise is said in one line that names the file.
"""

from __future__ import annotations

import base64
import math
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from logging import CRITICAL
from typing import Any

import torch
from safetensors import safe_open
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_parameter_registration_hook,
)
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.utils import logging as library_logging

from selfinstruct.engines import contents
from selfinstruct.engines.checkpoint import WEIGHTS, Located
from selfinstruct.engines.contents import (
    CONFIG,
    GENERATION,
    TOKENIZER,
    blamed,
    may_be_its_fault,
    read_object,
    tokenizer_file,
)
from selfinstruct.errors import InputError

SLACK_TENSORS, SLACK_NUMBERS = 1_000, 2**26
"""Beside what the safetensors hold: masks and positions, which many models make themselves."""
TIED = 3
"""Weights that are one in the file may be counted so often: embedding, output, and once more when they are tied."""
PACKED = 16
"""Numbers that a quantised checkpoint may keep in one."""
GROWTH = 1_000
"""How many times as long as a text a tokenizer's part may make it."""
LARGEST_TOKENIZER = 2**30
"""Bytes of `tokenizer.json`: those of large vocabularies have some tens of millions."""
TRIAL = "Name 3 rivers: où? 😀\n\n"


def open_tokenizer(at: Located) -> Any:
    """The model's tokenizer, after trying it out.

    Raises:
        InputError: it cannot be loaded or cannot be used.
    """
    _check_growth(at)
    with quietly(), _cause_found(at):
        tokenizer = AutoTokenizer.from_pretrained(at.folder, **_options(at))
        tokenizer.decode(tokenizer.encode(TRIAL, add_special_tokens=False), skip_special_tokens=True)
        tokenizer.encode("")
    return tokenizer


@contextmanager
def _cause_found(at: Located) -> Iterator[None]:
    """Blame one of the files that a tokenizer is made from: the first that fails when it is opened alone.

    Raises:
        InputError: whatever was raised.
    """
    try:
        yield
    except BaseException as error:
        if not may_be_its_fault(error):
            raise
        file = tokenizer_file(at.folder)
        open_config(at)
        if file == TOKENIZER:
            with blamed(at.model, file):
                Tokenizer.from_file(str(at.folder / file)).encode(TRIAL)
                read_object(at.folder / file, at.model, LARGEST_TOKENIZER)["added_tokens"]
        with blamed(at.model, file if file != TOKENIZER else "tokenizer_config.json"):
            raise error


def check_model(at: Located) -> None:
    """Hold the weights against the configuration without reading them (needs accelerate).

    Raises:
        InputError: as `open_model`.
    """
    open_model(at, "auto", device="meta")


def open_model(at: Located, dtype: torch.dtype | str, config: Any = None, device: str | None = None) -> Any:
    """A causal language model in evaluation mode, on the CPU.

    Args:
        dtype: Of its weights; auto is what the configuration says.
        config: In place of the folder's.
        device: Where it is instead; on "meta" it has shapes only.

    Raises:
        InputError: it cannot be loaded, or its weights are not those that its configuration describes.
    """
    config = open_config(at) if config is None else config
    if (at.folder / GENERATION).is_file():
        with blamed(at.model, GENERATION), quietly():
            GenerationConfig.from_pretrained(at.folder, local_files_only=True)
    names = _weights(at)
    tensors, numbers = _held(at, names)
    scale = PACKED if getattr(config, "quantization_config", None) else 1
    with blamed(at.model, CONFIG), quietly(), _bounded(at, SLACK_TENSORS + TIED * tensors, scale * TIED * numbers):
        model, report = AutoModelForCausalLM.from_pretrained(
            at.folder,
            config=config,
            dtype=dtype,
            device_map=device,
            use_safetensors=True,
            use_kernels=False,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are looked at below
            **_options(at),
        )
    where = names[0] if len(names) == 1 else contents.INDEX
    if report["mismatched_keys"]:
        name, found, wanted = min(report["mismatched_keys"])
        raise InputError(
            f"--model: {at.model}: {CONFIG}: describes {name} as {_shape(wanted)}, {where} holds it as {_shape(found)};"
            " take the configuration that was saved with the weights"
        )
    if report["missing_keys"]:
        missing = ", ".join(sorted(report["missing_keys"])[:3])
        raise InputError(
            f"--model: {at.model}: {where}: its safetensors lack weights ({missing} ...) that {CONFIG} describes; save "
            "it whole"
        )
    return model.eval()


def open_config(at: Located) -> Any:
    """The model's configuration, with attention and experts as the library computes them without being told how.

    Raises:
        InputError: it cannot be loaded.
    """
    with blamed(at.model, CONFIG), quietly():
        config = AutoConfig.from_pretrained(at.folder, **_options(at))
        config._attn_implementation = config._experts_implementation = None
        return config


def check_vocabulary(at: Located, tokenizer: Any, model: Any) -> None:
    """InputError if the tokenizer's ordinary tokens are more than the model has embeddings for.

    Tokens that were added to it, for padding say, may lie beyond: no text gives those that are special.
    """
    rows = vocabulary(model)
    added = tokenizer.added_tokens_decoder
    beyond = [token for token in tokenizer.get_vocab().values() if token >= rows and token not in added]
    if beyond:
        raise InputError(
            f"--model: {at.model}: {tokenizer_file(at.folder)}: has tokens up to {max(beyond)}, the model only {rows}; "
            "take the tokenizer that was saved with the weights"
        )


def vocabulary(model: Any) -> int:
    """How many tokens the model has embeddings for."""
    return int(model.get_input_embeddings().weight.shape[0])


@contextmanager
def quietly() -> Iterator[None]:
    """Without progress bars and notes of the library's; what matters of them is checked."""
    verbosity, bars = library_logging.get_verbosity(), library_logging.is_progress_bar_enabled()
    library_logging.set_verbosity(CRITICAL)
    library_logging.disable_progress_bar()
    try:
        yield
    finally:
        library_logging.set_verbosity(verbosity)
        if bars:
            library_logging.enable_progress_bar()


def _options(at: Located) -> dict[str, bool]:
    return {"trust_remote_code": at.code, "local_files_only": not at.code}  # code may name code of another repository


def _weights(at: Located) -> list[str]:
    """The files that may be read: those that are named, else all that lie there."""
    names = contents.weights(at.folder, at.model)
    there = [name for name in names if (at.folder / name).is_file()]
    return there or sorted(path.name for path in at.folder.iterdir() if fnmatch(path.name, WEIGHTS))


def _held(at: Located, names: list[str]) -> tuple[int, int]:
    """How many tensors the files hold, and how many numbers."""
    tensors = numbers = 0
    for name in names:
        with blamed(at.model, name), safe_open(at.folder / name, "pt") as file:
            for key in file.keys():  # noqa: SIM118  (it is no mapping)
                shape = file.get_slice(key).get_shape()
                tensors, numbers = tensors + 1, numbers + torch.Size(shape).numel()
    return tensors, numbers


@contextmanager
def _bounded(at: Located, tensors: int, numbers: int) -> Iterator[None]:
    """While a model is made, in this thread, of tensors that take no memory yet (meta), count them.

    Raises:
        InputError: they are more.
    """
    thread, left = threading.get_ident(), [tensors, numbers + SLACK_NUMBERS]

    def count(module: Any, name: str, tensor: Tensor | None) -> None:
        if tensor is None or tensor.device.type != "meta" or threading.get_ident() != thread:
            return
        left[0] -= 1
        left[1] -= tensor.numel()
        if min(left) < 0:
            raise InputError(
                f"--model: {at.model}: {CONFIG}: describes a model that is far larger than its weights; take the "
                "configuration that was saved with them"
            )

    hooks = [register_module_parameter_registration_hook(count), register_module_buffer_registration_hook(count)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _check_growth(at: Located) -> None:
    """InputError if a tokenizer's steps, one after the other, may make something endless of a short text."""
    if not (at.folder / TOKENIZER).is_file():
        return
    whole = read_object(at.folder / TOKENIZER, at.model, LARGEST_TOKENIZER)
    for name in ("normalizer", "pre_tokenizer", "decoder"):
        growth = math.prod(_growths(whole.get(name)))
        if growth > GROWTH:
            raise InputError(
                f"--model: {at.model}: {TOKENIZER}: its {name} may make a text {growth:.3g} times as long; mend it, or"
                " take another model"
            )


def _growths(part: Any) -> Iterator[float]:
    """How many times as long a text may become in each step of a part of a tokenizer, where it may grow at all."""
    waiting = [part]
    while waiting:
        each = waiting.pop()
        if not isinstance(each, dict):
            waiting += each if isinstance(each, list) else []
            continue
        waiting += each.values()
        added = each.get("content", each.get("prepend"))
        length = float(len(added)) if isinstance(added, str) else 0.0
        match each.get("type"):
            case "ByteLevel":
                yield 2
            case "Replace" if isinstance(pattern := each.get("pattern"), dict) and pattern.get("String"):
                yield max(1.0, length / len(pattern["String"]))
            case "Replace" | "Prepend":
                yield 1 + length  # as an expression may fit nothing, and so everywhere
            case "Precompiled":
                yield _longest(each.get("precompiled_charsmap"))


def _longest(charsmap: Any) -> int:
    """The longest text that a map of sentencepiece's puts in place of a character; they stand after its trie."""
    try:
        data = base64.b64decode(charsmap)
        return max(map(len, data[4 + int.from_bytes(data[:4], "little") :].split(b"\0")))
    except (TypeError, ValueError):
        return 1  # it cannot be loaded


def _shape(size: Any) -> str:
    return "x".join(map(str, size))
