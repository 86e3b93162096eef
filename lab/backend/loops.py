"""What stands between an operation and its compiled loop: the import, and whether a loop can walk the arrays."""

from __future__ import annotations

import importlib
from functools import cache
from math import prod
from types import ModuleType

from lab.backend.base import Array


@cache
def loops() -> ModuleType:
    """The compiled loops, imported when the first one is called: importing numba takes longer than all else here."""
    return importlib.import_module("lab.backend.compiled")


def alike(*arrays: Array) -> bool:
    """Whether a loop over the arrays sees all elements, in one order and of one type."""
    first = arrays[0].dtype
    return all(a.flags.c_contiguous and a.dtype == first for a in arrays)


def matrix(x: Array) -> Array:
    """x with each row flat."""
    return x.reshape(len(x), prod(x.shape[1:]))
