"""What users write where a place is asked for: a local path, with `~` for a home folder, or a URL."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from selfinstruct.errors import InputError

REMOTE = ("s3", "gs", "az")
"""Schemes of object stores."""

_MEANT_AS_URL = re.compile(r"(s3a?|gc?s|az|abfss?|hdfs|hf|https?|file):/", re.IGNORECASE)


def local(place: str | Path) -> Path:
    """A local path.

    Raises:
        InputError: it is a URL, or was meant as one; there is no home folder of that name.
    """
    if _MEANT_AS_URL.match(str(place)):
        raise InputError(f"{place}: is no local path, and a URL has two slashes; give a local path where no URL may be")
    try:
        path = Path(place).expanduser()
        if path != Path(place) and not Path(Path(place).parts[0]).expanduser().is_dir():
            raise InputError(f"{place}: its home folder is not there; name the folder itself")
    except RuntimeError:
        raise InputError(f"{place}: there is no such user's home folder; name the folder itself") from None
    return path


def local_path(url: str) -> Path | None:
    """The path of a local place, `file://` URLs among them; None for one elsewhere.

    Raises:
        InputError: as `local`, or a `file://` URL names another machine.
    """
    if "://" not in url:
        return local(url)
    parts = urlsplit(url)
    if parts.scheme != "file":
        return None
    if parts.netloc not in ("", "localhost"):
        raise InputError(f"{url}: names the machine {parts.netloc!r}; a file:// URL has three slashes, file:///folder")
    return Path(unquote(parts.path))
