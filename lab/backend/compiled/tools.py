"""How loops are compiled, and how a large one is shared between threads.

The loops release the GIL, so that `split` can give each part of a large array to a thread of its own. They are Python's
threads, since those of numba's own pools keep spinning when idle and take the cores from BLAS.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from itertools import pairwise
from typing import Any

import numba

from lab.backend.side_by_side import inside, side_by_side

SPLIT_FROM = 1 << 18  # elements; below, handing work to a thread costs more than it saves


def compiled(function: Callable[..., Any]) -> Any:
    """Compiled at first use in the order that is written, and kept on disk where there is a folder to write to."""
    return _jit(function, False)


def reordered(function: Callable[..., Any]) -> Any:
    """As `compiled`, with sums in any order, which is what lets a loop over a row use wide registers.

    Not a number stays not a number and infinity infinity: no other liberty is given.
    """
    return _jit(function, {"reassoc", "contract"})


def contracted(function: Callable[..., Any]) -> Any:
    """As `compiled`, but a product and the sum that it goes into may be one instruction, rounded once."""
    return _jit(function, {"contract"})


def _jit(function: Callable[..., Any], liberties: bool | Collection[str]) -> Any:
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy", "fastmath": liberties}
    try:
        return numba.njit(cache=True, **options)(function)
    except RuntimeError:  # numba refuses cache=True where neither the package nor the home can be written
        return numba.njit(**options)(function)


def split(kernel: Any, arrays: list[Any], numbers: tuple[Any, ...], threads: int) -> None:
    """kernel(*arrays, *numbers) over flat arrays, in `threads` equal parts side by side where they are large."""
    size = arrays[0].size
    if threads < 2 or size < SPLIT_FROM or inside():
        kernel(*arrays, *numbers)
        return
    bounds = [size * i // threads // 16 * 16 for i in range(threads)] + [size]
    parts = [[a[low:high] for a in arrays] for low, high in pairwise(bounds)]
    side_by_side([partial(kernel, *part, *numbers) for part in parts])
