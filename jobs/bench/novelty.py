"""`selfinstruct bench novelty`: each kind of index against brute force and the reference, at several sizes of the pool.

The pool is what a run would hold: the seed tasks, then made-up tasks (`engines/wide.py`), each admitted if it is new.
The candidates are, of each six, one seed task and one text of the pool with up to a third of its words dropped, doubled
or replaced, and four fresh tasks. All methods get the same ones, one process and one thread each:

    reference      `rouge_score` with the whole pool, as the original compares; tokens of the pool are kept. A pair
                   takes the same time at any size, so a sample of pairs is timed and scaled up to the pool
    brute force    our compiled kernel with the whole pool. It is asked for what is above the threshold only, the easier
                   question, since it may pass over texts whose lengths differ too much
    minhash        `minhash.MinHashIndex`
    prefix         `prefix.PrefixIndex`

Candidates are asked in as many batches as there are repeats; the figure is the median over batches. Seconds are of
processor time, without compiling and garbage collection.
"""

from __future__ import annotations

import dataclasses
import gc
import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jobs.command_line import run
from jobs.commands import Command, Outcome
from selfinstruct.engines.wide import WideTasks, vocabulary
from selfinstruct.novelty.check import make_index
from selfinstruct.novelty.index import LocalIndex, NoveltySettings
from selfinstruct.settings import SEEDS, option
from selfinstruct.sources.seeds import SEED_TASKS, load_seeds

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from selfinstruct.novelty.index import Entry
    from selfinstruct.records import Neighbour

WORDS = 30_000
SAMPLE = (50, 50)
"""Candidates, and texts of the pool, that the reference compares in each batch."""


@dataclass(frozen=True)
class NoveltyBenchSettings:
    """Measure the novelty check against brute force and the reference.

    Args:
        out: Folder for novelty.json and the plot novelty.png; without it there is the table only.
        sizes: Sizes of the pool, ascending. For large ones most of the time goes into making up so many new texts.
        candidates: Candidates at each size; about half are duplicates, over which recall is measured.
        repeats: Batches, over which times are medians.
        diversity: Decimal logarithm of how many different made-up tasks there are.
        novelty: What is measured; both kinds of index, whatever it names.
        seed: Of the pool and the candidates.
    """

    out: str | None = None
    sizes: tuple[int, ...] = option((1_000, 10_000, 50_000), least=1)
    candidates: int = option(2_000, least=1)
    repeats: int = option(5, least=1)
    diversity: float = option(12.0, above=0, most=300)
    novelty: NoveltySettings = dataclasses.field(default_factory=NoveltySettings)
    seed: int = option(0, least=SEEDS[0], most=SEEDS[1])

    def problems(self) -> Iterator[str]:
        """The pool grows from one size to the next, and no batch is empty."""
        if not self.sizes or list(self.sizes) != sorted(set(self.sizes)):
            yield f"sizes: are {', '.join(map(str, self.sizes)) or 'none'}; name some, in ascending order"
        if self.repeats > self.candidates:
            yield f"repeats: is {self.repeats}, must be at most --candidates, {self.candidates}"


@dataclass(frozen=True, slots=True)
class MethodFigures:
    """One method at one size of the pool. What a method has none of is None."""

    candidates_per_second: float  # on one core
    over_reference: float | None = None  # times as fast
    over_brute_force: float | None = None
    insert_microseconds: float | None = None  # per text, over those since the size before
    bytes_per_text: float | None = None  # all told
    vocabulary_bytes_per_text: float | None = None  # the dictionary of words alone
    found: int | None = None  # of the duplicates
    recall: tuple[float, float, float] | None = None  # found / duplicates, and its 95 % interval (Wilson)
    false_duplicates: int | None = None
    shortlist_mean: float | None = None
    shortlist_p99: float | None = None


@dataclass(frozen=True, slots=True)
class SizeFigures:
    """All methods at one size of the pool."""

    pool: int
    candidates: int
    duplicates: int  # of the candidates, by brute force
    methods: Mapping[str, MethodFigures]


COMMAND = Command("bench novelty", NoveltyBenchSettings)


def main(argv: Sequence[str] | None = None) -> int:
    """Measure; returns the exit code."""
    return run(COMMAND, bench, argv)


