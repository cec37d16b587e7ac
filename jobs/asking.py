"""What the commands that ask a model share: the model's options, the progress they show, and the answers' folder."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from cluster.settings import RaySettings
from jobs.voice import log
from selfinstruct.engines import EMBEDDED, EngineSettings
from selfinstruct.errors import InputError
from selfinstruct.prompts import PromptSet
from selfinstruct.records import Completion, Request
from selfinstruct.settings import MOST_ACTORS, Facts, option

if TYPE_CHECKING:
    from selfinstruct.storage.blobs import Blobs

LOG_EVERY = 30.0
"""Seconds between two lines about how far it is."""


@dataclass(frozen=True, kw_only=True)
class AskedModel(EngineSettings):
    """The model that is asked.

    Args:
        engine: What answers: transformers, vllm, openai (a server), template (a grammar, no model), or one of your own
            as package.module:Name.
        model: Name or folder of the model, or its name on the server (tiny: the embedded demonstration model).
        replicas: Copies of the model, each in a Ray actor of its own; 0 is one in this process, without Ray (default:
            1; 0 where no model runs here, as with openai and template, and no cluster is named).
        in_flight: Requests that each replica holds at most (default: 512 on a GPU, with openai four times what its
            options let be under way, else 64).
        max_failed: Share of requests that may fail; they count as answered with nothing.
    """

    model: str = EMBEDDED
    replicas: int | None = option(None, least=0, most=MOST_ACTORS)
    in_flight: int | None = option(None, least=1)
    max_failed: float = option(0.05, least=0, most=1)
    ray: RaySettings = field(default_factory=RaySettings)

    @property
    def engine_settings(self) -> EngineSettings:
        """The engine's part of these settings."""
        return EngineSettings(**{each.name: getattr(self, each.name) for each in fields(EngineSettings)})


def answers_of(
    settings: AskedModel, url: str, prompts: PromptSet, requests: Sequence[Request], facts: Facts
) -> dict[str, Completion]:
    """The model's answer to each request, by its id; what was answered before is not asked again.

    Args:
        url: The folder in which answers are kept.
        facts: What they depend on beside the model and the prompt set.

    Raises:
        SelfInstructError: the model cannot be asked, or too many requests failed.
    """
    from cluster.completer import opened_completer
    from selfinstruct.engines import identify, pinned
    from selfinstruct.evaluation.answers import Answers, ask, check_answered

    engine = settings.engine_settings
    identity = identify(engine)
    answers = Answers(url, {**facts, **{f"model.{key}": value for key, value in identity.items()}})
    missing = sum(request.id not in answers for request in requests)
    if missing:
        check_room(engine, prompts)
        log.info(f"{url}: asking {settings.model} {missing} of {len(requests)} prompts")
        progress = Progress(missing)
        with opened_completer(
            pinned(engine, identity), prompts, settings.replicas, settings.in_flight, settings.ray
        ) as completer:
            ask(completer, requests, answers, progress)
    check_answered(answers, requests, settings.max_failed)
    return {request.id: answers[request.id] for request in requests}


def check_room(engine: EngineSettings, prompts: PromptSet) -> None:
    """InputError if a prompt of no length at all would be too long already."""
    from selfinstruct.engines import traits
    from selfinstruct.engines.checkpoint import context

    if not traits(engine).checkpoint:
        return
    room, asked = context(engine), max(prompt.sampling.max_tokens for prompt in prompts.prompts.values())
    if room is not None and asked >= room:
        raise InputError(
            f"--model: {engine.model}: its context of {room} tokens has no room for a prompt and {asked} new tokens; "
            "give a smaller max_tokens"
        )


def put_derived(blobs: Blobs, name: str, data: bytes) -> None:
    """Write a file that follows from the answers, unless it is there; one that differs stays, and is named."""
    if not blobs.put(name, data) and blobs.get(name) != data:
        log.info(f"note: {blobs.url}/{name} is there with other content; remove it to write it anew")


def json_text(value: object) -> bytes:
    """A JSON value as a file."""
    return (json.dumps(value, indent=1) + "\n").encode()


class Progress:
    """Says on stderr every half minute how far it is."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._done = self._tokens = 0
        self._begun = self._said = time.monotonic()

    def __call__(self, completions: Sequence[Completion]) -> None:
        """Count these, and speak if it is time to."""
        self._done += len(completions)
        self._tokens += sum(each.completion_tokens for each in completions)
        now = time.monotonic()
        if now - self._said < LOG_EVERY:
            return
        self._said = now
        spent = now - self._begun
        left = f", about {spent / self._done * (self._total - self._done) / 60:.0f} min left" if self._done else ""
        rate = f"{self._tokens / spent:.0f} tokens/s"
        print(f"{self._done} of {self._total} answered, {rate}{left}", file=sys.stderr, flush=True)
