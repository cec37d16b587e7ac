"""What the commands that ask a model share: the model's options, the progress they show, and the answers' folder."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING

from cluster.settings import RaySettings
from jobs.panel import Bar, drawn
from jobs.voice import log
from selfinstruct.engines import EMBEDDED, EngineSettings
from selfinstruct.errors import InputError
from selfinstruct.prompts import PromptSet
from selfinstruct.records import Completion, Request
from selfinstruct.settings import MOST_ACTORS, Facts, option

if TYPE_CHECKING:
    from selfinstruct.storage.blobs import Blobs


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
    settings: AskedModel, url: str, prompts: PromptSet, requests: Sequence[Request], facts: Facts, shorter: str
) -> dict[str, Completion]:
    """The model's answer to each request, by its id; what was answered before is not asked again.

    Args:
        url: The folder in which answers are kept.
        facts: What they depend on beside the model and the prompt set.
        shorter: The option that allows for fewer new tokens.

    Raises:
        SelfInstructError: the model cannot be asked, or too many requests failed.
    """
    from cluster.completer import opened_completer
    from selfinstruct.engines import identify, pinned
    from selfinstruct.evaluation import answers as kept

    engine = settings.engine_settings
    identity = identify(engine)
    answers = kept.Answers(url, {**facts, **{f"model.{key}": value for key, value in identity.items()}})
    missing = sum(request.id not in answers for request in requests)
    if missing:
        check_room(engine, prompts, shorter)
        log.info(f"{url}: asking {settings.model} {missing} of {len(requests)} prompts")
        opened = pinned(engine, identity)
        with (
            drawn(Asking(missing)) as watch,
            opened_completer(opened, prompts, settings.replicas, settings.in_flight, settings.ray) as completer,
        ):
            kept.ask(completer, requests, answers, watch)
    kept.check_answered(answers, requests, settings.max_failed)
    return {request.id: answers[request.id] for request in requests}


def check_room(engine: EngineSettings, prompts: PromptSet, shorter: str) -> None:
    """InputError if a prompt of no length at all would be too long already; it says what to make smaller."""
    from selfinstruct.engines import traits
    from selfinstruct.engines.checkpoint import context

    if not traits(engine).checkpoint:
        return
    room, asked = context(engine), max(prompt.sampling.max_tokens for prompt in prompts.prompts.values())
    if room is not None and asked >= room:
        raise InputError(
            f"--model: {engine.model}: its context of {room} tokens has no room for a prompt and {asked} new tokens; "
            f"give a smaller {shorter}"
        )


def put_derived(blobs: Blobs, name: str, data: bytes) -> None:
    """Write a file that follows from the answers, unless it is there; one that differs stays, and is named."""
    if not blobs.put(name, data) and blobs.get(name) != data:
        log.info(f"note: {blobs.url}/{name} is there with other content; remove it to write it anew")


def json_text(value: object) -> bytes:
    """A JSON value as a file."""
    return (json.dumps(value, indent=1) + "\n").encode()


class Asking(Bar):
    """How many requests are answered, and how fast: a watch of those that ask."""

    def __init__(self, total: int) -> None:
        super().__init__("asking", total, before="starting")
        self._since = 0.0  # when the first came
        self._tokens: int | None = None  # that came after the first; None before

    def __call__(self, completions: Sequence[Completion]) -> None:
        """Count these."""
        if self._tokens is not None:
            self._tokens += sum(each.completion_tokens for each in completions)
        elif completions:
            self._since, self._tokens = time.monotonic(), 0
        self.advance(len(completions))

    def beside(self) -> str:
        """Tokens a second since the first answer, and the time left."""
        rate = f"{self._tokens / max(0.001, time.monotonic() - self._since):,.0f} tokens/s" if self._tokens else ""
        return ", ".join(part for part in (rate, super().beside()) if part)