def bench(settings: NoveltyBenchSettings) -> Outcome:
    """Measure, print a table, and write JSON and a plot."""
    from jobs.bench.machine import machine

    try:
        reference: Reference | None = Reference()
    except ImportError:
        reference = None
        print("no reference: rouge_score is not installed (pip install rouge-score)")
    compile_seconds = {kind: _compile(_of_kind(settings, kind)) for kind in ("minhash", "prefix")}
    indexes = {
        "brute force": BruteForce(settings.novelty),
        "minhash": make_index(_of_kind(settings, "minhash")),
        "prefix": make_index(_of_kind(settings, "prefix")),
    }
    texts: list[str] = []
    pool = new_texts(settings)
    measured = []
    for size in settings.sizes:
        texts += [next(pool) for _ in range(size - len(texts))]
        measured.append(measure(settings, indexes, texts, reference))
        print(f"pool of {size:,}: measured", file=sys.stderr)
    figures = {
        "settings": dataclasses.asdict(settings),
        "machine": machine(),
        "compile_seconds": compile_seconds,
        "sizes": [dataclasses.asdict(each) for each in measured],
    }
    _print(measured, compile_seconds)
    if settings.out is not None:
        folder = Path(settings.out)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "novelty.json").write_text(json.dumps(figures, indent=1) + "\n")
        _plot(measured, folder / "novelty.png")
    return Outcome(figures)


def _of_kind(settings: NoveltyBenchSettings, kind: Any) -> NoveltySettings:
    return dataclasses.replace(settings.novelty, index=kind)


class BruteForce(LocalIndex):
    """A `protocols.PoolIndex` whose shortlist is the whole pool; its answers are None or above the threshold."""

    @property
    def nbytes(self) -> int:
        """Bytes in use by numbers, without the dictionary of the vocabulary."""
        return self._store.nbytes

    def shortlist(self, entry: Entry, size: int) -> npt.NDArray[np.uint32]:
        """All ordinals below `size`."""
        import numpy as np

        return np.arange(size, dtype=np.uint32)

    def _sign(self, words: Sequence[str]) -> None:
        return None

    def _index(self, ordinal: int, entry: Entry) -> None:
        pass

    def _find(self, entry: Entry, size: int) -> Neighbour | None:
        return self._store.nearest(entry.tokens, self.shortlist(entry, size), self._settings.threshold)


# ---- texts


class _Random(random.Random):
    """A `wide.Source`."""

    def below(self, n: int) -> int:
        return self.randrange(n)

    def fraction(self) -> float:
        return self.random()


def new_texts(settings: NoveltyBenchSettings) -> Iterator[str]:
    """The texts of a growing pool: the seed tasks, then made-up ones, as far as they are new."""
    held = make_index(_of_kind(settings, "prefix"))
    for entry in held.encode(_made_up(settings)):
        nearest = held.search(entry, len(held))
        if nearest is None or nearest.rouge_l <= settings.novelty.threshold:
            held.add(entry)
            yield entry.text


def _made_up(settings: NoveltyBenchSettings) -> Iterator[str]:
    yield from (seed.instruction for seed in load_seeds(SEED_TASKS))
    tasks, draws = WideTasks(WORDS, settings.diversity), _Random(settings.seed)
    while True:
        yield tasks.instruction(draws)


def candidates(settings: NoveltyBenchSettings, pool: Sequence[str]) -> list[str]:
    """Of each six, a seed task and a text of the pool in other words, and four fresh tasks."""
    tasks, draws = WideTasks(WORDS, settings.diversity), _Random(settings.seed + 1)
    seeds = [seed.instruction for seed in load_seeds(SEED_TASKS)]
    sources: Sequence[Callable[[], str]] = [
        lambda: _reworded(draws.choice(seeds), draws),
        lambda: _reworded(draws.choice(pool), draws),
        *4 * [lambda: tasks.instruction(draws)],
    ]
    return [sources[number % len(sources)]() for number in range(settings.candidates)]


