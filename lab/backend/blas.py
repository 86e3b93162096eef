"""numpy's own BLAS, called directly for what numpy has no words for: C <- alpha A^T B + beta C, and fewer threads.

The library is the one that numpy has loaded, found among those of this process, so that there is no second pool of
threads. Its names are not numpy's public interface: what is found is tried on a small product before it is used, and
where nothing is found or the trial fails, callers do it in two steps.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache
from typing import Any, Protocol

import numpy as np
from threadpoolctl import threadpool_info

from lab.backend.base import Array

_ROW_MAJOR, _PLAIN, _TRANSPOSED = 101, 111, 112  # as in cblas.h
_PREFIXES = (("scipy_cblas_", "64_", ctypes.c_int64), ("cblas_", "64_", ctypes.c_int64), ("cblas_", "", ctypes.c_int))


class Gemm(Protocol):
    """C <- alpha A^T B + beta C for C-ordered A (N, I), B (N, O), C (I, O) of one floating type."""

    def __call__(self, A: Array, B: Array, C: Array, alpha: float, beta: float) -> None: ...


@cache
def thread_setter() -> Callable[[int], None] | None:
    """Sets how many threads OpenBLAS gives to a product from now on; None where numpy runs on another library.

    threadpoolctl does the same for every library of the process, which takes too long to be done for every layer.
    """
    for library in threadpool_info():
        if library["internal_api"] == "openblas" and "numpy" in library["filepath"]:
            loaded = ctypes.CDLL(library["filepath"])
            for prefix, suffix, _ in _PREFIXES:
                name = f"{prefix.replace('cblas', 'openblas')}set_num_threads{suffix}"
                if (function := getattr(loaded, name, None)) is not None:
                    function.argtypes, function.restype = [ctypes.c_int], None
                    setter: Callable[[int], None] = function
                    return setter
    return None


@cache
def gemm(dtype: str) -> Gemm | None:
    """The product for arrays of `dtype`, or None where numpy's BLAS offers none that can be called."""
    letter, real = {"float32": ("s", ctypes.c_float), "float64": ("d", ctypes.c_double)}[dtype]
    for library in threadpool_info():
        if library["user_api"] != "blas" or "numpy" not in library["filepath"]:
            continue
        loaded = ctypes.CDLL(library["filepath"])
        for prefix, suffix, integer in _PREFIXES:
            function = getattr(loaded, f"{prefix}{letter}gemm{suffix}", None)
            if function is not None:
                made = _bound(function, integer, real)
                return made if _sound(made, dtype) else None
    return None


def _bound(function: Any, integer: Any, real: Any) -> Gemm:
    pointer, word = ctypes.c_void_p, ctypes.c_int
    function.restype = None
    function.argtypes = [word, word, word, integer, integer, integer, real, pointer, integer, pointer, integer, real,
                         pointer, integer]  # fmt: skip

    def product(A: Array, B: Array, C: Array, alpha: float, beta: float) -> None:
        (n, i), o = A.shape, B.shape[1]
        function(
            _ROW_MAJOR, _TRANSPOSED, _PLAIN, i, o, n, alpha, A.ctypes.data, i, B.ctypes.data, o, beta, C.ctypes.data, o
        )

    return product


def _sound(product: Gemm, dtype: str) -> bool:
    """Whether small whole numbers come out exactly, alpha, beta and all."""
    A, B, C = (np.arange(n, n + r * c, dtype=dtype).reshape(r, c) for n, r, c in ((1, 3, 2), (5, 3, 4), (2, 2, 4)))
    expected = 2 * (A.T @ B) + 3 * C
    product(A, B, C, 2.0, 3.0)
    return bool(np.array_equal(C, expected))
