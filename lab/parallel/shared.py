"""Memory that forked processes have in common, and that is gone when the last of them is.

It is anonymous (no name under /dev/shm), so that not even a killed process leaves any behind.
"""

from __future__ import annotations

import mmap
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

ALIGN = 64  # bytes: one cache line, and the widest vector registers


def aligned(nbytes: int) -> int:
    """The next multiple of ALIGN that is not 0."""
    return max(1, -(-nbytes // ALIGN)) * ALIGN


def shared_bytes(nbytes: int) -> npt.NDArray[np.uint8]:
    """`nbytes` zeros at the start of a page: one memory for this process and all that are forked from it later."""
    return np.frombuffer(mmap.mmap(-1, aligned(nbytes)), np.uint8)[:nbytes]


def shared_array(shape: tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[np.generic]:
    """An array of zeros in such memory."""
    dtype = np.dtype(dtype)
    return shared_bytes(prod(shape) * dtype.itemsize).view(dtype).reshape(shape)


class SharedMemory:
    """Hands such memory out, and knows its own again."""

    def __init__(self) -> None:
        self._ranges: list[tuple[int, int]] = []

    def __call__(self, nbytes: int) -> npt.NDArray[np.uint8]:
        """`nbytes` zeros, aligned to a page."""
        memory = shared_bytes(nbytes)
        start = memory.ctypes.data
        self._ranges.append((start, start + nbytes))
        return memory

    def holds(self, array: npt.NDArray[Any]) -> bool:
        """Whether the array lies in memory from here."""
        return any(start <= array.ctypes.data < stop for start, stop in self._ranges)
