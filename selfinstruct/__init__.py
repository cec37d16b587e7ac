"""Self-Instruct (Wang et al. 2022, arXiv 2212.10560): the algorithm, values in and values out, and its Python face.

Read `run/rounds.py` first. Nothing in this package knows of Ray; `cluster/` implements the protocols of
`protocols.py` on a cluster and `jobs/` holds what people run.

The names below are those of `face.py`, loaded when one of them is first asked for: the import itself takes no time.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from selfinstruct.version import __version__ as __version__

if TYPE_CHECKING:
    from selfinstruct.face import *

__all__ = [
    "Completion",
    "CorruptError",
    "Engine",
    "FailureError",
    "FingerprintError",
    "Finish",
    "HeldError",
    "InputError",
    "Instance",
    "Kind",
    "NearestText",
    "NoveltyIndex",
    "PromptSet",
    "Reason",
    "Request",
    "SeedTask",
    "SelfInstructError",
    "StoredRun",
    "Task",
    "Verdict",
    "YieldError",
    "constraints",
    "dedup",
    "generate",
    "load_prompts",
    "open_run",
    "read_seeds",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module("selfinstruct.face"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
