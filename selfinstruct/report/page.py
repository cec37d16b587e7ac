"""A report as one HTML file: everything inline, nothing fetched, generated text never more than text.

Three things keep a hostile text harmless. Jinja escapes every value. Characters that a browser drops, or that turn
text around or hide it, are shown by their number (`shown`). And the content-security policy lets nothing run or load
but this page's own style and script, which it names by their hashes.
"""

from __future__ import annotations

import base64
import hashlib
import math
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from selfinstruct.errors import InputError
from selfinstruct.novelty.rouge import Tokeniser
from selfinstruct.quality.sheets import PAPER, QUESTIONS
from selfinstruct.report import charts
from selfinstruct.report.common import mark_common
from selfinstruct.report.figures import Figures
from selfinstruct.report.gather import Gathered
from selfinstruct.report.reasons import explained
from selfinstruct.report.settings import FigureSettings
from selfinstruct.steps.rubric import ALL
from selfinstruct.storage.lineage import Row

if TYPE_CHECKING:
    from markupsafe import Markup

HERE = Path(__file__).parent

MOST_CHARACTERS = 3_000
"""Characters of a text that are shown; the page says how many more there are."""

_HARMLESS = {"\n", "\t", "\u00a0", "\u200c", "\u200d"}  # the last two join letters of some scripts, and emoji
_SHOWN_BY_NUMBER = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def render(figures: Figures, gathered: Gathered, draws: FigureSettings, tokeniser: Tokeniser, version: str) -> str:
    """The page. InputError if Jinja2 is not installed."""
    try:
        import jinja2
    except ImportError as error:
        raise InputError("report: jinja2 is not installed; pip install 'selfinstruct[report]'") from error
    from markupsafe import Markup

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "shown": shown,
        "number": number,
        "percent": percent,
        "reason": lambda reason: str(reason).replace("_", " "),
        "explained": explained,
        "day": day,
        "short": short,
        "span": span,
    }
    style, script = ((HERE / "templates" / name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))
    return environment.get_template("page.html.j2").render(
        figures=figures,
        draws=draws,
        version=version,
        charts=charts,
        accepted=[_task(row, gathered) for row in gathered.accepted_rows],
        rejected=[_rejected(row, gathered.texts, tokeniser) for row in gathered.rejected_rows],
        instances=gathered.rejected_instances,
        review=gathered.review_rows,
        questions=QUESTIONS,
        paper_review=PAPER,
        all_key=ALL,
        style=Markup(style),
        script=Markup(script),
        policy=_policy(style, script),
    )


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}';"
        " base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@dataclass(frozen=True, slots=True)
class Rejected:
    """A rejected candidate and, if there is one, the text it was too similar to, as (text, in common) pieces."""

    row: Row
    text: Sequence[tuple[str, bool]]
    nearest: Sequence[tuple[str, bool]]


def _rejected(row: Row, texts: Mapping[str, str], tokeniser: Tokeniser) -> Rejected:
    nearest = texts.get(row["nearest_id"] or "")
    if nearest is None:
        return Rejected(row, [(row["text"], False)], [])
    return Rejected(row, *mark_common(row["text"], nearest, tokeniser))


@dataclass(frozen=True, slots=True)
class Task:
    """An accepted instruction with its valid instances, and the nearest text that its run stored."""

    row: Row
    instances: Sequence[Row]
    nearest: str | None

    @property
    def kind(self) -> str:
        """What the model took it for."""
        if not self.instances:
            return "without a valid instance"
        return "classification" if self.instances[0]["is_classification"] else "not classification"


def _task(row: Row, gathered: Gathered) -> Task:
    return Task(row, gathered.instances_of.get(row["id"], []), gathered.texts.get(row["nearest_id"] or ""))


def shown(text: str) -> Markup:
    """A text as it stands, at most 3,000 characters; what a browser would drop or obey is shown by its number."""
    from markupsafe import Markup, escape

    rest = len(text) - MOST_CHARACTERS
    parts = [_escaped_run(text[:MOST_CHARACTERS], escape)]
    if rest > 0:
        parts.append(Markup('<span class="more">… {} more characters</span>').format(f"{rest:,}"))
    return Markup("").join(parts)


def _escaped_run(text: str, escape: Any) -> Markup:
    from markupsafe import Markup

    if text.isprintable():
        return Markup(escape(text))
    return Markup("").join(
        Markup('<span class="code">U+{:04X}</span>').format(ord(char)) if _is_odd(char) else escape(char)
        for char in text
    )


def _is_odd(char: str) -> bool:
    return char not in _HARMLESS and unicodedata.category(char) in _SHOWN_BY_NUMBER


def number(value: float | None, decimals: int = 0) -> str:
    """With commas; a dash for None."""
    return "–" if value is None else f"{value:,.{decimals}f}"


def percent(part: float | None, whole: float = 1.0, decimals: int = 1) -> str:
    """A share in percent; a dash for None or of nothing."""
    return "–" if part is None or not whole else f"{100 * part / whole:.{decimals}f}\u202f%"


def day(date: str) -> str:
    """A date as people write it: 29 November 2026."""
    parsed = datetime.fromisoformat(date)
    return f"{parsed.day} {parsed:%B %Y}"


def span(hours: float) -> str:
    """Hours, or what is less in minutes or seconds."""
    if hours >= 1:
        return f"{hours:,.1f} hours"
    return f"{60 * hours:.0f} minutes" if hours >= 1 / 30 else f"{3600 * hours:.0f} seconds"


def short(value: float) -> str:
    """With two decimals, or two digits where that would be little or nothing."""
    decimals = 2 if value >= 1 or not value else 1 - math.floor(math.log10(value))
    return f"{value:,.{decimals}f}"
