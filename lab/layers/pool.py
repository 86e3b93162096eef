"""Pooling: windows of an image are answered by their largest value or by their mean."""

from __future__ import annotations

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.backend.pools import Pooling
from lab.backend.windows import Pair, Windows, pair
from lab.errors import UsageError
from lab.layers.base import Cache, Ctx, Grads, Layer


class _Pool(Layer):
    """What both kinds share: their windows."""

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
        w = Windows.fit(name, in_shape, self.pool, self.stride, self.padding)
        if 2 * w.padding[0] > w.kernel[0] or 2 * w.padding[1] > w.kernel[1]:
            raise UsageError(f"{name} padding={self.padding} is more than half of pool={self.pool}; use less")
        self._pooling = Pooling(w.size, w.kernel, w.stride, w.padding, w.out)
        return (in_shape[0], *w.out)


class MaxPool2D(_Pool):
    """y[n,c,p,q] = max over i,j of x[n, c, s p + i - pad, s q + j - pad]; the stride is the pool's size unless told.

    Backward: dy goes to the pixel that was the maximum, the first one in reading order where several are equal. The
    cache is the number of that place in its window, one byte a window; padding is never a maximum.
    """

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        y, which = ctx.ops.max_pool(x, self._pooling, ctx.keep)
        return y, which

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        return (ctx.ops.max_pool_backward(dy, cache, self._pooling) if need_dx else None), {}


class AvgPool2D(_Pool):
    """y[n,c,p,q] = mean over i,j of x[n, c, s p + i, s q + j]; a pixel's dx sums dy / size over its windows."""

    def __init__(self, pool: Pair = 2, *, stride: Pair | None = None) -> None:
        super().__init__(pool, stride=stride)

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        y = ctx.ops.zeros((*x.shape[:2], *self._pooling.out))
        for _, out, seen in self._pooling.places():
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
        if not self._pooling.tiles:
            dx[...] = 0
        for _, out, seen in self._pooling.places():
            if self._pooling.tiles:
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
