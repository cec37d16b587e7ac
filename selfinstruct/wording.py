"""Numbers in sentences."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """So many of something: "1 row", "2,000 rows". The noun's plural must end in s."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
