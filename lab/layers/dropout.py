"""Dropout: units are silenced at random while training."""

from __future__ import annotations

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.errors import UsageError
from lab.layers.base import Cache, Ctx, Grads, Layer


class Dropout(Layer):
    """y = x m / (1 - rate), m ~ Bernoulli(1 - rate) a unit and row; y = x outside training. dx = dy m / (1 - rate).

    Srivastava et al. 2014, with the scaling done while training ("inverted"). The mask is a pure function of seed,
    layer, step and element, so a recomputed pass drops the same units.
    """

    def __init__(self, rate: float = 0.5) -> None:
        if not 0 <= rate < 1:
            raise UsageError(f"Dropout needs 0 <= rate < 1, got rate={rate}")
        self.rate = rate

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        self.params = {}
        self._key = int(rng.integers(2**32))
        return in_shape

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        if not ctx.train or self.rate == 0:
            return x, None
        xp = ctx.ops.xp
        mask = ctx.noise.uniform(self._key, x.shape, ctx.ops)
        xp.greater_equal(mask, self.rate, out=mask, casting="unsafe")
        mask *= 1 / (1 - self.rate)
        y = ctx.ops.empty(x.shape)
        xp.multiply(x, mask, out=y)
        return y, mask if ctx.keep else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        if not need_dx or cache is None:
            return (dy if need_dx else None), {}
        dx = ctx.ops.empty(dy.shape)
        ctx.ops.xp.multiply(dy, cache, out=dx)
        return dx, {}
