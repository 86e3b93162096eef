"""Host memory that is handed out, taken back by reference count, reused, and counted by kind.

An array from the pool returns its buffer the moment the last reference to it (or to a view of it) goes. So what a
trainer holds is what is counted: a dropped cache is freed memory, a kept one is not, and nobody has to say so. After
the first step every buffer is a reused one, and the allocator is not asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import prod
from threading import RLock
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

KINDS = ("weights", "gradients", "optimizer", "activations", "readout", "workspace", "data")
_ALIGN = 64  # bytes: one cache line, and the widest vector registers

# the memory, the aligned address in it, the bytes from there on; the address is asked for once, for asking is slow
_Raw: TypeAlias = tuple[npt.NDArray[np.uint8], int, int]


class Usage:
    """Bytes alive by kind, their peaks, and the place where the total peaked; shared by all backends.

    `peak[kind]` is each kind's own maximum, `peak_total` the maximum of the sum, which is at most their sum, and
    `at_peak[kind]` the split at that moment. All in bytes.
    """

    def __init__(self) -> None:
        self.live = dict.fromkeys(KINDS, 0)
        self.total = 0
        self.place = "set-up"
        self.kind = "activations"
        self._every = False
        self.reset_peak()

    def reset_peak(self) -> None:
        """Forget the peaks so far: they start again from what is alive now."""
        self.peak = dict(self.live)
        self.peak_total, self.peak_at, self.at_peak = self.total, self.place, dict(self.live)

    def add(self, kind: str, nbytes: int) -> None:
        """Count `nbytes` more of `kind` (fewer when negative)."""
        live = self.live[kind] + nbytes
        self.live[kind] = live
        self.total += nbytes
        if live > self.peak[kind]:
            self.peak[kind] = live
        if self.total > self.peak_total:
            self.peak_total, self.peak_at, self.at_peak = self.total, self.place, dict(self.live)

    def kind_of(self, kind: str | None) -> str:
        """What an array asked for as `kind` counts as, here and now."""
        return self.kind if kind is None or self._every else kind

    @contextmanager
    def during(self, place: str, kind: str | None = None, *, every: bool = False) -> Iterator[None]:
        """Name what happens inside: `place` labels the peak, `kind` is what unlabelled (or `every`) arrays are."""
        before = self.place, self.kind, self._every
        self.place, self.kind, self._every = place, kind or self.kind, every
        try:
            yield
        finally:
            self.place, self.kind, self._every = before


class _Lease:
    """Owns one buffer while any array over it lives; numpy keeps it as the arrays' base object."""

    __slots__ = ("__array_interface__", "_kind", "_pool", "_raw")

    def __init__(self, pool: Pool, raw: _Raw, shape: tuple[int, ...], typestr: str, kind: str) -> None:
        self._pool, self._raw, self._kind = pool, raw, kind
        self.__array_interface__ = {"data": (raw[1], False), "shape": shape, "typestr": typestr, "version": 3}

    def __del__(self) -> None:
        self._pool._take_back(self._raw, self._kind)


class Pool:
    """A free list of host buffers by size. `fresh` counts the buffers that had to be asked of the allocator.

    `source(nbytes)`, where given, makes the buffers: for memory of another sort, such as what processes share.
    """

    def __init__(self) -> None:
        self.usage = Usage()
        self.source: Callable[[int], npt.NDArray[np.uint8]] | None = None
        self.fresh = 0
        self._free: dict[int, list[_Raw]] = {}
        self._lock = RLock()  # parts of a batch ask side by side; a thread may give back while it asks

    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike, kind: str | None = None) -> npt.NDArray[Any]:
        """An uninitialised C-ordered array over a pooled buffer, counted under `kind`."""
        dtype = np.dtype(dtype)
        nbytes = max(1, -(-prod(shape) * dtype.itemsize // _ALIGN)) * _ALIGN
        with self._lock:
            waiting = self._free.get(nbytes)
            if waiting:
                raw = waiting.pop()
            else:
                self.fresh += 1
                raw = _aligned(nbytes) if self.source is None else _whole(self.source(nbytes))
            kind = self.usage.kind_of(kind)
            self.usage.add(kind, nbytes)
        return np.asarray(_Lease(self, raw, shape, dtype.str, kind))

    def trim(self) -> None:
        """Give the buffers that wait for reuse back to the system."""
        self._free.clear()

    def _take_back(self, raw: _Raw, kind: str) -> None:
        nbytes = raw[2]
        with self._lock:
            self.usage.add(kind, -nbytes)
            self._free.setdefault(nbytes, []).append(raw)


def _aligned(nbytes: int) -> _Raw:
    memory = np.empty(nbytes + _ALIGN, np.uint8)
    return memory, -(-memory.ctypes.data // _ALIGN) * _ALIGN, nbytes


def _whole(memory: npt.NDArray[np.uint8]) -> _Raw:
    return memory, memory.ctypes.data, memory.nbytes
