"""What the console script and `python -m selfinstruct` run: `jobs.main`, once it is sure to be this project's.

The top-level names `jobs` and `cluster` are common ones. Where another package of such a name comes first on the path,
all commands, and all workers on a cluster, would fail in ways that name neither.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path


def main() -> int:
    """Run the command line; returns its exit code, 2 where another package hides ours."""
    home = Path(__file__).parents[1]
    for name in ("cluster", "jobs"):
        if (found := _folder(name)) != home / name:
            other = found or "nothing"
            print(f"selfinstruct: `import {name}` finds {other}, not {home / name}; {MEND}", file=sys.stderr)
            return 2
    from jobs.main import main as command_line

    return command_line()


MEND = "take the other package out of the way (see PYTHONPATH), or install selfinstruct in an environment of its own"


def _folder(name: str) -> Path | None:
    """Where a package that `import` would find lies; None if there is none."""
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


if __name__ == "__main__":
    sys.exit(main())
