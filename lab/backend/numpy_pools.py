"""The largest value of each window on the CPU by compiled loops, planes side by side where there are threads."""

from __future__ import annotations

from functools import partial

from lab.backend.base import Array, Backend
from lab.backend.loops import alike, loops, ranges, run
from lab.backend.pools import Pooling


class NumpyPools(Backend):
    """The part of the CPU's backend that pooling layers call."""

    _compiled = False
    threads = 1

    def max_pool(self, x: Array, pooling: Pooling, keep: bool) -> tuple[Array, Array | None]:
        if not self._compiled or not alike(x):
            return super().max_pool(x, pooling, keep)
        y = self.empty((*x.shape[:2], *pooling.out))
        which = self.empty(y.shape, pooling.number, kind=None if keep else "workspace")
        planes = [_planes(a) for a in (x, y, which)]
        parts = ranges(len(planes[0]), x.size, self.threads)
        seen = self.empty((len(parts), *pooling.out), kind="workspace")
        run([
            partial(
                loops().pools.max_pool, *(a[low:high] for a in planes), seen[i], pooling.offsets, pooling.stride
            )
            for i, (low, high) in enumerate(parts)
        ])  # fmt: skip
        return y, which if keep else None

    def max_pool_backward(self, dy: Array, which: Array, pooling: Pooling) -> Array:
        if not self._compiled or not alike(dy) or not alike(which):
            return super().max_pool_backward(dy, which, pooling)
        dx = self.empty((*dy.shape[:2], *pooling.size))
        planes = [_planes(a) for a in (dy, which, dx)]
        loop = loops().pools.max_pool_backward
        run([
            partial(loop, *(a[low:high] for a in planes), pooling.offsets, pooling.stride)
            for low, high in ranges(len(planes[0]), dx.size, self.threads)
        ])  # fmt: skip
        return dx


def _planes(x: Array) -> Array:
    """x (N, C, H, W) as (N C, H, W)."""
    return x.reshape(x.shape[0] * x.shape[1], *x.shape[2:])
