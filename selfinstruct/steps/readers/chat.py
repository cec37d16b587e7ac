"""The answers of a chat model: its thoughts left out, and then a list or form of its own, or JSON."""

from __future__ import annotations

from selfinstruct.steps.readers.base import BaseReader, items_after_preamble
from selfinstruct.steps.readers.thoughts import spoken


class ChatReader(BaseReader):
    """Reads what a chat model wrote."""

    def _answer(self, text: str) -> str | None:
        return spoken(text)

    def _items(self, answer: str) -> list[str]:
        return items_after_preamble(answer)
