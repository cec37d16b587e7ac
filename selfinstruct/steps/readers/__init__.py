"""Readers: what a model's answer says, by how it was asked.

A reader turns the text of a completion into proposals, into a yes or no, and into instances. There is one for each
dialect, chosen once (`reader_of` a prompt set, `reader_for` the completions of somebody else); whoever needs an answer
read asks that object and no parser. Readers are pure: they can be improved and run again over stored completions.
"""

from __future__ import annotations

import json
from typing import Literal, Protocol, TypeAlias

from selfinstruct.prompts import PromptSet
from selfinstruct.records import Dialect, Kind, Reason
from selfinstruct.steps.readers.original import OriginalReader
from selfinstruct.steps.readers.paper import PaperReader
from selfinstruct.steps.readers.read import Proposed, Verdict
from selfinstruct.steps.readers.tolerant import TolerantReader

Reading: TypeAlias = Literal["tolerant", "paper"]
"""By whose rules answers are read: what real models write, in any form; or the paper and its released code."""


class Reader(Protocol):
    """Reads the answers of one dialect. No text is a mistake: one that says nothing gives nothing."""

    def proposals(self, text: str, opened: int, cut: bool) -> list[Proposed]:
        """The instructions in an answer to `Kind.PROPOSE`, in order.

        Args:
            opened: The number that the prompt's list was left open at.
            cut: The answer was cut by length.
        """

    def classification(self, text: str) -> bool | None:
        """What an answer to `Kind.CLASSIFY` says; None if it can be read as neither."""

    def instances(self, kind: Kind, text: str, cut: bool) -> list[Verdict]:
        """The instances in an answer of this kind, unfiltered and in order."""

    def told(self, text: str) -> bool | None:
        """Whether an answer to `Kind.INSTANTIATE` that holds instances takes its task for classification."""

    def silence(self, text: str, cut: bool) -> Reason:
        """Why an answer holds nothing, for a row that says so. `cut` as for `instances`."""


def reader_of(prompts: PromptSet, reading: Reading = "tolerant") -> Reader:
    """The reader of what a prompt set asks for: JSON where it gives a schema, the forms of the paper elsewhere."""
    keys = {kind: _list_key(prompts[kind].schema) for kind in prompts.kinds if prompts[kind].schema}
    return PaperReader(prompts.chat, keys) if reading == "paper" else TolerantReader(prompts.chat, keys)


def reader_for(dialect: Dialect, reading: Reading = "tolerant") -> Reader:
    """The reader of completions whose prompts are not at hand. A chat model may have been asked for JSON."""
    if dialect is Dialect.ORIGINAL:
        return OriginalReader()
    chat = dialect is Dialect.CHAT
    keys = {**dict.fromkeys(Kind, "instances"), Kind.PROPOSE: "tasks"} if chat else {}
    return PaperReader(chat, keys) if reading == "paper" else TolerantReader(chat, keys)


def _list_key(schema: str) -> str:
    """Under which key a schema wants its list."""
    properties = json.loads(schema).get("properties", {})
    return next((key for key, value in properties.items() if value.get("type") == "array"), "")
