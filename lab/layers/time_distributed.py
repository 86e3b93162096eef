"""TimeDistributed: one layer at every step of a sequence, with the same parameters."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.errors import UsageError
from lab.layers.base import Cache, Ctx, Grads, Layer
from lab.layers.recurrent import time_major


class TimeDistributed(Layer):
    """y[n, t] = f(x[n, t]): (N, T, ...) goes through `layer` as T N rows, so a Dense gives each step an output.

    Dense itself takes flat rows alone: for a sequence it could as well mean one output of all steps (put Flatten before
    it) as one a step (this), and the two should not be mixed up. Masks end here: every step is a row like any other.
    """

    def __init__(self, layer: Layer) -> None:
        self.layer = layer

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        if len(in_shape) < 2 or not in_shape[0]:
            raise UsageError(f"TimeDistributed takes sequences of at least 1 step, but its input has shape {in_shape}")
        shape = self.layer.build(in_shape[1:], ops, rng)
        self.params, self.stats, self._T = self.layer.params, self.layer.stats, in_shape[0]
        return (in_shape[0], *shape)

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        y, cache = self.layer.forward(self._rows(x, ctx.ops), replace(ctx, mask=None))
        return self._sequences(y, x.shape[1]), cache

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        dx, grads = self.layer.backward(self._rows(dy, ctx.ops), cache, replace(ctx, mask=None), need_dx)
        return (None if dx is None else self._sequences(dx, dy.shape[1])), grads

    def statistics(self, cache: Cache) -> dict[str, Array]:
        return self.layer.statistics(cache)

    def flops(self) -> int:
        return self._T * self.layer.flops()

    def _rows(self, x: Array, ops: Backend) -> Array:
        N, T, *rest = x.shape
        return time_major(x.reshape(N, T, prod(rest)), ops).reshape(T * N, *rest)

    def _sequences(self, y: Array, T: int) -> Array:
        return y.reshape(T, len(y) // T, *y.shape[1:]).swapaxes(0, 1)
