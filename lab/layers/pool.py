"""Pooling: windows of an image are answered by their largest value or by their mean."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.errors import UsageError
from lab.layers.base import Cache, Ctx, Grads, Layer
from lab.layers.windows import Pair, Windows, pair

_View = tuple[slice, slice, slice, slice]


class _Pool(Layer):
    """What both kinds share: windows, and which pixels each place in a window sees."""

    def __init__(self, pool: Pair = 2, *, stride: Pair | None = None, padding: Pair = 0) -> None:
        self.pool, self.padding = pair(pool), pair(padding)
        self.stride = self.pool if stride is None else pair(stride)

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        self.params = {}
        name = type(self).__name__
        if len(in_shape) == 3 and self.stride == self.pool and self.padding == (0, 0):
            for axis, size, pool in zip("HW", in_shape[1:], self.pool, strict=True):
                if 0 < pool <= size and size % pool:
                    below = max(d for d in range(1, pool) if size % d == 0)
                    above = min(d for d in range(pool, size + 1) if size % d == 0)
                    raise UsageError(f"{name} pool={pool} does not divide {axis}={size}; use {below} or {above}")
        self._windows = w = Windows.fit(name, in_shape, self.pool, self.stride, self.padding)
        if 2 * w.padding[0] > w.kernel[0] or 2 * w.padding[1] > w.kernel[1]:
            raise UsageError(f"{name} padding={self.padding} is more than half of pool={self.pool}; use less")
        # then each pixel lies in exactly one window, and gradients are written instead of summed
        self._tiles = w.stride == w.kernel and w.padding == (0, 0)
        return (in_shape[0], *w.out)

    def _places(self) -> Iterator[tuple[int, _View, _View]]:
        """For each place in a window: its number, the windows that have a pixel there, and those pixels."""
        w = self._windows
        for i in range(w.kernel[0]):
            for j in range(w.kernel[1]):
                out, seen = [slice(None), slice(None)], [slice(None), slice(None)]
                for offset, size, n, s, p in zip((i, j), w.size, w.out, w.stride, w.padding, strict=True):
                    first, last = max(0, -((offset - p) // s)), min(n - 1, (size - 1 + p - offset) // s)
                    out.append(slice(first, last + 1))
                    start = first * s + offset - p
                    seen.append(slice(start, start + (last - first) * s + 1, s))
                yield i * w.kernel[1] + j, (out[0], out[1], out[2], out[3]), (seen[0], seen[1], seen[2], seen[3])


class MaxPool2D(_Pool):
    """y[n,c,p,q] = max over i,j of x[n, c, s p + i - pad, s q + j - pad]; the stride is the pool's size unless told.

    Backward: dy goes to the pixel that was the maximum, the first one in reading order where several are equal. The
    cache is the number of that place in its window, one byte a window; padding is never a maximum.
    """

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        shape = super().build(in_shape, ops, rng)
        self._number = np.dtype(np.uint8 if self.pool[0] * self.pool[1] <= 256 else np.uint32)
        return shape

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        ops, xp = ctx.ops, ctx.ops.xp
        y = ops.empty((*x.shape[:2], *self._windows.out))
        y[...] = -np.inf
        which = ops.zeros(y.shape, self._number) if ctx.keep else None
        better = ops.empty(y.shape, bool, kind="workspace") if ctx.keep else None
        number = ops.empty(y.shape, self._number, kind="workspace") if ctx.keep else None
        for place, out, seen in self._places():
            if which is not None and better is not None and number is not None and place:
                xp.greater(x[seen], y[out], out=better[out])
                # places come in order, so the larger number is the later one; a masked copy takes ten times as long
                xp.multiply(better[out], self._number.type(place), out=number[out])
                xp.maximum(which[out], number[out], out=which[out])
            xp.maximum(y[out], x[seen], out=y[out])
        return y, (which, x.shape) if ctx.keep else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        if not need_dx:
            return None, {}
        ops, xp = ctx.ops, ctx.ops.xp
        which, shape = cache
        dx = ops.empty(shape)
        if not self._tiles:
            dx[...] = 0
        chosen = ops.empty(dy.shape, bool, kind="workspace")
        part = ops.empty(dy.shape, kind="workspace") if not self._tiles else None
        for place, out, seen in self._places():
            xp.equal(which[out], place, out=chosen[out])
            if part is None:
                xp.multiply(dy[out], chosen[out], out=dx[seen])
            else:
                xp.multiply(dy[out], chosen[out], out=part[out])
                dx[seen] += part[out]
        return dx, {}


class AvgPool2D(_Pool):
    """y[n,c,p,q] = mean over i,j of x[n, c, s p + i, s q + j]; a pixel's dx sums dy / size over its windows."""

    def __init__(self, pool: Pair = 2, *, stride: Pair | None = None) -> None:
        super().__init__(pool, stride=stride)

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        y = ctx.ops.zeros((*x.shape[:2], *self._windows.out))
        for _, out, seen in self._places():
            y[out] += x[seen]
        y *= 1 / (self.pool[0] * self.pool[1])
        return y, x.shape if ctx.keep else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        if not need_dx:
            return None, {}
        ops = ctx.ops
        share = ops.empty(dy.shape, kind="workspace")
        ops.xp.multiply(dy, 1 / (self.pool[0] * self.pool[1]), out=share)
        dx = ops.empty(cache)
        if not self._tiles:
            dx[...] = 0
        for _, out, seen in self._places():
            if self._tiles:
                dx[seen] = share[out]
            else:
                dx[seen] += share[out]
        return dx, {}


class GlobalAvgPool(Layer):
    """y[n,c] = mean over the image of x[n,c,:,:]: (N, C, H, W) -> (N, C); dx = dy / (H W) everywhere."""

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        if len(in_shape) != 3:
            raise UsageError(f"GlobalAvgPool takes images (C, H, W), but its input has shape {in_shape}")
        self.params = {}
        self._size = in_shape[1:]
        return in_shape[:1]

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        y = ctx.ops.empty(x.shape[:2])
        ctx.ops.xp.mean(x, axis=(2, 3), out=y)
        return y, None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        if not need_dx:
            return None, {}
        dx = ctx.ops.empty((*dy.shape, *self._size))
        ctx.ops.xp.multiply(dy[:, :, None, None], 1 / (self._size[0] * self._size[1]), out=dx)
        return dx, {}
