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
import re
from collections.abc import Sequence


class SelfInstructError(Exception):
    """The root. `problems` are all that a user sees of it, one printable line each."""

    exit_code = 1

    def __init__(self, *problems: str) -> None:
        super().__init__(*map(printable, problems))

    @property
    def problems(self) -> Sequence[str]:
        """What is wrong: a line break or an escape in it, of a file's name say, is shown as `\\n` or `\\x1b`."""
        return self.args

    def __str__(self) -> str:
        return "\n".join(self.problems)


class InputError(SelfInstructError):
    """Something the user gave is wrong: what, where, how to mend it."""

    exit_code = 2


_NO_MEMORY = re.compile(
    r"failed to map segment|(cannot|can't) allocate memory|can't start new thread|std::bad_alloc|unable to allocate",
    re.IGNORECASE,
)
"""What the system and libraries say where there is no memory, or no room for another thread."""


def out_of_memory(error: BaseException) -> FailureError | None:
    """The error as one of ours, if it is that memory, or what threads need of it, is exhausted."""
    if isinstance(error, MemoryError) or (isinstance(error, Exception) and _NO_MEMORY.search(str(error))):
        return FailureError(f"memory is exhausted ({type(error).__name__}); give the command more, or less to do")
    return None


def printable(text: str) -> str:
    """Text on one line, whose control characters, marks of direction and the like are shown, not heeded."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


UNUSABLE = frozenset(
    {errno.EACCES, errno.EPERM, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG, errno.EROFS}
)
"""What the system says of a path in whose place another one must be named."""


FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the system says when there is no space."""


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
