"""The grammar's vocabulary: tables by name, each with rows of equally many columns.

It is data: `data/phrases.json` has the tables of one column, `data/tables.json` the others and what their columns are.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TypeAlias

DATA = Path(__file__).parent / "data"

Row: TypeAlias = tuple[str, ...]


@cache
def tables() -> Mapping[str, tuple[Row, ...]]:
    """Rows by table."""
    phrases = json.loads((DATA / "phrases.json").read_bytes())
    wider = json.loads((DATA / "tables.json").read_bytes())
    found = {name: tuple((phrase,) for phrase in texts) for name, texts in phrases.items()}
    return found | {name: tuple(map(tuple, table["rows"])) for name, table in wider.items()}
