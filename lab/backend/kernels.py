"""Compiled loops for the CPU (numba, the extra `fast`): what numpy needs several passes over memory for, in one.

Each function here is the twin of a method of `Backend` of the same name, which is its reference and what runs where
numba is missing. Arrays are flat and contiguous. The loops release the GIL, so that `split` can give each half of a
large array to a thread of its own; threads of Python's sleep when idle, while those of numba's own pools keep spinning
and take the cores from BLAS.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numba

SPLIT_FROM = 1 << 18  # elements; below, handing work to a thread costs more than it saves


def _compiled(function: Callable[..., Any]) -> Any:
    """Compiled at first use, and kept on disk where there is a folder that can be written."""
    try:
        return numba.njit(nogil=True, error_model="numpy", cache=True)(function)
    except RuntimeError:  # numba refuses cache=True where neither the package nor the home can be written
        return numba.njit(nogil=True, error_model="numpy")(function)


@_compiled
def sgd(w: Any, g: Any, v: Any, rate: Any, momentum: Any, share: Any, shrink: Any) -> None:
    """v <- momentum v + share g; w <- shrink w - rate v."""
    for i in range(w.size):
        a = momentum * v[i] + share * g[i]
        v[i] = a
        w[i] = shrink * w[i] - rate * a


@_compiled
def adam(
    w: Any, g: Any, m: Any, v: Any, rate: Any, beta1: Any, share1: Any, beta2: Any, share2: Any, unbias: Any, eps: Any,
    shrink: Any,
) -> None:  # fmt: skip
    """m <- beta1 m + share1 g; v <- beta2 v + share2 g^2; w <- shrink w - rate m / (sqrt(v) unbias + eps)."""
    for i in range(w.size):
        a = beta1 * m[i] + share1 * g[i]
        b = beta2 * v[i] + share2 * g[i] * g[i]
        m[i] = a
        v[i] = b
        w[i] = shrink * w[i] - rate * a / (b**0.5 * unbias + eps)


def split(kernel: Any, arrays: list[Any], numbers: tuple[Any, ...], threads: int) -> None:
    """kernel(*arrays, *numbers) over flat arrays, in `threads` equal parts side by side where they are large."""
    size = arrays[0].size
    if threads < 2 or size < SPLIT_FROM:
        kernel(*arrays, *numbers)
        return
    bounds = [size * i // threads // 16 * 16 for i in range(threads)] + [size]
    parts = [[a[low:high] for a in arrays] for low, high in pairwise(bounds)]
    waiting = [_pool(threads - 1).submit(kernel, *part, *numbers) for part in parts[1:]]
    kernel(*parts[0], *numbers)
    for part in waiting:
        part.result()


@cache
def _pool(workers: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(workers, thread_name_prefix="lab-kernel")
