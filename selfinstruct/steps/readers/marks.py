"""What models put around an answer and its parts: Markdown, list numbers, fences, rules, pleasantries."""

from __future__ import annotations

import re
from collections.abc import Sequence

BLANK = r"[ \t\xa0\u3000]"
_BLANKS = BLANK + "{0,16}"  # bounded, so that a line of blanks is not tried from each of them
_EMPHASIS = r"(?:\*{1,3}|_{1,3}|`)?"
_DECORATION = (
    rf"(?!(?-i:[ \t]{{4,}}[a-z])){_BLANKS}(?:>{_BLANKS}){{0,8}}(?:\#{{2,6}}{_BLANKS})?(?:[-*+•]{BLANK}{{1,16}})?"
    rf"(?:\d{{1,3}}[.)]{BLANK}{{1,16}})?{_EMPHASIS}(?:[^\w\s\"'#/%;<]\uFE0F?{BLANK})?[\[(【]?"
)
"""Before a marker's name. A single `#` is none, since comments in programs begin so, nor are small letters far from the
margin, where a program has its keys."""

_NUMBER = rf"(?:{BLANK}*\#?{BLANK}*\d{{1,4}})?"
_COLON = rf"[\])】]?{_EMPHASIS}{BLANK}*[:：]{_EMPHASIS}{BLANK}*"
_ALONE = rf"{_BLANKS}(?:\#{{2,6}}{_BLANKS}{_EMPHASIS}|\*\*|__){{name}}{_NUMBER}{_EMPHASIS}{BLANK}*$"


def marker(name: str) -> re.Pattern[str]:
    """A marker such as `Output:` where it counts: at a line's start, Markdown, case and full-width colon aside; without
    a colon as a heading or in bold, if it is alone in its line."""
    alone = _ALONE.replace("{name}", name)
    return re.compile(rf"^(?:{_DECORATION}{name}{_NUMBER}{_COLON}|{alone})", re.IGNORECASE | re.MULTILINE)


INPUT = marker("Input")
OUTPUT = marker("Output")
LABEL = marker(r"Class[ \t_-]+label")
NUMBERED = re.compile(
    rf"^{_DECORATION}(?:Example|Instance){BLANK}*\#?{BLANK}*\d+(?!\d)[\])】]?{_EMPHASIS}{BLANK}*"
    rf"(?:[.:：)](?!\w){_EMPHASIS}{BLANK}*|[-–—]{BLANK}+|$)",
    re.IGNORECASE | re.MULTILINE,
)
"""`Example 2` alone in its line, or with a full stop, a colon, a bracket or a dash after it."""

_UNNUMBERED = rf"^{_DECORATION}Example[\])】]?{_EMPHASIS}{BLANK}*(?:[.:：)]{_EMPHASIS}(?=\s|\Z){BLANK}*|$)"
EXAMPLE = re.compile(f"{NUMBERED.pattern}|{_UNNUMBERED}", re.IGNORECASE | re.MULTILINE)
"""The same without a number, too, which is as often the beginning of a sentence."""

ANY = (NUMBERED, INPUT, OUTPUT, LABEL)

TITLES = ("example", "instance")
NAMES = ("input", "output", "label", *TITLES)
"""Of each marker, and of those alone that begin an example, a piece in small letters that no marker lacks."""

_HASH = re.compile(r"^\#[ \t]+(?=(?:Example|Input|Output|Class label)\b)", re.IGNORECASE | re.MULTILINE)
_FENCES = ("```", "~~~")
_FENCE = re.compile(r"(?:^|[:：][*_]{0,3})[ \t]*(`{3,}|~{3,})([^`\n]*)$")
_RULE_ENDS = ("-", "*", "_", "=")
_RULE = re.compile(r"^[ \t]*(?:-{3,}|\*{3,}|_{3,}|={3,}|(?:[-*_] ){2,}[-*_])[ \t]*$", re.MULTILINE)
_POLITE = re.compile(
    r"[*_(\[]*(?:(?:please )?(?:let me know|feel free to (?:let|ask|reach|modify|adapt|adjust|change|use))\b"
    r"|(?:i )?hope (?:this|that|these|it) (?:helps?|meets?|works?|is helpful|was helpful|are helpful|examples?)"
    r"|if you(?:'d| would)? (?:need|like|want|have) [^\n]*\b(?:let me know|feel free|just ask|ask me|help|assist)\b"
    r"|is there anything else|would you like (?:me|more|another|to see)|do you (?:need|want) (?:me|more|any|another)"
    r"|these (?:tasks|instructions|examples|instances) |(?:i'm|i am) (?:happy|glad|here) to "
    r"|happy to (?:help|provide|adjust|elaborate)|you're welcome)",
    re.IGNORECASE,
)

