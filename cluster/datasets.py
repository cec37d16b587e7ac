"""Tables as a Ray dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


def dataset_of(tables: Sequence[Any]) -> Any:
    """A `ray.data.Dataset` with a block for each `pa.Table`."""
    import ray.data

    return ray.data.from_arrow(list(tables))
