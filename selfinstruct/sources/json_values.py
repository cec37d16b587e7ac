"""JSON values out of bytes: one, or row by row of JSON lines or of an array.

An array is read element by element, so that no file is held in memory whole because of its form. Python's decoder does
the work, under limits: it recurses with each level, and takes numbers of any length.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterator
from typing import Any

from selfinstruct.errors import InputError
from selfinstruct.sources.limits import CHUNK, DEEPEST, MOST_DIGITS, MOST_DOCUMENT, MOST_ROW

TOO_DEEP = f"nested too deeply; {DEEPEST} levels are the most"
TOO_LARGE = f"has more than {MOST_ROW >> 20} MiB; shorten it, or leave it out"

_BLANK_LINE = 16  # what it counts beside its bytes, for the time that it takes
_BLANKS = re.compile(r"[ \t\r\n]*")
_GOES_ON = (b"{", b"[", b",")
"""How the first line of an object ends that is written over many lines."""

_NO_UTF8 = re.compile("[\udc80-\udcff]")
"""As what bad bytes come through the error handler `surrogateescape`."""


class RowError(ValueError):
    """What is wrong with one row; it makes a line with the name of the file and the row's number before it."""


def value_of(data: bytes) -> Any:
    """The JSON value that some bytes are.

    Raises:
        RowError: they are none, or it is nested too deeply.
    """
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise RowError(f"not UTF-8 at byte {error.start}; save it as UTF-8") from error
    try:
        return decoded(text)
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, character {error.colno}" if error.lineno > 1 else f"character {error.pos + 1}"
        raise RowError(f"not JSON: {error.msg} at {at}") from error


def json_values(file: io.BufferedReader, name: str, *, only_lines: bool) -> Iterator[tuple[int, Any]]:
    """Number and value of each row: of JSON lines, the line's from 1 on; of an array, the element's.

    A row that cannot be read is a `RowError` in place of its value, and the last one where nothing after it is sure.

    Args:
        file: As `files.opened_text` gives it.
        only_lines: Read nothing but lines; otherwise a file may also be an array, or a single object over many lines.

    Raises:
        InputError: it is an array where only lines are read.
    """
    number = blanks = 0
    begun = False
    while line := file.readline(MOST_ROW + 1 - blanks):
        number += 1
        if not begun and line.lstrip().startswith(b"["):
            if only_lines:
                raise InputError(f"{name}: is a JSON array; write one object a line (jq -c '.[]' does)")
            yield from _elements(_Text(line, number, file))
            return
        is_blank = line.isspace()
        blanks += _BLANK_LINE * is_blank
        if blanks + len(line) > MOST_ROW:
            yield number, RowError(TOO_LARGE)
            return
        if is_blank:
            blanks += len(line)
            continue
        if not begun and not only_lines and line.rstrip().endswith(_GOES_ON):
            yield 1, _value_or_bad(line + file.read(MOST_DOCUMENT))
            return
        yield number, _value_or_bad(line)
        begun, blanks = True, 0


def _value_or_bad(data: bytes) -> Any:
    if len(data) > MOST_DOCUMENT:
        return RowError(f"has more than {MOST_DOCUMENT >> 20} MiB; write one object a line")
    try:
        return value_of(data)
    except RowError as error:
        return error


def _elements(text: _Text) -> Iterator[tuple[int, Any]]:
    """Number and value of each element of an array, as `json_values`."""
    number, last = 0, text.ends()
    while not last:
        number += 1
        try:
            value, last = text.element()
        except RowError as error:
            yield number, error
            return
        yield number, value
    if text.next_char():
        yield number + 1, RowError("not JSON: there is more after the list's end; write one object a line, or one list")


