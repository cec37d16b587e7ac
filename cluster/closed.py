"""What keeps others away from a local cluster: loopback, a token of its own, a session folder that only we may enter.

By itself Ray listens on all interfaces and has everybody read its session folder, whose sockets ask for no token.
"""

from __future__ import annotations

import os
import secrets
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ray._private import ray_constants
from ray._raylet import AuthenticationTokenLoader, Config  # type: ignore[attr-defined]  # of a compiled module

from selfinstruct.errors import FailureError


@contextmanager
def closed() -> Iterator[Mapping[str, str]]:
    """For as long as a local cluster lives: options for the `ray.init` that starts it.

    A RAY_AUTH_MODE that is set stays (`disabled`: whoever has an account on this machine may use the cluster), and so
    do RAY_AUTH_TOKEN and RAY_TMPDIR. No token is written to a file.

    Raises:
        FailureError: no folder can be made for Ray's session.
    """
    kept = {name: os.environ.get(name) for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN")}
    everywhere = ray_constants.ENABLE_RAY_CLUSTER
    os.environ.setdefault("RAY_AUTH_MODE", "token")
    os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    ray_constants.ENABLE_RAY_CLUSTER = False  # as where Ray knows one machine only: its address is then a loopback one
    _read_again()
    try:
        yield {} if "RAY_TMPDIR" in os.environ else {"_temp_dir": str(_folder() / "ray")}
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = everywhere
        for name, value in kept.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        _read_again()


def _read_again() -> None:
    """Ray reads mode and token once; have it forget them."""
    Config.initialize("")
    AuthenticationTokenLoader.instance().reset_cache()


def _folder() -> Path:
    """A folder of this user's that nobody else may enter, the same each time unless somebody has made another there."""
    folder = Path(tempfile.gettempdir(), f"selfinstruct-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        seen = folder.lstat()
        if stat.S_ISDIR(seen.st_mode) and seen.st_uid == os.getuid() and not seen.st_mode & 0o077:
            return folder
        return Path(tempfile.mkdtemp(prefix="selfinstruct-"))
    except FileExistsError:  # a link that leads nowhere, or a file
        return Path(tempfile.mkdtemp(prefix="selfinstruct-"))
    except OSError as error:
        raise FailureError(f"no folder can be made for Ray's session: {error}") from error
