"""Showing a run: live on a terminal, a plain line every half minute in a job's log."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from rich.console import Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table as Grid
from rich.text import Text

from jobs.terminal import console, guard_drawing
from selfinstruct.records import Completion, Kind, RoundFile, Table
from selfinstruct.run.bringing import MIX, moved
from selfinstruct.run.keeping import Left
from selfinstruct.run.rounds import Run
from selfinstruct.run.watches import RunWatch
from selfinstruct.storage.accounts import tally

if TYPE_CHECKING:
    from cluster.replicas import ReplicaPool
    from selfinstruct.run.spending import Spending

LOG_EVERY = 30.0  # seconds between lines in a log
LIVE_EVERY = 0.25  # seconds between updates of a terminal
WINDOW = 60.0  # seconds over which rates are taken


class Display(RunWatch):
    """Lines on the terminal or in the log. Counts go on from those of the run's earlier lives (`RunStore.totals`)."""

    def __init__(self, target: int, totals: Mapping[Table, Counter[str]]) -> None:
        self._target = target
        self._totals = {table: Counter(counts) for table, counts in totals.items()}
        self._console = console()
        self._live = Live(console=self._console, auto_refresh=False) if self._console.is_terminal else None
        self._begun = self._shown = time.monotonic()
        self._tokens: deque[tuple[float, int]] = deque()
        self._accepted: deque[tuple[float, int]] = deque()
        self._pools: Sequence[ReplicaPool] = ()
        self._spending: Spending | None = None
        self._rounds = "none yet"
        self._labels = True
        self._mix: Mapping[str, Any] | None = None
        self.left = Left()
        self._last = ""

    def __enter__(self) -> Self:
        if self._live:
            self._live.start()
            guard_drawing()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live:
            self._live.update(self._panel(), refresh=True)
            self._live.stop()
        elif kind is None:
            self._log()

    def started(self, pools: Sequence[ReplicaPool], spending: Spending) -> None:
        """Look at their replicas, and at what they cost."""
        self._pools, self._spending = pools, spending

    def committed(self, file: RoundFile) -> None:
        """Count a committed file."""
        counts = tally(file)
        self._totals[file.table] += counts
        if MIX in file.notes:
            self._tell_mix(file.notes[MIX])
        if file.table is Table.CANDIDATES:
            self._accepted.append((time.monotonic(), counts["accepted"]))

    def _tell_mix(self, mix: Mapping[str, Any]) -> None:
        """Say where the mix of strategies has moved to, and why."""
        line = moved(self._mix, mix)
        if line:
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
        if line or self._mix is None:
            self._mix = mix

    def completed(self, completion: Completion) -> None:
        """Count a completion's tokens."""
        self._tokens.append((time.monotonic(), completion.completion_tokens))

    def tick(self, run: Run) -> None:
        """Show, if it is time to."""
        self._labels = run.settings.labels
        done = {"proposed": run.pool.rounds}
        done |= {"labelled": run.labelled} if self._labels else {}
        done |= {"checked": run.complete_rounds} if run.judge else {}
        self._rounds = ", ".join(f"{max(0, rounds - 1)} {what}" for what, rounds in done.items())
        now = time.monotonic()
        if now - self._shown < (LIVE_EVERY if self._live else LOG_EVERY):
            return
        self._shown = now
        if self._live:
            self._live.update(self._panel(), refresh=True)
        else:
            self._log()

    def ended(self, left: Left) -> None:
        """Remember what is left to a later life."""
        self.left = left

    def _log(self) -> None:
        line = self.line()
        if line != self._last:
            print(line, flush=True)
        self._last = line

    def line(self) -> str:
        """The state of the run in one line."""
        candidates, instances = self._totals[Table.CANDIDATES], self._totals[Table.INSTANCES]
        rejected = ", ".join(f"{count} {reason}" for reason, count in self._reasons().most_common())
        return " | ".join(
            [
                f"accepted {candidates['accepted']}/{self._target}",
                f"rejected {rejected or 'none'}",
                f"instances {instances['instances.accepted']}",
                f"rounds {self._rounds}",
                "; ".join(self._cut()) or "none cut by length",
                *([self._replicas()] if self._pools else []),
                f"{self._tokens_per_second():.0f} tokens/s",
                *([spent] if (spent := self._spent()) else []),
                self._time_left(),
            ]
        )

    def _panel(self) -> Group:
        candidates, instances = self._totals[Table.CANDIDATES], self._totals[Table.INSTANCES]
        accepted = candidates["accepted"]
        grid = Grid.grid(padding=(0, 2))
        grid.add_row(
            "accepted", f"{accepted} of {self._target}", ProgressBar(self._target, min(accepted, self._target), 40)
        )
        grid.add_row(
            "instances", str(instances["instances.accepted"]), f"{instances['instances.empty_input']} without input"
        )
        reasons = self._reasons()
        share = accepted / max(1, accepted + reasons.total())
        grid.add_row("rejected", str(reasons.total()), Text(", ".join(f"{r} {n}" for r, n in reasons.most_common(6))))
        grid.add_row("acceptance", f"{share:.0%}", "; ".join(self._cut()) or "nothing cut by length")
        grid.add_row("rounds", self._rounds)
        if self._pools:
            grid.add_row("replicas", self._replicas())
        if spent := self._spent():
            grid.add_row("cost", spent)
        grid.add_row("tokens/s", f"{self._tokens_per_second():,.0f}", self._time_left())
        return Group(grid)

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
        return f"{ready} of {count} replicas ready" + "".join(f", {part}" for part in parts if part)

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
        ):  # to classify is cut on purpose
            if ended := labels[f"{kind}.{ending}"]:
                yield f"{kind} {ended / labels[f'{kind}.requests']:.0%}"

    def _tokens_per_second(self) -> float:
        return _rate(self._tokens, self._begun)

    def _time_left(self) -> str:
        missing = self._target - self._totals[Table.CANDIDATES]["accepted"]
        rate = _rate(self._accepted, self._begun)
        if missing <= 0:
            return "target reached, labelling the rest" if self._labels else "target reached"
        if rate == 0:
            return f"running for {time.monotonic() - self._begun:.0f} s"
        return f"about {_span(missing / rate)} left"


def _rate(events: deque[tuple[float, int]], begun: float) -> float:
    """Per second, over the window or the time since the beginning."""
    now = time.monotonic()
    while events and events[0][0] < now - WINDOW:
        events.popleft()
    return sum(count for _, count in events) / max(1.0, min(WINDOW, now - begun))


def _span(seconds: float) -> str:
    hours, rest = divmod(round(seconds), 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds:.0f} s" if minutes else f"{seconds:.0f} s"
