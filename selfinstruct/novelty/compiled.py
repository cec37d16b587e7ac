"""Kernels compiled by numba where it is installed, and the same functions as plain Python where it is not.

Import this module late: numba takes half a second. Compiled code is cached beside the sources, or in the user's cache
folder where they cannot be written. A kernel calls no kernel of another file, since the cache watches one file only.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np

try:
    import numba
except ImportError:
    numba = None

P = ParamSpec("P")
T = TypeVar("T")

COMPILED = numba is not None
"""Whether kernels are compiled. Without numba the answers are the same, some hundred times slower."""


def kernel(function: Callable[P, T]) -> Callable[P, T]:
    """The function, compiled on its first call for the types of its arguments."""
    if numba is None:
        return _plain(function)
    try:
        compiled: Callable[P, T] = numba.njit(cache=True)(function)
    except RuntimeError:  # no folder to cache in
        compiled = numba.njit(function)
    return compiled


def _plain(function: Callable[P, T]) -> Callable[P, T]:
    """Unsigned integers wrap around in compiled code; numpy does the same but warns."""

    @functools.wraps(function)
    def silent(*args: P.args, **kwargs: P.kwargs) -> T:
        with np.errstate(over="ignore"):
            return function(*args, **kwargs)

    return silent
