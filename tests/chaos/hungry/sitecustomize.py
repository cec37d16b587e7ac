"""For workers of Ray in the tests: a replica that finds the file named in SELFINSTRUCT_TEST_HUNGER eats memory.

Python imports a module of this name by itself; the project's own code knows nothing of it.
"""

import os
import sys
import threading
import time
from pathlib import Path


def _eat(path: str) -> None:
    while True:
        time.sleep(0.1)
        if b"ray::Replica" not in Path("/proc/self/cmdline").read_bytes():
            continue
        try:
            os.unlink(path)  # the one that finds it
        except FileNotFoundError:
            continue
        eaten = []
        for _ in range(int(os.environ.get("SELFINSTRUCT_TEST_MEGABYTES", "2000")) // 50):
            eaten.append(b"x" * 50_000_000)
            time.sleep(0.01)
        time.sleep(60)


if (_path := os.environ.get("SELFINSTRUCT_TEST_HUNGER")) and any("default_worker" in part for part in sys.orig_argv):
    threading.Thread(target=_eat, args=(_path,), daemon=True).start()
