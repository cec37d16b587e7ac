"""Yes or no, as models answer whether a task is classification."""

from __future__ import annotations

import re

_TASK = r"(?:an? |the )?classification(?: task| problem)?"
_SUBJECT = r"(?:(?:the|this|that)(?: \w+)? task|it|this|that)"
_BEFORE = (
    r"(?:the |my |your )?(?:correct |final |short |right )?(?:answer|response|output|result|verdict|conclusion)(?: is)?"
    rf"|(?:the |task )?{_TASK}|is[ _]{_SUBJECT}[ _]{_TASK}|is[ _]classification|(?:task )?type"
    r"|i(?: would|'d)? (?:say|think|believe)|a(?=:)|\d{1,2}(?=[.)])|boxed|text"
)
_WORD = r"(?:yes|no|true|false)(?![^\W_])"
_SAYS = re.compile(
    rf"[\W_]*(?:(?:{_BEFORE})[\W_]*){{0,3}}({_WORD})"
    rf"(?!(?: ?[/|&] ?|,? (?:or|and) | ){_WORD})(?! (?:idea|clue|answer|comment|output|input)\b)",
    re.IGNORECASE,
)
_STATES = re.compile(
    rf"[\W_]*(?:{_SUBJECT}(?: is|'s|’s)(n't|n’t)?(?: clearly| indeed)?(?: (not))?|(not)) {_TASK}\b",
    re.IGNORECASE,
)


def yes_or_no(text: str) -> bool | None:
    """What an answer says, whatever is around it or follows; None if it is neither, or both."""
    if says := _SAYS.match(text):
        return says[1].lower() in ("yes", "true")
    states = _STATES.match(text)
    return None if states is None else not any(states.groups())
