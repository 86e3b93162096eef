"""What stands between an operation and its compiled loop: the import, what a loop can walk, parts for threads."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from math import prod
from types import ModuleType

from lab.backend.base import Array
from lab.backend.side_by_side import inside, side_by_side

SPLIT_FROM = 1 << 17  # elements; below, handing work to a thread costs more than it saves


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


def ranges(n: int, size: int, threads: int, least: int = 0) -> list[tuple[int, int]]:
    """0 to n in equal parts: as many as there are threads, or one where `size` elements are too few to share.

    least  how many are enough, where the work on each is so little that it takes more than SPLIT_FROM of them
    """
    parts = 1 if size < max(SPLIT_FROM, least) or inside() else max(1, min(threads, n))
    return list(pairwise(n * i // parts for i in range(parts + 1)))


def run(calls: list[Callable[[], None]]) -> None:
    """All calls, side by side where there are several."""
    if len(calls) == 1:
        calls[0]()
    else:
        side_by_side(calls)
