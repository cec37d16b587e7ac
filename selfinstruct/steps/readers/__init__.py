"""Readers: what a model's answer says, by how it was asked.

A reader turns the text of a completion into proposals, into a yes or no, and into instances. There is one for each
dialect, chosen once (`reader_of` a prompt set, `reader_for` the completions of somebody else); whoever needs an answer
read asks that object and no parser. Readers are pure: they can be improved and run again over stored completions.
"""

from __future__ import annotations

from typing import Protocol

from selfinstruct.prompts import PromptSet
from selfinstruct.records import Dialect, Instance, Kind, Reason
from selfinstruct.steps.readers.base import BaseReader
from selfinstruct.steps.readers.chat import ChatReader
from selfinstruct.steps.readers.original import OriginalReader


class Reader(Protocol):
    """Reads the answers of one dialect. No text is a mistake: one that says nothing gives nothing."""

    def proposals(self, text: str) -> list[str]:
        """The instructions in an answer to `Kind.PROPOSE`, white space collapsed, in order."""

    def classification(self, text: str) -> bool | None:
        """What an answer to `Kind.CLASSIFY` says; None if it can be read as neither."""

    def instances(self, kind: Kind, text: str) -> list[Instance]:
        """The instances in an answer of this kind, unfiltered and in order."""

    def told(self, text: str) -> bool:
        """Whether an answer to `Kind.INSTANTIATE` that holds instances takes its task for classification."""

    def silence(self, text: str) -> Reason:
        """Why an answer holds nothing, for a row that says so."""


def reader_of(prompts: PromptSet) -> Reader:
    """The reader of what a prompt set asks for: JSON where it gives a schema, the forms of the paper elsewhere."""
    structured = frozenset(kind for kind in prompts.kinds if prompts[kind].schema)
    return ChatReader(structured) if prompts.chat else BaseReader(structured)


def reader_for(dialect: Dialect) -> Reader:
    """The reader of completions whose prompts are not at hand. A chat model may have been asked for JSON."""
    match dialect:
        case Dialect.BASE:
            return BaseReader()
        case Dialect.CHAT:
            return ChatReader(frozenset(Kind))
        case Dialect.ORIGINAL:
            return OriginalReader()
