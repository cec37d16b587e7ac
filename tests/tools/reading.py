"""What a reader finds, without its reasons: for tests of texts that are whole."""

from __future__ import annotations

from selfinstruct.records import Instance, Kind
from selfinstruct.steps.readers import Reader
from selfinstruct.steps.readers.paper import PaperReader
from selfinstruct.steps.readers.tolerant import TolerantReader

BASE, CHAT = PaperReader(), PaperReader(chat=True)
TOLERANT_BASE, TOLERANT_CHAT = TolerantReader(False, {}), TolerantReader(True, {})


def proposals(reader: Reader, text: str, opened: int = 9) -> list[str]:
    """The instructions in a completion."""
    return [found for found, reason in reader.proposals(text, opened, cut=False) if reason is None]


def instances(reader: Reader, kind: Kind, text: str) -> list[Instance]:
    """The instances in a completion."""
    return [found for found, reason in reader.instances(kind, text, cut=False) if reason is None]
