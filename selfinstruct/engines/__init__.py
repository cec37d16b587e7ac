"""Engines by name: each completes requests (`protocols.Engine`). Heavy imports happen only when one is opened."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, cast

from selfinstruct.engines.settings import (
    EMBEDDED,
    ENGINES,
    IN_FLIGHT,
    EngineSettings,
    OpenAIOptions,
    TemplateOptions,
    Traits,
    TransformersOptions,
    VLLMOptions,
)
from selfinstruct.errors import InputError
from selfinstruct.prompts import PromptSet
from selfinstruct.protocols import Engine
from selfinstruct.settings import problems_of

__all__ = [
    "EMBEDDED",
    "ENGINES",
    "IN_FLIGHT",
    "EngineSettings",
    "OpenAIOptions",
    "TemplateOptions",
    "Traits",
    "TransformersOptions",
    "VLLMOptions",
    "checked",
    "fetch",
    "identify",
    "identity_of",
    "in_flight_of",
    "name_of",
    "open_engine",
    "pinned",
    "traits",
]


class _EngineModule(Protocol):
    """What each module of an engine in this folder offers, `own` for all that are not this project's."""

    def traits(self, settings: EngineSettings) -> Traits: ...

    def open_engine(self, settings: EngineSettings, prompts: PromptSet) -> Engine: ...

    def identify(self, settings: EngineSettings) -> dict[str, str]: ...


def traits(settings: EngineSettings) -> Traits:
    """What others must know of an engine without opening it. Nobody needs to ask for its name.

    Raises:
        InputError: no such engine, or an option is wrong.
    """
    return _module(settings).traits(settings)


def name_of(settings: EngineSettings) -> str:
    """What is said to have written an engine's texts: a model, or a grammar."""
    return traits(settings).writer or settings.model_name


def in_flight_of(settings: EngineSettings, on_gpu: bool) -> int:
    """How many requests an engine holds at most where nobody says so."""
    return traits(settings).holds or IN_FLIGHT["gpu" if on_gpu else "cpu"]


def open_engine(settings: EngineSettings, prompts: PromptSet) -> Engine:
    """Load the engine: weights into memory, prompts' constant parts encoded.

    Raises:
        InputError: no such engine or model, an option is out of its bounds, or the model's context cannot hold the
            prompts.
        FailureError: the engine's server cannot be reached.
    """
    return _module(settings).open_engine(settings, prompts)


def fetch(settings: EngineSettings) -> None:
    """Bring the model's files to this node, if they are elsewhere and the engine reads any; `open_engine` would, too.

    Raises:
        InputError, FailureError: as `open_engine`.
    """
    if traits(settings).checkpoint:
        from selfinstruct.engines import checkpoint

        checkpoint.locate(settings)


def identify(settings: EngineSettings) -> dict[str, str]:
    """What of an engine alters the data (weights' hash or revision, dtype ...), for the run's fingerprint.

    Reads files, loads no weights. The path of a local model is no part of it; its content is.

    Raises:
        InputError: no such engine, or the model cannot be reached.
    """
    return _module(settings).identify(settings)


def identity_of(engine: Engine, model: str = "") -> dict[str, str]:
    """The same of an engine of the user's own that is open already.

    Args:
        model: The name of the model that it was opened with, if it has one.

    Raises:
        InputError: it is no engine, or names no identity.
    """
    from selfinstruct.engines import own

    return own.identity_of(engine, model)


def checked(engine: Engine) -> Engine:
    """The same engine, held to the protocol: its first wrong completion is an `InputError` that says so."""
    from selfinstruct.engines import own

    return own.checked(engine)


def pinned(settings: EngineSettings, identity: Mapping[str, str]) -> EngineSettings:
    """The same engine, held to what `identify` has found: a branch of the hub, or a prefix, may change meanwhile."""
    elsewhere = "model" in identity or "://" in settings.model  # a local folder has no commits
    if not elsewhere or not traits(settings).checkpoint:
        return settings
    changes: dict[str, Any] = {settings.engine: replace(settings.source, revision=identity["weights"])}
    return replace(settings, **changes)


def _module(settings: EngineSettings) -> _EngineModule:
    if problems := problems_of(settings):
        raise InputError(*problems)
    name = settings.engine if settings.engine in ENGINES else "own"
    return cast(_EngineModule, importlib.import_module(f"selfinstruct.engines.{name}"))