def _reworded(text: str, draws: _Random) -> str:
    """The text with up to a third of its words dropped, doubled or replaced."""
    words = text.split()
    for _ in range(draws.below(len(words) // 3 + 2)):
        at = draws.below(len(words))
        words[at : at + 1] = draws.choice(([], [words[at]] * 2, [draws.choice(vocabulary(WORDS))])) or words[:1]
    return " ".join(words)


# ---- measuring


@contextmanager
def _no_collection() -> Iterator[None]:
    """Without garbage collection, which would visit the texts of all methods."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _compile(settings: NoveltySettings) -> float:
    """Use an index for the first time; returns the seconds that numba compiled, 0 for what was compiled before."""
    from selfinstruct.novelty.compiled import COMPILED

    seconds: list[float] = []
    if COMPILED:
        from numba.core import event

        with event.install_timer("numba:compile", seconds.append):
            _use(settings)
    return round(sum(seconds, 0.0), 1)


def _use(settings: NoveltySettings) -> None:
    """Call every kernel of an index."""
    index = make_index(settings)
    index.insert(0, [f"word{number} " * 3 for number in range(600)])
    index.nearest(len(index), ["word1 word2", "word3 " * 100])


def measure(
    settings: NoveltyBenchSettings,
    indexes: Mapping[str, LocalIndex],
    pool: Sequence[str],
    reference: Reference | None,
) -> SizeFigures:
    """Insert what the indexes do not hold yet of the pool, and ask them."""
    asked = candidates(settings, pool)
    figures: dict[str, MethodFigures] = {}
    per_second = 0.0
    if reference is not None:
        per_second = reference.candidates_per_second(asked, pool, settings.repeats)
        figures["reference"] = MethodFigures(per_second)
    duplicates: set[int] = set()
    for name, index in indexes.items():
        insert_seconds = _insert(index, pool)
        rate, answers = _ask(index, asked, settings.repeats)
        above = {at for at, nearest in enumerate(answers) if nearest and nearest.rouge_l > settings.novelty.threshold}
        figures[name] = MethodFigures(
            rate,
            over_reference=rate / per_second if per_second else None,
            insert_microseconds=1e6 * insert_seconds,
            bytes_per_text=(index.nbytes + index.vocabulary_nbytes) / len(pool),
            vocabulary_bytes_per_text=index.vocabulary_nbytes / len(pool),
        )
        if isinstance(index, BruteForce):
            duplicates = above
            continue
        sizes = sorted(len(index.shortlist(index.question(text), len(pool))) for text in asked)
        figures[name] = dataclasses.replace(
            figures[name],
            over_brute_force=rate / figures["brute force"].candidates_per_second,
            found=len(above & duplicates),
            recall=_recall(len(above & duplicates), len(duplicates)),
            false_duplicates=len(above - duplicates),
            shortlist_mean=statistics.fmean(sizes),
            shortlist_p99=sizes[len(sizes) * 99 // 100],
        )
    return SizeFigures(len(pool), len(asked), len(duplicates), figures)


def _insert(index: LocalIndex, pool: Sequence[str]) -> float:
    """Insert the rest of the pool; returns seconds per text."""
    held = len(index)
    with _no_collection():
        begun = time.process_time()
        index.insert(held, pool[held:])
        return (time.process_time() - begun) / (len(pool) - held)


def _ask(index: LocalIndex, asked: Sequence[str], repeats: int) -> tuple[float, list[Neighbour | None]]:
    """Candidates per second, the median over batches, and all answers."""
    rates: list[float] = []
    answers: list[Neighbour | None] = []
    bounds = [len(asked) * number // repeats for number in range(repeats + 1)]
    with _no_collection():
        for start, end in pairwise(bounds):
            begun = time.process_time()
            answers += index.nearest(len(index), asked[start:end])
            rates.append((end - start) / (time.process_time() - begun))
    return statistics.median(rates), answers


class Reference:
    """`rouge_score`, called as the original does for each candidate, but with the tokens of the pool kept.

    Raises:
        ImportError: it is not installed.
    """

    def __init__(self) -> None:
        from rouge_score import rouge_scorer, tokenizers

        self._tokenise = tokenizers.DefaultTokenizer(use_stemmer=False).tokenize
        self._score = rouge_scorer._score_lcs

    def candidates_per_second(self, asked: Sequence[str], pool: Sequence[str], repeats: int) -> float:
        """With the whole pool, from a sample of pairs; the median over batches."""
        draws = random.Random(0)
        return statistics.median(
            self._pairs_per_second(draws.choices(asked, k=SAMPLE[0]), draws.choices(pool, k=SAMPLE[1])) / len(pool)
            for _ in range(repeats)
        )

    def _pairs_per_second(self, asked: Sequence[str], texts: Sequence[str]) -> float:
        kept = [self._tokenise(text) for text in texts]
        with _no_collection():
            begun = time.process_time()
            for candidate in asked:
                tokens = self._tokenise(candidate)
                for other in kept:
                    self._score(other, tokens)
            return len(asked) * len(texts) / (time.process_time() - begun)


def _recall(found: int, duplicates: int) -> tuple[float, float, float] | None:
    from scipy.stats import binomtest

    if not duplicates:
        return None
    interval = binomtest(found, duplicates).proportion_ci(0.95, method="wilson")
    return found / duplicates, float(interval.low), float(interval.high)


# ---- showing


def _print(measured: Sequence[SizeFigures], compiled: Mapping[str, float]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    speed = Table(title="Novelty check on one core", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    found = Table(title="What the indexes find", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for grid, headings in (
        (speed, ("candidates/s", "x ref.", "x brute", "insert µs", "bytes/text")),
        (found, ("duplicates", "recall [95 %]", "shortlist", "p99")),
    ):
        grid.add_column("pool", justify="right")
        grid.add_column("")
        for heading in headings:
            grid.add_column(heading, justify="right")
    for size in measured:
        for name, method in size.methods.items():
            speed.add_row(
                f"{size.pool:,}",
                name,
                f"{method.candidates_per_second:,.{0 if method.candidates_per_second >= 100 else 3}f}",
                _number(method.over_reference),
                _number(method.over_brute_force, 1),
                _number(method.insert_microseconds),
                _number(method.bytes_per_text),
            )
            if method.recall:
                found.add_row(
                    f"{size.pool:,}",
                    name,
                    f"{size.duplicates:,}",
                    "{:.4f} [{:.4f}, {:.4f}]".format(*method.recall),
                    _number(method.shortlist_mean, 1),
                    _number(method.shortlist_p99),
                )
        speed.add_section()
        found.add_section()
    console = Console()
    console.print(speed, found)
    if "reference" in measured[0].methods:
        print(f"The reference is scaled up from {SAMPLE[0] * SAMPLE[1]:,} pairs a batch.")
    print("Compiled in " + ", ".join(f"{kind} {seconds} s" for kind, seconds in compiled.items()) + "; once.")


def _number(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


NAMES = {"reference": "rouge_score", "brute force": "compiled, all pairs", "minhash": "minhash", "prefix": "prefix"}
INK, SOFT, RULE, ACCENT, LOST = "#1d2024", "#5c636d", "#e4e1d9", "#17678a", "#b05c28"
"""The colours of the report."""


def _plot(measured: Sequence[SizeFigures], path: Path) -> None:
    """Rates against the pool, in the report's design: ours in its accent, each line named at its end."""
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print("no plot: matplotlib is not installed (pip install 'selfinstruct[evaluate]')")
        return
    figure = Figure(figsize=(8, 3.4), layout="constrained", facecolor="#ffffff")
    axes = figure.subplots()
    pools = [size.pool for size in measured]
    for name in measured[0].methods:
        rates = [size.methods[name].candidates_per_second for size in measured]
        colour = LOST if name in ("reference", "brute force") else ACCENT
        axes.plot(pools, rates, color=colour, linewidth=2, marker="o", markersize=4)
        axes.annotate(
            f"{NAMES[name]}, {rates[-1]:,.{0 if rates[-1] >= 10 else 2}f}",
            (pools[-1], rates[-1]),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            color=colour,
            annotation_clip=False,
        )
    axes.set(xscale="log", yscale="log", xticks=pools, xticklabels=[f"{pool:,}" for pool in pools])
    axes.minorticks_off()
    axes.set_title("Candidates checked in a second on one core", loc="left", color=INK, fontsize=11)
    axes.set_xlabel("instructions in the pool", color=SOFT)
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:,g}")
    axes.grid(axis="y", color=RULE)
    axes.tick_params(colors=SOFT, length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    sys.exit(main())
