"""Where the windows of a pooling layer stand, and the largest value of each, forward and backward: the reference."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

Array: TypeAlias = npt.NDArray[Any]
View: TypeAlias = tuple[slice, slice, slice, slice]
_Pair: TypeAlias = tuple[int, int]


@dataclass(frozen=True)
class Pooling:
    """Windows of `kernel` at steps of `stride`, `out` of them, on images of `size` with `padding`; all (high, wide)."""

    size: _Pair
    kernel: _Pair
    stride: _Pair
    padding: _Pair
    out: _Pair

    @property
    def tiles(self) -> bool:
        """Whether each pixel lies in exactly one window, so that gradients are written instead of summed."""
        return self.stride == self.kernel and self.padding == (0, 0)

    @property
    def number(self) -> np.dtype[Any]:
        """The smallest type that numbers the places of a window."""
        return np.dtype(np.uint8 if self.kernel[0] * self.kernel[1] <= 256 else np.uint32)

    @cached_property
    def offsets(self) -> Array:
        """(2, places): the row and the column of each place, from the window's corner without its padding."""
        offsets: Array = np.indices(self.kernel).reshape(2, -1) - np.array(self.padding)[:, None]
        return offsets

    def places(self) -> Iterator[tuple[int, View, View]]:
        """For each place in a window: its number, the windows that have a pixel there, and those pixels."""
        for i in range(self.kernel[0]):
            for j in range(self.kernel[1]):
                out, seen = [slice(None), slice(None)], [slice(None), slice(None)]
                axes = zip((i, j), self.size, self.out, self.stride, self.padding, strict=True)
                for offset, size, n, s, p in axes:
                    first, last = max(0, -((offset - p) // s)), min(n - 1, (size - 1 + p - offset) // s)
                    out.append(slice(first, last + 1))
                    start = first * s + offset - p
                    seen.append(slice(start, start + (last - first) * s + 1, s))
                yield i * self.kernel[1] + j, (out[0], out[1], out[2], out[3]), (seen[0], seen[1], seen[2], seen[3])


class PoolOperations(ABC):
    """Part of Backend, which says what `xp` and `empty` are."""

    xp: ModuleType

    @abstractmethod
    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike | None = None, kind: str | None = None) -> Array: ...

    def max_pool(self, x: Array, pooling: Pooling, keep: bool) -> tuple[Array, Array | None]:
        """The largest value of each window of x (N, C, H, W), and with `keep` the number of its place.

        That is the first in reading order where several are equal; padding is never the largest.
        """
        xp = self.xp
        y = self.empty((*x.shape[:2], *pooling.out))
        y[...] = -np.inf
        which = self.empty(y.shape, pooling.number) if keep else None
        better = self.empty(y.shape, bool, kind="workspace") if keep else None
        number = self.empty(y.shape, pooling.number, kind="workspace") if keep else None
        if which is not None:
            which[...] = 0
        for place, out, seen in pooling.places():
            if which is not None and better is not None and number is not None and place:
                xp.greater(x[seen], y[out], out=better[out])
                # places come in order, so the larger number is the later one; a masked copy takes ten times as long
                xp.multiply(better[out], pooling.number.type(place), out=number[out])
                xp.maximum(which[out], number[out], out=which[out])
            xp.maximum(y[out], x[seen], out=y[out])
        return y, which

    def max_pool_backward(self, dy: Array, which: Array, pooling: Pooling) -> Array:
        """dx (N, C, H, W): dy of each window goes to the pixel that was its largest."""
        xp = self.xp
        dx = self.empty((*dy.shape[:2], *pooling.size))
        if not pooling.tiles:
            dx[...] = 0
        chosen = self.empty(dy.shape, bool, kind="workspace")
        part = None if pooling.tiles else self.empty(dy.shape, kind="workspace")
        for place, out, seen in pooling.places():
            xp.equal(which[out], place, out=chosen[out])
            if part is None:
                xp.multiply(dy[out], chosen[out], out=dx[seen])
            else:
                xp.multiply(dy[out], chosen[out], out=part[out])
                dx[seen] += part[out]
        return dx
