"""Engines by name: each completes requests (`protocols.Engine`). Heavy imports happen only when one is opened."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, cast

from selfinstruct.engines.settings import (
    EMBEDDED,
    EngineSettings,
    OpenAIOptions,
    TemplateOptions,
    TransformersOptions,
    VLLMOptions,
)
from selfinstruct.errors import InputError
from selfinstruct.prompts import PromptSet
from selfinstruct.protocols import Engine

__all__ = [
    "EMBEDDED",
    "ENGINES",
    "EngineSettings",
    "OpenAIOptions",
    "TemplateOptions",
    "TransformersOptions",
    "VLLMOptions",
    "devices",
    "fetch",
    "identify",
    "open_engine",
    "pinned",
]


class _EngineModule(Protocol):
    """What each module in this folder offers."""

    def open_engine(self, settings: EngineSettings, prompts: PromptSet) -> Engine: ...

    def identify(self, settings: EngineSettings) -> dict[str, str]: ...


ENGINES = ("transformers", "vllm", "openai", "template")


def open_engine(settings: EngineSettings, prompts: PromptSet) -> Engine:
    """Load the engine: weights into memory, prompts' constant parts encoded.

    Raises:
        InputError: no such engine or model, or the model's context cannot hold the prompts.
        FailureError: the engine's server cannot be reached.
    """
    return _module(settings).open_engine(settings, prompts)


def fetch(settings: EngineSettings) -> None:
    """Bring the model's files to this node, if they are elsewhere and the engine reads any; `open_engine` would, too.

    Raises:
        InputError, FailureError: as `open_engine`.
    """
    if settings.engine in ("transformers", "vllm"):
        from selfinstruct.engines import checkpoint

        checkpoint.locate(settings)


def identify(settings: EngineSettings) -> dict[str, str]:
    """What of an engine alters the data (weights' hash or revision, dtype ...), for the run's fingerprint.

    Reads files, loads no weights. The path of a local model is no part of it; its content is.

    Raises:
        InputError: no such engine, or the model cannot be reached.
    """
    return _module(settings).identify(settings)


def pinned(settings: EngineSettings, identity: Mapping[str, str]) -> EngineSettings:
    """The same engine, held to what `identify` has found: a branch of the hub, or a prefix, may change meanwhile."""
    elsewhere = "model" in identity or "://" in settings.model  # a local folder has no commits
    if settings.engine not in ("transformers", "vllm") or not elsewhere:
        return settings
    changes: dict[str, Any] = {settings.engine: replace(settings.source, revision=identity["weights"])}
    return replace(settings, **changes)


def devices(settings: EngineSettings) -> int:
    """How many GPUs a replica of this engine makes use of, where there are any: none for those without a model.

    Raises:
        InputError: an option is wrong.
    """
    if settings.engine == "vllm":
        from selfinstruct.engines import vllm

        return vllm.devices(settings)
    return 1 if settings.engine == "transformers" else 0


def _module(settings: EngineSettings) -> _EngineModule:
    if settings.engine not in ENGINES:
        raise InputError(f"--engine: there is no engine {settings.engine!r} (there are: {', '.join(ENGINES)})")
    return cast(_EngineModule, importlib.import_module(f"selfinstruct.engines.{settings.engine}"))
