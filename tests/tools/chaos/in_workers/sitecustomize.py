"""What Ray's workers do in these tests besides: note the answers given, and eat memory when they are told to.

Python imports a module of this name by itself; the project's own code knows nothing of it. The environment says

- SELFINSTRUCT_TEST_ANSWERS: file to which replicas add a byte for each answer,
- SELFINSTRUCT_TEST_HUNGER: a file; the replica that finds it removes it and eats,
- SELFINSTRUCT_TEST_MEGABYTES: how much.
"""

import os
import sys
import threading
import time
from pathlib import Path


def _note_answers(path: str) -> None:
    from selfinstruct.engines.template import TemplateEngine

    log, step = os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY), TemplateEngine.step

    def noting(self):  # type: ignore[no-untyped-def]
        completions = step(self)
        os.write(log, b"." * len(completions))
        return completions

    TemplateEngine.step = noting  # type: ignore[method-assign]


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
        for _ in range(int(os.environ["SELFINSTRUCT_TEST_MEGABYTES"]) // 50):
            eaten.append(b"x" * 50_000_000)
            time.sleep(0.01)
        time.sleep(60)


if any("default_worker" in part for part in sys.orig_argv) and "SELFINSTRUCT_TEST_ANSWERS" in os.environ:
    _note_answers(os.environ["SELFINSTRUCT_TEST_ANSWERS"])
    threading.Thread(target=_eat, args=(os.environ["SELFINSTRUCT_TEST_HUNGER"],), daemon=True).start()
