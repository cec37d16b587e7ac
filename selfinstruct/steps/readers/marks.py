"""What models put around an answer and its parts: Markdown, list numbers, fences, pleasantries."""

from __future__ import annotations

import re

_BLANKS = r"[ \t]{0,16}"  # bounded, so that a line of blanks is not tried from each of them
_DECORATION = (
    rf"{_BLANKS}(?:>{_BLANKS}){{0,8}}(?:\#{{1,6}}{_BLANKS})?(?:[-*+•][ \t]{{1,16}})?(?:\d{{1,3}}[.)][ \t]{{1,16}})?"
    rf"(?:\*\*|__|\*)?{_BLANKS}"
)
_COLON = r"(?:\*\*|__|\*)?[ \t]*[:：](?:\*\*|__|\*)?[ \t]*"


def marker(name: str) -> re.Pattern[str]:
    """A marker such as `Output:` where it counts: at a line's start, Markdown, case and full-width colon aside."""
    return re.compile(rf"^{_DECORATION}{name}(?:[ \t]*\d+)?{_COLON}", re.IGNORECASE | re.MULTILINE)


INPUT = marker("Input")
OUTPUT = marker("Output")
LABEL = marker("Class[ \t]+label")
EXAMPLE = re.compile(
    rf"^{_DECORATION}Example(?:[ \t]*\d+)?(?:\*\*|__|\*)?[ \t]*(?:[.:：)](?:\*\*|__|\*)?[ \t]*|(?=\n|\Z))",
    re.IGNORECASE | re.MULTILINE,
)
"""`Example 2` alone in its line, or with a full stop, a colon or a bracket after it."""

_POLITE = re.compile(
    r"(?:please )?let me know|i hope |hope (?:this|these|that) |feel free|if you (?:need|have|would|want)"
    r"|is there anything|would you like|do you (?:need|want)|these (?:tasks|instructions|examples) "
    r"|note(?: that)?[:,]? |happy to |i(?:'m| am) (?:happy|glad)|please (?:note|feel)|thank you|you're welcome|enjoy\b",
    re.IGNORECASE,
)


def unfenced(text: str) -> str:
    """What stands in a code fence, if that is all there is; else the text as it is."""
    first, _, rest = text.strip().partition("\n")
    within, _, last = rest.rpartition("\n")
    fence = "```" if first.startswith("```") else "~~~"
    whole = first.startswith(fence) and last.strip() == fence and "`" not in first.removeprefix(fence)
    return within if whole and fence not in within else text


def without_pleasantry(text: str) -> str:
    """The text without a last paragraph that offers more help or closes politely."""
    lines = text.rstrip().split("\n")
    begins = max((at for at, line in enumerate(lines) if not line.strip()), default=-1) + 1
    before = "\n".join(lines[:begins]).rstrip()
    return before if before and _POLITE.match(lines[begins].lstrip()) else text


def plain(text: str) -> str:
    """A short text without the emphasis or quotation marks around it."""
    text = text.strip()
    for opening, closing in (("**", "**"), ("__", "__"), ("`", "`"), ('"', '"'), ("“", "”"), ("«", "»"), ("*", "*")):
        inner = text[len(opening) : -len(closing)]
        if text.startswith(opening) and text.endswith(closing) and inner and closing not in inner:
            return inner.strip()
    return text


def balanced(text: str) -> str:
    """The text without the end of an emphasis that began before it."""
    return text[:-2].rstrip() if text.endswith(("**", "__")) and text.count(text[-2:]) % 2 else text


def trimmed(text: str) -> str:
    """The text without the line breaks at its ends; blanks stay, since they may be a program's indentation."""
    return text.strip("\r\n")
