"""Tables as a Ray dataset, on the cluster that this process is connected to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import ray

from selfinstruct.errors import InputError


def dataset_of(tables: Sequence[Any]) -> Any:
    """A `ray.data.Dataset` with a block for each `pa.Table`.

    Raises:
        InputError: this process is not connected to Ray, which would look for a cluster by itself.
    """
    if not ray.is_initialized():
        raise InputError("Ray Data needs a cluster: call ray.init() before")
    from ray.data import from_arrow

    return from_arrow(list(tables))
