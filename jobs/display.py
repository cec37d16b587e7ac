"""Showing a run: live on a terminal, a plain line every half minute in a log. Nothing is told before it is known."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.spinner import Spinner
from rich.text import Text

from jobs.panel import LOG_EVERY, Panel, span
from jobs.terminal import is_terminal
from selfinstruct.records import Completion, Kind, RoundFile, Table
from selfinstruct.run.bringing import MIX, moved
from selfinstruct.run.keeping import Left
from selfinstruct.run.remaining import Remaining, instructions_labelled
from selfinstruct.run.rounds import Run
from selfinstruct.run.watches import RunWatch
from selfinstruct.storage.accounts import tally
from selfinstruct.wording import counted

if TYPE_CHECKING:
    from cluster.replicas import ReplicaPool
    from selfinstruct.run.spending import Spending

LIVE_EVERY = 0.25  # seconds between two looks at the run for a terminal


class Display(RunWatch):
    """Lines on the terminal or in the log. Counts go on from those of the run's earlier lives (`RunStore.totals`).

    Args:
        shown: Whether anything is shown at all.
    """

    def __init__(self, target: int, totals: Mapping[Table, Counter[str]], *, shown: bool = True) -> None:
        self._target = target
        self._totals = {table: Counter(counts) for table, counts in totals.items()}
        self._remaining = Remaining(totals)
        self._panel = Panel(lambda: self._drawn) if shown and is_terminal(sys.stderr) else None
        self._lines = shown and not self._panel
        self._drawn: RenderableType = ""
        self._spinner = Spinner("dots")
        self._begun = time.monotonic()
        self._shown = 0.0 if self._panel else self._begun
        self._pools: Sequence[ReplicaPool] = ()
        self._spending: Spending | None = None
        self._phase = "starting"
        self._rounds = self._asked = ""
        self._run: Run | None = None
        self._labels = False
        self._samples = 1
        self._left: float | None = None
        self._mix: Mapping[str, Any] | None = None
        self.left = Left()
        self._last = ""

    def __enter__(self) -> Self:
        if self._panel:
            self._panel.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._phase = ""
        if self._run:
            self._look(self._run)
        if self._panel:
            self._drawn = self._grid()
            self._panel.stop()
        elif kind is None:
            self._log()

    def starting(self, what: str) -> None:
        """Say what takes so long."""
        self._phase = what
        self._drawn = self._spun()
        if self._lines:
            print(what, file=sys.stderr, flush=True)

    def started(self, pools: Sequence[ReplicaPool], spending: Spending) -> None:
        """Look at their replicas, and at what they cost."""
        self._pools, self._spending = pools, spending
        if not pools:
            self._remaining.begin()
        self._phase = "waiting for the first answers" if not pools else "waiting for replicas"

    def committed(self, file: RoundFile) -> None:
        """Count a committed file."""
        self._totals[file.table] += tally(file)
        self._remaining.committed(file)
        if MIX in file.notes:
            self._tell_mix(file.notes[MIX])

    def _tell_mix(self, mix: Mapping[str, Any]) -> None:
        """Say where the mix of strategies has moved to, and why."""
        line = moved(self._mix, mix)
        if line and (self._panel or self._lines):
            print(line, file=sys.stderr, flush=True)
        if line or self._mix is None:
            self._mix = mix

    def completed(self, completion: Completion) -> None:
        """Count a completion's tokens."""
        self._remaining.completed(completion)
        self._phase = ""

    def tick(self, run: Run) -> None:
        """Show, if it is time to."""
        if not self._pools or any(pool.alive for pool in self._pools):
            self._remaining.begin()
            self._phase = self._phase and "waiting for the first answers"
        self._run = run
        now = time.monotonic()
        if now - self._shown < (LIVE_EVERY if self._panel else LOG_EVERY):
            return
        self._shown = now
        self._look(run)
        if self._panel:
            self._drawn = self._grid()
        else:
            self._log()

    def ended(self, left: Left) -> None:
        """Remember what is left to a later life."""
        self.left = left

    def _look(self, run: Run) -> None:
        self._labels, self._samples = run.settings.labels, run.settings.label.samples
        done = {"proposed": run.pool.rounds}
        done |= {"labelled": run.labelled} if self._labels else {}
        done |= {"checked": run.complete_rounds} if run.judge else {}
        self._rounds = ", ".join(f"{max(0, rounds - 1):,} {what}" for what, rounds in done.items())
        self._asked = f"{counted(run.in_flight, 'request')} under way" if run.in_flight else ""
        self._left = self._remaining.seconds(run)

    def _log(self) -> None:
        line = self.line()
        if self._lines and line != self._last:
            print(line, file=sys.stderr, flush=True)
        self._last = line

    def line(self) -> str:
        """The state of the run in one line."""
        candidates, instances = self._totals[Table.CANDIDATES], self._totals[Table.INSTANCES]
        rejected = ", ".join(f"{count:,} {reason}" for reason, count in self._reasons().most_common())
        kept = instances["instances.accepted"]
        parts = [
            f"accepted {candidates['accepted']:,}/{self._target:,}",
            f"rejected {rejected}" if rejected else "",
            f"instances {kept:,}" if kept else "",
            f"rounds {self._rounds}" if self._rounds else "",
            self._asked,
            "; ".join(self._cut()),
            self._replicas() if self._pools else "",
            self._rate(),
            self._spent(),
            self._phase,
        ]
        return " | ".join(part for part in parts if part)

    def _grid(self) -> RenderableType:
        """The same for a terminal, with bars."""
        reasons = self._reasons()
        tried = self._totals[Table.CANDIDATES]["accepted"] + reasons.total()
        share = f"{self._totals[Table.CANDIDATES]['accepted'] / tried:.0%} of {tried:,} accepted" if tried else ""
        lines = [
            "; ".join(part for part in (share, ", ".join(f"{n:,} {r}" for r, n in reasons.most_common(4))) if part),
            "; ".join(self._cut()),
            "; ".join(part for part in (f"rounds: {self._rounds}" if self._rounds else "", self._asked) if part),
            self._replicas() if self._pools else "",
            self._spent(),
            self._rate(),
        ]
        texts: list[RenderableType] = [Text(line, no_wrap=True, overflow="ellipsis") for line in lines if line]
        return Group(self._bars(), *texts, *([self._spun()] if self._phase else []))

    def _spun(self) -> RenderableType:
        """What is waited for."""
        self._spinner.update(text=Text(self._phase, no_wrap=True, overflow="ellipsis"))
        return self._spinner

    def _bars(self) -> RenderableType:
        columns = (TextColumn("{task.description}"), BarColumn(30), MofNCompleteColumn())
        bars = Progress(*columns, TextColumn("{task.fields[more]}"))
        accepted, kept = self._totals[Table.CANDIDATES]["accepted"], self._totals[Table.INSTANCES]["instances.accepted"]
        bars.add_task("accepted", total=self._target, completed=accepted, more="")
        labelled = round(instructions_labelled(self._totals[Table.LABELS], self._samples))
        if self._labels and accepted:
            bars.add_task(
                "labelled", total=accepted, completed=labelled, more=counted(kept, "instance") if kept else ""
            )
        return bars.get_renderable()

    def _spent(self) -> str:
        return self._spending.text() if self._spending else ""

    def _replicas(self) -> str:
        """How many there are of those asked for, and what the others are at."""
        states = [pool.state() for pool in self._pools]
        ready = sum(state.ready for state in states)
        busy = sum(state.busy * state.ready for state in states) / max(1, ready)
        others = {
            "waiting for a node": sum(state.waiting for state in states),
            "fetching weights": sum(state.fetching for state in states),
            "loading": sum(state.loading for state in states),
            "died": sum(state.deaths for state in states),
        }
        parts = [f"{busy:.0%} busy" if ready else "", *(f"{n} {what}" for what, n in others.items() if n)]
        count = sum(state.count for state in states)
        return f"{ready:,} of {counted(count, 'replica')} ready" + "".join(f", {part}" for part in parts if part)

    def _reasons(self) -> Counter[str]:
        prefix = "rejected."
        counts = self._totals[Table.CANDIDATES]
        return Counter({key[len(prefix) :]: n for key, n in counts.items() if key.startswith(prefix)})

    def _cut(self) -> list[str]:
        """The shares of requests that did not end by themselves, per kind, where there were any."""
        return [
            f"{what}: {', '.join(shares)}"
            for what, ending in (("cut by length", "cut_by_length"), ("went in circles", "repetition"))
            if (shares := list(self._shares(ending)))
        ]

    def _shares(self, ending: str) -> Iterator[str]:
        proposals, labels = self._totals[Table.PROPOSALS], self._totals[Table.LABELS]
        if ended := proposals[f"requests.{ending}"]:
            yield f"propose {ended / proposals['requests']:.0%}"
        for kind in (
            Kind.INPUT_FIRST,
            Kind.OUTPUT_FIRST,
            Kind.INSTANTIATE,
            Kind.INPUT,
            Kind.ANSWER,
            Kind.DOCUMENT_ANSWER,
        ):  # to classify is cut on purpose
            if ended := labels[f"{kind}.{ending}"]:
                yield f"{kind} {ended / labels[f'{kind}.requests']:.0%}"

    def _rate(self) -> str:
        """Tokens a second, and how long it will still take, where these are known."""
        rate = self._remaining.tokens_per_second()
        left = f"about {span(self._left)} left" if self._left else ""
        told = [f"{rate:,.0f} tokens/s" if rate is not None else "", left]
        return ", ".join(part for part in told if part) or f"{span(time.monotonic() - self._begun)} so far"
