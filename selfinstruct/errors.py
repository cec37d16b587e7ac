"""The errors a user can meet, and the exit code of each.

    SelfInstructError            1   anything this project raises on purpose
    ├── InputError               2   config, seeds, prompts, model or paths are wrong: nothing was begun
    │   └── FingerprintError     2   a run is resumed with options that would alter its data
    ├── HeldError                3   another driver writes this run
    ├── YieldError               4   the run gives nothing new any more
    ├── FailureError             5   too many failed requests, or replicas that never come back
    └── CorruptError             6   a committed file is torn, altered, foreign or missing
        └── NewerError           6   it was written by a newer version, and nothing is wrong with it

A model's bad text is no error: it is data, counted under its reason.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence


class SelfInstructError(Exception):
    """The root; its text is the one line that a user sees."""

    exit_code = 1


class InputError(SelfInstructError):
    """Something the user gave is wrong. `problems` are all of it, one line each: what, where, how to mend it."""

    exit_code = 2

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems: Sequence[str] = problems


UNUSABLE = frozenset(
    {errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EROFS}
)
"""What the system says of a path in whose place another one must be named."""


class FingerprintError(InputError):
    """A run was begun with other settings than it is resumed with; the text names the keys."""


class HeldError(SelfInstructError):
    """Another driver won this round: exactly one goes on, and it is not this one."""

    exit_code = 3


class YieldError(SelfInstructError):
    """Several rounds in a row accepted nothing."""

    exit_code = 4


class FailureError(SelfInstructError):
    """Infrastructure or requests failed beyond what may be committed; what is committed stays."""

    exit_code = 5


class CorruptError(SelfInstructError):
    """The run's files do not fit together; the text names the file."""

    exit_code = 6


class NewerError(CorruptError):
    """A newer version of this program wrote a file; the text names it, and says to upgrade."""
