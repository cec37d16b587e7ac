"""What `import selfinstruct as si` offers: a thin face over the parts that the commands are made of.

Modules of this folder are the only ones of this package that reach up, late and in functions, into `cluster` and
`jobs`: an index over Ray shards and a run on replicas begin here as they do on the command line.
"""

from selfinstruct import constraints
from selfinstruct.errors import (
    CorruptError,
    FailureError,
    FingerprintError,
    HeldError,
    InputError,
    SelfInstructError,
    YieldError,
)
from selfinstruct.face.generating import generate
from selfinstruct.face.index import NearestText, NoveltyIndex
from selfinstruct.face.runs import StoredRun, open_run
from selfinstruct.face.texts import dedup, read_seeds
from selfinstruct.novelty.dedup import Verdict
from selfinstruct.prompts import PromptSet, load_prompts
from selfinstruct.protocols import Engine
from selfinstruct.records import Completion, Finish, Instance, Kind, Reason, Request, SeedTask, Task

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