_REMARK = re.compile(
    rf"{_POLITE.pattern}|[*_(\[]*(?:note(?: that)?\b[*_]*[:,]? |please (?:note|feel|let)|i hope |feel free|thank you"
    r"|i(?:'m| am) (?:happy|glad)|these (?:are|tasks|new|instructions|cover|eight)|enjoy\b|end\.?$|\[?end of)",
    re.IGNORECASE,
)
"""How a remark after a list begins, which no task begins with."""


def may_hold(text: str, *names: str) -> bool:
    """Whether a marker of one of these names may stand in a text; told in a hurry, since most texts have none."""
    if not text.isascii():  # a few letters beyond ASCII are those of a name in another case
        return True
    lower = text.lower()
    return any(map(lower.__contains__, names))


def headings(text: str) -> str:
    """The text with `# Output` as `## Output`, if its first marker is one of those."""
    single = _HASH.search(text)
    if single is None:
        return text
    first = min((found.start() for each in (EXAMPLE, *ANY) if (found := each.search(text))), default=len(text))
    return _HASH.sub("## ", text) if single.start() <= first else text


def opened(text: str) -> str:
    """The text without the fences around whole instances: those whose first line is a marker."""
    if not any(each in text for each in _FENCES):
        return text
    lines = text.split("\n")
    kept: list[str] = []
    fence, around = "", False  # of the open one, and whether it stands around an instance
    for at, line in enumerate(lines):
        found = _FENCE.search(line)
        closes = bool(found and fence and found[1].startswith(fence) and not found[2].strip())
        opens = found if not fence else None
        if opens:
            fence = opens[1]
            around = any(each.match(_next(lines, at)) for each in (EXAMPLE, *ANY))
        if not (around and (opens or closes)):
            kept.append(line)
        fence = "" if closes else fence
    return "\n".join(kept)


def _next(lines: list[str], at: int) -> str:
    """The first line after this one that is not blank; each is looked at a few times at most."""
    return next((line for line in lines[at + 1 : at + 4] if line.strip()), "")


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


def without_remark(text: str) -> str:
    """The last item of a list without what is said after the list: such lines, and paragraphs that begin like one."""
    text = without_pleasantry(text)
    lines = text.rstrip().split("\n")
    begins = next((at for at, line in enumerate(lines) if at and _REMARK.match(line.lstrip())), len(lines))
    return "\n".join(lines[:begins])


def without_fence_of(text: str, openings: Sequence[re.Match[str]]) -> str:
    """The text up to the end of the fence in which the first of these stands, if there is one."""
    start = openings[0].start() if openings else 0
    fences = list(re.finditer(r"^[ \t]*```.*$", text, re.MULTILINE))
    before = [each for each in fences if each.start() < start]
    after = [each for each in fences if each.start() > start]
    return text[: after[-1].start()] if len(before) % 2 and len(after) % 2 else text


def without_rule(text: str) -> str:
    """The text without a line at its end that parts it from what followed; where it has others, that is one of them."""
    if not text.rstrip().endswith(_RULE_ENDS):
        return text
    rules = list(_RULE.finditer(text))
    last = len(rules) == 1 and not text[rules[0].end() :].strip()
    return text[: rules[0].start()].rstrip() if last else text


def plain(text: str) -> str:
    """A short text without the emphasis or quotation marks around it."""
    text = text.strip()
    for opening, closing in _AROUND if text.startswith(_OPENINGS) else ():
        inner = text[len(opening) : -len(closing)]
        if text.startswith(opening) and text.endswith(closing) and inner and closing not in inner:
            return inner.strip()
    return text


_AROUND = (
    *((each, each) for each in ("***", "**", "__", "`", '"')),
    *(("“", "”"), ("«", "»"), ("「", "」"), ("『", "』"), ("*", "*"), ("_", "_"), ("'", "'")),
)
_OPENINGS = tuple(opening for opening, _ in _AROUND)


def balanced(text: str) -> str:
    """The text without the end of an emphasis that began before it."""
    return text[:-2].rstrip() if text.endswith(("**", "__")) and text.count(text[-2:]) % 2 else text


def trimmed(text: str) -> str:
    """The text without the line breaks at its ends; blanks stay, since they may be a program's indentation."""
    return text.strip("\r\n")
