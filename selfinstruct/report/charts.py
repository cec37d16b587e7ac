"""Figures to the geometry of small drawings, so that the templates only write it down.

Drawings stretch with the page: horizontal positions are percentages, heights are pixels, letters keep their size. Only
the sunburst has coordinates of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from selfinstruct.report.figures import RoundFigures, VerbFigures
from selfinstruct.report.histograms import Histogram

FEW_ROUNDS = 12
"""Up to so many rounds have a bar each, with its figure; more are a curve."""

MOST_POINTS = 120
"""The most points of a curve over the rounds; in longer runs a point stands for several rounds."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A label on an axis, and its place in percent from the left or from the bottom."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A bar: left edge, width and height in percent, what it says when pointed at, and the figure above it."""

    left: float
    width: float
    height: float
    title: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class BarChart:
    """A histogram, or a bar for each round. `mean` is its place in percent from the left."""

    bars: Sequence[Bar]
    across: Sequence[Tick]
    up: Sequence[Tick]
    mean: float | None = None


@dataclass(frozen=True, slots=True)
class Curve:
    """A curve over the rounds: points in percent from the left and from the bottom, as SVG's `points`."""

    line: str
    area: str
    dots: Sequence[tuple[float, float, str]]  # left, bottom, title
    across: Sequence[Tick]
    up: Sequence[Tick]


def bar_chart(histogram: Histogram, unit: str, decimals: int, of: str) -> BarChart:
    """A histogram with up to seven ticks below, and up to four counts of what it is `of` at its side."""
    first, last = histogram.edges[0], histogram.edges[-1]
    span = last - first
    step = max(1.0, _round_step(max([*histogram.counts, 1]), 4))
    highest = step * math.ceil(max([*histogram.counts, 1]) / step - 1e-9)
    up = _up([n * step for n in range(1, round(highest / step) + 1)], highest, _count, of)
    bars = []
    for low, high, count in zip(histogram.edges, histogram.edges[1:], histogram.counts, strict=False):
        title = f"{low:.{decimals}f} to {high:.{decimals}f} {unit}: {count:,}"
        if high - low == 1 and not decimals:
            title = f"{low:.0f} {unit}: {count:,}"
        bars.append(Bar(100 * (low - first) / span, 100 * (high - low) / span, 100 * count / highest, title))
    step = _round_step(span, 6)
    across = [
        Tick(100 * n * step / span, f"{first + n * step:.{decimals and 1}f}")
        for n in range(int(span / step + 1e-9) + 1)
    ]
    mean = histogram.mean
    return BarChart(bars, across, up, None if mean is None else min(100.0, 100 * (mean - first) / span))


def _count(value: float) -> str:
    return f"{value:,.0f}"


def _share(value: float) -> str:
    return f"{100 * value:.0f}\u202f%"


def _up(values: Sequence[float], ceiling: float, form: Callable[[float], str], of: str) -> list[Tick]:
    """The labels of an axis from the bottom up; the topmost says of what."""
    return [Tick(100 * value / ceiling, form(value) + (f" {of}" if value == values[-1] else "")) for value in values]


def gutter(up: Sequence[Tick]) -> int:
    """How many pixels the labels of an axis take at its side; what the topmost says lies above the drawing."""
    return 10 + 7 * max((len(tick.label.split(" ")[0]) for tick in up), default=0)


def growth(rounds: Sequence[RoundFigures]) -> Curve | BarChart:
    """Accepted instructions after each round."""
    points = [(each.round, float(each.total), f"round {each.round}: {each.total:,}") for each in _thinned(rounds)]
    return _drawn(points, None, _count, "instructions")


def acceptance(rounds: Sequence[RoundFigures]) -> Curve | BarChart:
    """The share of a round's proposed instructions that were accepted; in long runs, of several rounds together."""
    points = []
    for group in _groups(rounds):
        proposed = sum(each.proposed for each in group)
        if proposed:
            share = sum(each.accepted for each in group) / proposed
            name = f"{group[0].round}" if len(group) == 1 else f"{group[0].round} to {group[-1].round}"
            points.append((group[-1].round, share, f"round {name}: {100 * share:.1f} %"))
    return _drawn(points, 1.0, _share, "of a round’s proposals")


def _groups(rounds: Sequence[RoundFigures]) -> list[Sequence[RoundFigures]]:
    size = rounds_together(rounds)
    return [rounds[at : at + size] for at in range(0, len(rounds), size)]


def rounds_together(rounds: Sequence[RoundFigures]) -> int:
    """How many rounds a point of a curve stands for."""
    return max(1, math.ceil(len(rounds) / MOST_POINTS))


def _thinned(rounds: Sequence[RoundFigures]) -> list[RoundFigures]:
    return [group[-1] for group in _groups(rounds)]


