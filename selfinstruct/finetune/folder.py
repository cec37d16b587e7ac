"""The folder of a tuned model: what it is made from, metrics as they come, and at the end the model itself.

    finetune.json    facts (options, base, data), the account of the examples, and the outcome once there is one
    metrics.jsonl    a line for every few steps
    README.md, config.json, model.safetensors, tokenizer.json ...    the model, whole or not at all
    checkpoints/     while training, unless they lie elsewhere

`config.json` comes last: no engine takes a folder without it for a model.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from selfinstruct.engines import EngineSettings
from selfinstruct.engines.checkpoint import fingerprint
from selfinstruct.engines.contents import CONFIG
from selfinstruct.errors import FingerprintError, HeldError, InputError
from selfinstruct.places import local
from selfinstruct.settings import Facts, differences

log = logging.getLogger(__name__)

RECORD = "finetune.json"
METRICS = "metrics.jsonl"
CHECKPOINTS = "checkpoints"


class ModelFolder:
    """A local folder that a tuned model comes to lie in."""

    def __init__(self, path: str | Path) -> None:
        self.path = local(path).absolute()
        self._tuned = self.path / ".tuned"
        self._lock: int | None = None

    def hold(self) -> None:
        """Keep other trainings from the folder, if it is there, until it is closed or this process has ended.

        Raises:
            HeldError: another one is at work in it.
        """
        if self._lock is not None or not self.path.is_dir():
            return
        lock = os.open(self.path, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock)
            problem = "another finetune is at work here; let it go on, or end it and start again"
            raise HeldError(f"{self.path}: {problem}") from None
        except OSError as error:  # a file system that knows no locks of folders, as NFS
            log.warning("%s: cannot be locked (%s); see that no other finetune works here", self.path, error.strerror)
        self._lock = lock

    def close(self) -> None:
        """Let others have it."""
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def begin(self, facts: Facts, record: Mapping[str, Any]) -> bool:
        """Begin, or go on with the same facts; returns whether the model is there already.

        Raises:
            InputError: the folder holds something else, or cannot be written.
            HeldError: as `hold`.
            FingerprintError: it was begun with other facts.
        """
        self.hold()
        begun = self.record()
        if begun is not None:
            different = differences(facts, begun["facts"])
            if different:
                raise FingerprintError(
                    f"{self.path}: this model was begun with other options; give those, or another --out", *different
                )
            return bool(begun.get("outcome"))
        try:
            if self.path.exists() and any(self.path.iterdir()):
                raise InputError(f"{self.path}: holds something else (no {RECORD}); give another --out")
            self.path.mkdir(parents=True, exist_ok=True)
            self.hold()
            self._write(RECORD, json.dumps({"facts": dict(facts), **record}, indent=1) + "\n")
        except OSError as error:
            reason = error.strerror or error
            raise InputError(
                f"{self.path}: cannot write here ({reason}); choose a folder that you may write"
            ) from error
        return False

    def record(self) -> dict[str, Any] | None:
        """What `finetune.json` says; None if it is not there. InputError if it cannot be read."""
        try:
            record: dict[str, Any] = json.loads((self.path / RECORD).read_text("utf-8"))
            record["facts"]
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{self.path / RECORD}: cannot be read ({error}); give another --out") from error
        return record

    def rewind(self, step: int) -> None:
        """Drop metrics of steps that will be taken again."""
        kept = [row for row in self.metrics() if row["step"] <= step]
        self._write(METRICS, "".join(json.dumps(row) + "\n" for row in kept))

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row of metrics."""
        with (self.path / METRICS).open("a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def metrics(self) -> Iterator[dict[str, Any]]:
        """The rows of metrics; a last line that was cut off is none."""
        path = self.path / METRICS
        for line in path.read_text("utf-8").splitlines() if path.exists() else ():
            try:
                yield json.loads(line)
            except ValueError:
                return

    def fresh(self) -> Path:
        """An empty folder within, for the files of the tuned model; what a killed process left in it is gone."""
        shutil.rmtree(self._tuned, ignore_errors=True)
        self._tuned.mkdir()
        return self._tuned

    def publish(self, card: str, outcome: Mapping[str, Any]) -> None:
        """Take the tuned model out of the fresh folder, with its card, and say that it is whole and what it is."""
        weights = fingerprint(EngineSettings(model=str(self._tuned)))
        (self._tuned / "README.md").write_text(card, encoding="utf-8")
        for file in sorted(self._tuned.iterdir(), key=lambda path: path.name == CONFIG):
            os.replace(file, self.path / file.name)
        self._tuned.rmdir()
        record = {**(self.record() or {}), "outcome": {**outcome, **weights}}
        self._write(RECORD, json.dumps(record, indent=1) + "\n")

    def _write(self, name: str, text: str) -> None:
        temporary = self.path / f".{name}"
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, self.path / name)
