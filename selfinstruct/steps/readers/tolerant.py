"""Reading what real models write, of whatever form it is, and never letting a marker into the data.

The forms are those of the paper; what models do to them besides is in `marks`, `lists`, `forms` and `json_answers`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import selfinstruct.steps.readers.forms as forms
import selfinstruct.steps.readers.json_answers as json_answers
import selfinstruct.steps.readers.lists as lists
from selfinstruct.records import Instance, Kind, Reason
from selfinstruct.steps.readers.ends import first_turn
from selfinstruct.steps.readers.marks import trimmed, unfenced
from selfinstruct.steps.readers.read import Proposed, Verdict, last_dropped, whole
from selfinstruct.steps.readers.thoughts import spoken
from selfinstruct.steps.readers.yes_or_no import yes_or_no

_CUT_IN_LINE = re.compile(r"(?:[ \t]|\d|[(\[{$#\"'“«,:;/-])\Z")
"""How a text ends that a stop string ended which is no line's beginning: `2016.` holds the stop string `16.`."""


_NEXT = re.compile(r"\n[ \t]*\d{1,4}\Z")
"""The number of an item that was not begun."""


class TolerantReader:
    """Reads what a model wrote.

    Args:
        chat: The model is a chat model: it may think first, and begins a list of its own.
        keys: The kinds of request whose answers were asked for as JSON, with the key of the list in it. Where none is
            found, they are read as all others are.
    """

    def __init__(self, chat: bool, keys: Mapping[Kind, str]) -> None:
        self._chat = chat
        self._keys = keys

    def proposals(self, text: str, opened: int, cut: bool) -> list[Proposed]:
        """The instructions: JSON, or the items of a list. Of an answer that was cut, the whole ones."""
        answer = self._answer(text) or ""
        if key := self._keys.get(Kind.PROPOSE):
            found = json_answers.proposals(json_answers.repaired(answer), key, cut)
            if found:
                return [
                    (capital, _leaked(capital))
                    for each in lists.unnumbered(found)
                    if (capital := _capital(trimmed(each)))
                ]
        read = lists.listed if self._chat else lists.continued
        broken = cut or (not self._chat and _CUT_IN_LINE.search(answer) is not None)
        items = read(unfenced(_NEXT.sub(r"\g<0>.", answer) if cut else answer), opened)
        return [
            (capital, Reason.CUT_BY_LENGTH if broken and at == len(items) else _leaked(capital))
            for at, item in enumerate(items, start=1)
            if (capital := _capital(item))
        ]

    def classification(self, text: str) -> bool | None:
        """Yes or no, whatever is around it or follows; None for all else."""
        return yes_or_no(self._answer(text) or "")

    def instances(self, kind: Kind, text: str, cut: bool) -> list[Verdict]:
        """The instances: JSON, or the form that is there. Of an answer that was cut, the whole ones."""
        answer = self._answer(text) or ""
        if kind in self._keys and (found := json_answers.instances(json_answers.repaired(answer), loose=True)):
            verdicts = whole([forms.unmarked(each) for each in found])
        else:
            answer = forms.cleared(answer)
            label_first = forms.has_label(answer) if kind is Kind.INSTANTIATE else kind is Kind.OUTPUT_FIRST
            found = forms.output_first(answer) if label_first else forms.input_first(answer)
            verdicts = last_dropped(found) if cut else whole(found)
        return [_checked(forms.normal(instance), reason) for instance, reason in verdicts]

    def told(self, text: str) -> bool | None:
        """A JSON answer says it under "classification", and any other by beginning with a label."""
        answer = self._answer(text) or ""
        if Kind.INSTANTIATE in self._keys and json_answers.instances(json_answers.repaired(answer), loose=True):
            return json_answers.classification(answer)
        return forms.has_label(answer)

    def silence(self, text: str, cut: bool) -> Reason:
        """A model that was still thinking had no room for its answer, nor one that was cut before its first word."""
        unsaid = self._answer(text) is None or (cut and not text.strip())
        return Reason.CUT_BY_LENGTH if unsaid else Reason.NOTHING_PARSED

    def _answer(self, text: str) -> str | None:
        """What of a completion is the answer; None where it ended before its answer began."""
        text = first_turn(text)
        return spoken(text) if self._chat else text


def _checked(instance: Instance, reason: Reason | None) -> Verdict:
    return instance, reason or _leaked(instance.input, instance.output)


def _leaked(*texts: str) -> Reason | None:
    return Reason.LEAKED_MARKER if forms.leaks(*texts) else None


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