def _drawn(
    points: Sequence[tuple[int, float, str]], top: float | None, form: Callable[[float], str], of: str
) -> Curve | BarChart:
    """Points as bars if they are few, and as a curve otherwise.

    Args:
        top: Where the axis ends (default: at a round value above the highest).
        form: Of values.
        of: What they count.
    """
    highest = top or max((value for _, value, _ in points), default=1) or 1
    step = _round_step(highest, 4)
    ceiling = top or step * math.ceil(highest / step - 1e-9)
    up = _up([n * step for n in range(1, round(ceiling / step) + 1)], ceiling, form, of)
    if len(points) > FEW_ROUNDS:
        return _curve(points, ceiling, up)
    width = 100 / max(3, len(points))  # a lone bar is not as wide as the page
    bars = [
        Bar((n + 0.15) * width, 0.7 * width, 100 * value / ceiling, title, form(value))
        for n, (_, value, title) in enumerate(points)
    ]
    return BarChart(bars, [Tick((n + 0.5) * width, str(number)) for n, (number, *_) in enumerate(points)], up)


def _curve(points: Sequence[tuple[int, float, str]], ceiling: float, up: Sequence[Tick]) -> Curve:
    first, last = points[0][0], points[-1][0]
    placed = [(100 * (x - first) / (last - first), 100 * y / ceiling, title) for x, y, title in points]
    line = " ".join(f"{x:.2f},{100 - y:.2f}" for x, y, _ in placed)
    across_step = max(1, round(_round_step(last - first, 6)))
    across = [
        Tick(100 * (x - first) / (last - first), f"{x}")
        for x in range(first, last + 1)
        if x % across_step == 0 or x == first
    ]
    if len(across) > 1 and across[1].at - across[0].at < 8:
        del across[0]
    return Curve(line, f"{placed[0][0]:.2f},100 {line} {placed[-1][0]:.2f},100", placed, across, up)


def _round_step(span: float, most: int) -> float:
    """The smallest of 1, 2, 5, 10 ... (and their tenths ...) that divides the span into at most `most` parts."""
    power = 10.0 ** math.floor(math.log10(span / most))
    return next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= most + 1e-9)


# ---- the sunburst

SIZE = 720.0
RINGS = (74.0, 196.0, 354.0)  # radii: of the hole, between verbs and nouns, of the whole
LETTER = (15.5, 14.5)  # heights of verbs and nouns
LARGE_LETTER = 22.0  # on a small screen; a label that has no room then is left out


@dataclass(frozen=True, slots=True)
class Wedge:
    """A piece of a ring with its label, which runs outwards from the centre."""

    path: str
    ring: int
    hue: int
    title: str
    label: str  # empty where there is no room
    transform: str
    anchor: str
    wide: bool


def sunburst(figures: VerbFigures) -> list[Wedge]:
    """Verbs in the inner ring, their objects in the outer one; angles are counts."""
    total = max(1, figures.shown)
    wedges = []
    angle = 0.0
    for hue, verb in enumerate(figures.verbs):
        inner = sum(count for _, count in verb.nouns)
        title = f"{verb.verb}: {verb.count:,} with an object, {inner:,} of them shown"
        wedges.append(_wedge(0, hue, angle, angle + inner / total, verb.verb, title))
        for noun, count in verb.nouns:
            wedges.append(_wedge(1, hue, angle, angle + count / total, noun, f"{verb.verb} {noun}: {count:,}"))
            angle += count / total
    return wedges


def _wedge(ring: int, hue: int, begin: float, end: float, text: str, title: str) -> Wedge:
    """`begin` and `end` are parts of the full turn, clockwise from the top."""
    inner, outer = RINGS[ring], RINGS[ring + 1]
    end = min(end, begin + 0.99999)  # a full turn would begin where it ends, and be nothing
    large = int(end - begin > 0.5)
    a, b, c, d = _point(outer, begin), _point(outer, end), _point(inner, end), _point(inner, begin)
    path = f"M{a}A{outer:g} {outer:g} 0 {large} 1 {b}L{c}A{inner:g} {inner:g} 0 {large} 0 {d}Z"
    middle = (begin + end) / 2
    thickness = 2 * math.pi * (inner + 14) * (end - begin)
    room = int((outer - inner - 16) / (0.56 * LETTER[ring]))
    label = text if len(text) <= room else text[: room - 1] + "…"
    turn = 360 * middle - 90
    left = middle > 0.5
    radius = inner + 9 if ring else outer - 9  # verbs end at the outer edge of their ring, nouns begin at the inner one
    outwards = left == (ring == 1)
    transform = f"rotate({turn:.2f}) translate({radius:g} 0)" + (" rotate(180)" if left else "")
    return Wedge(
        path,
        ring,
        hue % 20,
        title,
        label if thickness >= LETTER[ring] * 0.95 else "",
        transform,
        "end" if outwards else "start",
        thickness >= LARGE_LETTER * 1.1 and len(label) * 0.56 * LARGE_LETTER <= outer - inner - 14,
    )


def _point(radius: float, turn: float) -> str:
    angle = 2 * math.pi * turn
    return f"{radius * math.sin(angle):.2f} {-radius * math.cos(angle):.2f}"
