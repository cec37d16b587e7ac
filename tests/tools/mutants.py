"""Would the simulator notice? `python -m tests.tools.mutants` breaks the protocol at one place at a time: all red?

Each mutant is a replacement of text in one file of a copy of the project. The same simulations must be green for the
copy that is not broken, and red for all others; a text that is not there any more is an error, not a pass. Of the
roster, what simulations seldom come to is for its own tests to find.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
RUNS = 150
"""Of each kind of schedule, for a mutant that is not found out earlier."""


@dataclass(frozen=True)
class Mutant:
    """What is broken: a text of a file under selfinstruct/, or another house, and what stands there instead."""

    name: str
    file: str
    old: str
    new: str
    house: str = "selfinstruct"


MUTANTS = (
    Mutant(
        "files are not synced",
        "storage/local_blobs.py",
        "            self._os.fsync(handle)\n        except",
        "        except",
    ),
    Mutant(
        "folders are not synced",
        "storage/local_blobs.py",
        "            self._sync(final.parent)\n            self._discard_left(final)\n            return won",
        "            self._discard_left(final)\n            return won",
    ),
    Mutant(
        "what is listed is taken for durable",
        "storage/local_blobs.py",
        "                    self._sync(self.root / folder)\n",
        "                    pass\n",
    ),
    Mutant("files are replaced, not linked", "storage/local_blobs.py", "self._os.link(", "self._os.replace("),
    Mutant("leftovers stay", "storage/store.py", "            self.blobs.sweep(folder)", "            pass"),
    Mutant("PUT without a condition", "storage/object_blobs.py", 'mode="create"', 'mode="overwrite"'),
    Mutant(
        "listings are believed",
        "storage/store.py",
        "while end in found or self.blobs.exists(name_of(table, end)):",
        "while end in found:",
    ),
    Mutant(
        "another's proposals are adopted", "storage/store.py", "if file.table is Table.PROPOSALS and", "if False and"
    ),
    Mutant(
        "the digest chain is not followed",
        "storage/verify.py",
        "elif key and self.digests",
        "elif False and self.digests",
    ),
    Mutant(
        "inserting twice counts twice",
        "novelty/index.py",
        "self.encode(texts[len(self) - first :])",
        "self.encode(texts)",
    ),
    Mutant("similar texts of one round pass", "novelty/check.py", "if inside is not None:", "if False:"),
    Mutant(
        "rows in the order of arrival",
        "run/batches.py",
        "for planned in self._planned:",
        "for planned in sorted(self._planned, key=lambda each: list(self._completions).index(each.request.id)):",
    ),
    Mutant(
        "planned from the newest pool",
        "run/rounds.py",
        "size = self.pool.size_after(max(0, number - settings.rounds.lag))",
        "size = len(self.pool)",
    ),
    Mutant(
        "cells of all that is there",
        "run/rounds.py",
        "CellIndex(self.pool.cells, view.others)",
        "CellIndex(self.pool.cells, range(self.pool.seeds, len(self.pool)))",
    ),
    Mutant(
        "documents begin anew in each life",
        "run/loop.py",
        "if run.gives_documents and (planned",
        "if False and (planned",
    ),
    Mutant(
        "documents begin anew in each round",
        "run/rounds.py",
        "first = self._documents.get(number - 1, 0)",
        "first = 0",
    ),
    Mutant(
        "the mix goes by what is not there yet",
        "run/bringing.py",
        "end = number - self._settings.feedback.lookback",
        "end = number - 1",
    ),
    Mutant(
        "a run that goes on has not heard what was brought",
        "run/loop.py",
        "if number > 0 and run.recalls(",
        "if False and run.recalls(",
    ),
    Mutant(
        "shares are added up in no order",
        "steps/strategies/mix.py",
        "for name, share in self._shares.items():",
        "for name, share in sorted(self._shares.items(), key=lambda each: id(each[1])):",
    ),
    Mutant(
        "what is near within a round is not measured",
        "semantic/admission.py",
        "if places[each] in self._admitted:",
        "if False:",
    ),
    Mutant(
        "what comes later in a round is near, too",
        "semantic/index.py",
        "fit = held[theirs] < asked[ours]",
        "fit = held[theirs] != asked[ours]",
    ),
    Mutant(
        "answered from the text after it",
        "steps/strategies/document.py",
        "self._documents[self._numbers[id]]",
        "self._documents[self._numbers[id] + 1]",
    ),
    Mutant(
        "a life forgets from what instructions are answered",
        "run/rounds.py",
        "return brings or (self.settings",
        "return brings or (False and self.settings",
    ),
    Mutant("copies are kept", "run/verdicts.py", "if copies and copies.above", "if False and copies.above"),
    Mutant(
        "runs of words that lap over count twice",
        "steps/ngrams.py",
        "covered += at + n - max(end, at)",
        "covered += n",
    ),
    Mutant(
        "a child is compared with its parent alone",
        "novelty/index.py",
        "found[found != without]",
        "found[found == without]",
    ),
    Mutant(
        "a child may repeat its parent",
        "run/verdicts.py",
        "return score if score > criteria.similar else None",
        "return None",
    ),
    Mutant(
        "the seed depends on the attempt",
        "steps/strategies/listed.py",
        'seed_of("request", self._run_seed, id)',
        'seed_of("request", self._run_seed, id, globals().setdefault("IDS", []).append(id) or IDS.count(id))',
    ),
    Mutant(
        "failed requests leave no candidates",
        "run/verdicts.py",
        "    if not found:\n        yield _candidate(proposal",
        "    if not found and lost is not Reason.FAILED:\n        yield _candidate(proposal",
    ),
    Mutant(
        "failed requests leave no proposals",
        "run/batches.py",
        "for planned in self._planned:",
        "for planned in [each for each in self._planned"
        " if self._completions[each.request.id].finish is not Finish.FAILED]:",
    ),
    Mutant(
        "an answer counts each time",
        "run/rounds.py",
        "self._in_flight.pop(completion",
        "self._in_flight.get(completion",
    ),
    Mutant(
        "committed proposals are asked again",
        "run/loop.py",
        "if number not in committed[Table.CANDIDATES]:",
        "if False:",
    ),
    Mutant("failures are kept", "run/keeping.py", "if completion.finish is Finish.FAILED:", "if False:"),
    Mutant("kept answers are asked again", "run/keeping.py", "if answer is not None and answer", "if False and answer"),
    Mutant(
        "another request's answer is taken",
        "run/keeping.py",
        "if answer is not None and answer.request == key:",
        "if answer is not None:",
    ),
    Mutant(
        "answers of other facts are taken",
        "storage/segments.py",
        'if fingerprint is not None and head["fingerprint"] != fingerprint:',
        "if False:",
    ),
    Mutant(
        "a segment goes when one of its rounds is committed",
        "run/keeping.py",
        "if not any(map(self._is_open, places))",
        "if not all(map(self._is_open, places))",
    ),
    Mutant(
        "checks are written out of order",
        "run/checking.py",
        "            if each.missing:\n                break\n",
        "            if each.missing:\n                continue\n",
    ),
    Mutant(
        "planned before it is checked",
        "run/rounds.py",
        "self._proven_for(number) < self.complete_rounds",
        "self._proven_for(number) < self.labelled",
    ),
    Mutant(
        "answers to the questions in another order",
        "steps/judging.py",
        "_judgement(said.get(key)) for key in questions",
        "_judgement(said.get(key)) for key in reversed(questions)",
    ),
    Mutant("all rows are judged", "steps/checks.py", "return in_share(id, self.share, self.seed)", "return True"),
    Mutant(
        "a run that goes on hears less of its check",
        "run/loop.py",
        "run.judged(number, checks.read(number) if run.looks_back else ())",
        "run.judged(number, ())",
    ),
    Mutant("what did not pass is shown", "run/rounds.py", "if row.id not in failing", "if True"),
    Mutant(
        "committed checks are asked again",
        "run/loop.py",
        "judged = set(checks.rounds()) if checks else set()",
        "judged = set[int]()",
    ),
    Mutant(
        "a check's kept answers go with the labels",
        "run/keeping.py",
        'CHECKS if rest.endswith("/check") else ',
        "",
    ),
    Mutant(
        "done before all is checked",
        "run/rounds.py",
        "and self.complete_rounds == self.pool.rounds",
        "and self.labelled == self.pool.rounds",
    ),
)


ROSTER = (
    Mutant("one strike is enough", "blame.py", "< STRIKES:", "< 1:", "cluster"),
    Mutant("strikes without end", "blame.py", "< STRIKES:", "< 10**9:", "cluster"),
    Mutant(
        "strikes before a replica is proven",
        "blame.py",
        "case End.OWN, _, 1, False:\n            return Fate.AGAIN",
        "case End.OWN, _, 1, False:\n            return Fate.STRIKE",
        "cluster",
    ),
    Mutant(
        "a trial before the replica is proven",
        "roster.py",
        "if self._suspects.alone and not seat.proven and self._control is not None:",
        "if False:",
        "cluster",
    ),
    Mutant("suspects have company", "roster.py", "        if seat.trial:\n            return []\n", "", "cluster"),
    Mutant("a lost node counts as a death", "blame.py", "return self is not End.NODE", "return True", "cluster"),
    Mutant("a lost node is its requests' fault", "roster.py", "End.NODE if node else End.OWN", "End.OWN", "cluster"),
    Mutant(
        "one that was held is forgotten",
        "roster.py",
        "self._queue.extendleft(reversed(held))",
        "self._queue.extendleft(reversed(held[1:]))",
        "cluster",
    ),
    Mutant("what was held is given out twice", "seats.py", "        self.held.clear()\n", "", "cluster"),
    Mutant(
        "a silent replica stays",
        "roster.py",
        "if seat.ready and silent > self._timeouts.answer:",
        "if False:",
        "cluster",
    ),
    Mutant(
        "a replica that finishes nothing stays",
        "roster.py",
        "elif stalled > self._timeouts.request:",
        "elif False:",
        "cluster",
    ),
    Mutant("the night counts", "roster.py", "if now - self._last > PAUSE:", "if False:", "cluster"),
    Mutant(
        "replicas' clocks are believed",
        "roster.py",
        "min(report.stalled, now - seat.moved)",
        "report.stalled",
        "cluster",
    ),
    Mutant(
        "the ended are listened to",
        "roster.py",
        "        for call in seat.calls:\n            del self._calls[call]\n",
        "",
        "cluster",
    ),
    Mutant("what proves a replica comes back, too", "roster.py", "or request is self._control", "", "cluster"),
)


def main() -> int:
    """Print a table; 0 if all mutants are found out and the project itself is green."""
    begun = time.monotonic()
    whole = Mutant("(none)", "", "", "")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        ends = list(pool.map(_try, [whole, *MUTANTS, *ROSTER]))
    width = max(len(mutant.name) for mutant in (*MUTANTS, *ROSTER))
    missed = 0
    for mutant, (red, seconds, why) in zip([whole, *MUTANTS, *ROSTER], ends, strict=True):
        good = red == (mutant is not whole)
        missed += not good
        colour = ("red" if red else "green") + ("" if good else ", WRONG")
        print(f"{mutant.name:<{width}}  {colour:<12}  {seconds:4.0f} s  {why}")
    print(f"{len(MUTANTS) + len(ROSTER)} mutants, {missed} wrong, {time.monotonic() - begun:.0f} s")
    return bool(missed)


def _try(mutant: Mutant) -> tuple[bool, float, str]:
    """Whether the simulations are red, after how many seconds, and why."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant") as folder:
        copy = Path(folder)
        for part in ("selfinstruct", "cluster", "tests/tools/simulator"):
            shutil.copytree(REPOSITORY / part, copy / part)
        shutil.copy(REPOSITORY / "tests/cluster/test_roster.py", copy)
        if mutant.file:
            path = copy / mutant.house / mutant.file
            text = path.read_text(encoding="utf-8")
            if text.count(mutant.old) < 1:
                return False, 0.0, f"{mutant.file} does not hold {mutant.old!r} any more"
            path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        simulations = ["tests.tools.simulator", "--kind", "quick", "--runs", str(RUNS)]
        done = _run(copy, *simulations)
        if done.returncode == 0 and mutant.house == "cluster":
            done = _run(copy, "pytest", "-qx", "-p", "no:cacheprovider", "test_roster.py")
    return done.returncode != 0, time.monotonic() - begun, _reason(done.stdout + done.stderr)


def _run(copy: Path, *module: str) -> subprocess.CompletedProcess[str]:
    """A module, of the copy."""
    environment = {**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", *module]
    return subprocess.run(command, cwd=copy, env=environment, text=True, capture_output=True, timeout=1800)


def _reason(output: str) -> str:
    """The line that says what was found."""
    lines = output.splitlines()
    found = [
        line.partition(mark)[2]
        for mark in ("tests.tools.simulator ", "AssertionError: ", "FAILED ")
        for line in lines
        if mark in line
    ]
    return (found or lines or [""])[0][:150]


if __name__ == "__main__":
    sys.exit(main())