class _Text:
    """The text of an array, as much of it at a time as its next element takes. What is before it has only its line."""

    def __init__(self, first: bytes, line: int, file: io.BufferedReader) -> None:
        self._file = file
        self._decode = codecs.getincrementaldecoder("utf-8")("surrogateescape").decode
        self._text = self._decode(first)
        self._at = self._text.index("[") + 1
        self._line, self._column = line, 0  # of the text's first character
        self._ended = False
        self._broken = bool(_NO_UTF8.search(self._text))

    def ends(self) -> bool:
        """Whether the list has no element at all; its end is passed then."""
        if self.next_char() != "]":
            return False
        self._at = self._text.index("]", self._at) + 1
        return True

    def next_char(self) -> str:
        """The next character that is no blank, which is not passed yet; none at the end, or in too many blanks."""
        while True:
            at = _end_of_blanks(self._text, self._at)
            if at < len(self._text) or not self._more(CHUNK):
                return self._text[at : at + 1]

    def element(self) -> tuple[Any, bool]:
        """The next element, and whether it is the last one. What may only be cut off is tried again with more text.

        Raises:
            RowError: it cannot be read; where the one after it begins is not known.
        """
        size, before = CHUNK, ("", 0)
        while True:
            try:
                value, end, last = _element(self._text, self._at)
                break
            except json.JSONDecodeError as error:
                found = error.msg, error.pos - self._at
                is_cut = found != before or error.msg.startswith("Unterminated string")
                if not (is_cut and self._more(size)):
                    raise self._bad(error, is_cut) from error
                size, before = 2 * size, found
        if end - self._at > MOST_ROW:
            raise RowError(TOO_LARGE)
        if self._broken and (broken := _NO_UTF8.search(self._text, self._at, end)):
            raise RowError(f"not UTF-8 ({self._place(broken.start())}); save it as UTF-8")
        self._at = end
        return value, last

    def _more(self, size: int) -> bool:
        """Read on, and forget what is before the next element. False, and nothing done, where no more is to be had."""
        if self._ended or len(self._text) - self._at > MOST_ROW:
            return False
        data = self._file.read(size)
        self._ended = not data
        self._line, self._column = self._position(self._at)
        new = self._decode(data, self._ended)
        self._broken = bool(_NO_UTF8.search(new)) or (self._broken and self._at < len(self._text))
        self._text, self._at = self._text[self._at :] + new, 0
        return True

    def _bad(self, error: json.JSONDecodeError, is_cut: bool) -> RowError:
        if is_cut and not self._ended:
            return RowError(TOO_LARGE)
        if _NO_UTF8.match(self._text, error.pos):
            return RowError(f"not UTF-8 ({self._place(error.pos)}); save it as UTF-8")
        return RowError(f"not JSON: {error.msg} ({self._place(error.pos)})")

    def _place(self, at: int) -> str:
        line, column = self._position(at)
        return f"line {line}, character {column + 1}"

    def _position(self, at: int) -> tuple[int, int]:
        start = self._text.rfind("\n", 0, at) + 1
        return self._line + self._text.count("\n", 0, at), at - start if start else self._column + at


def _element(text: str, at: int) -> tuple[Any, int, bool]:
    """The element that begins there, where what follows it begins, and whether it is the list's last."""
    start = _end_of_blanks(text, at)
    try:
        value, end = _DECODER.raw_decode(text, start)
    except RecursionError as error:
        raise RowError(TOO_DEEP) from error
    _check_depth(text, start, end, value)
    end = _end_of_blanks(text, end)
    if text[end : end + 1] not in (",", "]"):
        raise json.JSONDecodeError("Expecting ',' or ']'", text, end)
    return value, end + 1, text[end] == "]"


def _end_of_blanks(text: str, at: int) -> int:
    found = _BLANKS.match(text, at)
    return found.end() if found else at


def decoded(text: str) -> Any:
    """The JSON value of a text. RowError if its limits are passed, JSONDecodeError if it is none."""
    try:
        value = _DECODER.decode(text)
    except RecursionError as error:
        raise RowError(TOO_DEEP) from error
    _check_depth(text, 0, len(text), value)
    return value


def _check_depth(text: str, start: int, end: int, value: Any) -> None:
    """RowError if a value is nested too deeply; its text tells of most that they cannot be."""
    if text.count("[", start, end) + text.count("{", start, end) <= DEEPEST:
        return
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return
    raise RowError(TOO_DEEP)


def _whole_number(digits: str) -> int:
    if len(digits) > MOST_DIGITS + digits.startswith("-"):
        raise RowError(f"a number of {len(digits.lstrip('-')):,} digits; {MOST_DIGITS} are the most")
    return int(digits)


_DECODER = json.JSONDecoder(parse_int=_whole_number)
