"""Proposing instructions (paper, section 2.2.1): choose the demonstrations, render the prompt, parse the answer."""

from __future__ import annotations

import re
from dataclasses import dataclass

from selfinstruct.draws import Draws, seed_of
from selfinstruct.pool import Pool
from selfinstruct.prompts import PromptSet
from selfinstruct.records import Dialect, Kind, Request
from selfinstruct.steps import original
from selfinstruct.steps.answers import as_text, json_values

_ITEM = re.compile(r"\n\s*\d+\s?\.\s")
_LEADING_ITEM = re.compile(r"\A\s*\d+\s?\.\s")


@dataclass(frozen=True)
class ProposeSettings:
    """What each propose prompt shows.

    Args:
        seeds: Demonstrations drawn from the seed tasks.
        generated: Demonstrations drawn from the instructions the run has accepted; seeds stand in while it has none.
    """

    seeds: int = 6
    generated: int = 2


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """A propose request and the demonstrations (pool ordinals) that its prompt shows, in order."""

    request: Request
    strategy: str
    demonstrations: tuple[int, ...]


def plan_request(
    id: str, run_seed: int, settings: ProposeSettings, pool: Pool, size: int, prompts: PromptSet
) -> PlannedRequest:
    """The propose request of this id, a pure function of its arguments and the first `size` entries of the pool."""
    draws = Draws("plan", run_seed, id)
    generated = draws.sample(range(pool.seeds, size), settings.generated)
    seeds = draws.sample(range(pool.seeds), settings.seeds + settings.generated - len(generated))
    shown = tuple(draws.sample([*seeds, *generated], len(seeds) + len(generated)))
    suffix = prompts[Kind.PROPOSE].fill_demonstrations([pool.texts[ordinal] for ordinal in shown])
    request = Request(id, Kind.PROPOSE, suffix, seed_of("request", run_seed, id))
    return PlannedRequest(request, "paper", shown)


def read_proposals(text: str, prompts: PromptSet) -> list[str]:
    """The instructions in a completion, as its prompt set asks for them: JSON, or the items of a list."""
    answer = prompts.answer(text) or ""
    if prompts[Kind.PROPOSE].schema and (found := _from_json(answer)):
        return found
    return parse_proposals(answer, continues_item=not prompts.chat)


def _from_json(text: str) -> list[str]:
    """The texts of the first list that has some, bare or within an object."""
    for value in json_values(text):
        for items in value.values() if isinstance(value, dict) else [value]:
            texts = (
                [_clean(as_text(item)) for item in items if isinstance(item, str)] if isinstance(items, list) else []
            )
            if any(texts):
                return list(filter(None, texts))
    return []


def parse_proposals(text: str, continues_item: bool) -> list[str]:
    """The instructions in a completion, white space collapsed and the first letter made a capital.

    A base model continues the open item of the list, so the text before the next number is an instruction as well
    (`continues_item`); what a chat model says before its first number is a preamble.
    """
    if not continues_item:
        text = "\n" + text
    first, *rest = _ITEM.split(text)
    pieces = [_LEADING_ITEM.sub("", first, count=1), *rest] if continues_item else rest
    return [clean for piece in pieces if (clean := _clean(piece))]


def dialect_of(prompts: PromptSet) -> Dialect:
    """How completions of these prompts are written."""
    return Dialect.CHAT if prompts.chat else Dialect.BASE


def parse_dialect(text: str, dialect: Dialect, prompts: PromptSet) -> list[str]:
    """The instructions in a completion, read as whoever asked for it does: this run by `prompts`, or another."""
    if dialect is Dialect.ORIGINAL:
        return original.parse_proposals(text)
    if dialect is dialect_of(prompts):
        return read_proposals(text, prompts)
    return parse_proposals(text, continues_item=dialect is Dialect.BASE)


def _clean(text: str) -> str:
    text = " ".join(text.split())
    return text[:1].upper() + text[1:]
