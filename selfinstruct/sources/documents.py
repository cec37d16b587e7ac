"""Files that are one JSON value, and so are held in memory whole: ratings, a review sheet, a benchmark's task."""

from __future__ import annotations

import json
import re
from typing import Any

from selfinstruct.errors import InputError
from selfinstruct.sources.files import read_text
from selfinstruct.sources.json_values import RowError, decoded
from selfinstruct.sources.limits import MOST_DIGITS

_LONG_NUMBER = re.compile(rf"\d{{{MOST_DIGITS + 1}}}")


def read_document(url: str) -> Any:
    """The value of a file that is one JSON value.

    Raises:
        InputError: it is none, is too large or nested too deeply, or cannot be read.
    """
    text = read_text(url)
    try:
        return decoded(text)
    except json.JSONDecodeError as error:
        at = f"line {error.lineno}, character {error.colno}"
        raise InputError(f"{url}: is not JSON: {error.msg} ({at})") from error
    except RowError as error:
        number = _LONG_NUMBER.search(text)
        line = f"{text.count(chr(10), 0, number.start()) + 1}:" if number else ""
        raise InputError(f"{url}:{line} {error}") from error
