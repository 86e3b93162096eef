"""LengthNorm: every row is brought to unit mean square; no mean is subtracted."""

from __future__ import annotations

import math

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.errors import UsageError
from lab.layers.base import Cache, Ctx, Grads, Layer

TINY = math.exp(-50)  # guards rows of zeros alone: far below the root mean square of any other float32 row


class LengthNorm(Layer):
    """y = r x, r = 1 / (tiny + sqrt(mean of x^2)) over `axes` (all but the batch axis unless told; 1 is the first).

    Direction is kept and length is not, so the sum of squares of a block cannot be read from its normalised output
    (Hinton 2022). Not LayerNorm: that one subtracts the mean too. Rows of zeros stay zeros.
    Backward: dx = r (dy - y mean(dy y)).
    """

    def __init__(self, axes: tuple[int, ...] | None = None) -> None:
        self.axes = axes

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        self.params = {}
        everything = tuple(range(1, len(in_shape) + 1))
        self._over = everything if self.axes is None else self.axes
        if not set(self._over) <= set(everything):
            raise UsageError(
                f"LengthNorm axes={self.axes} do not fit rows of shape {in_shape}; choose among {everything}"
            )
        self.labelled = "passes" if self._over == everything else "no"
        return in_shape

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        y, r = ctx.ops.length_norm(x, self._over, TINY)
        return y, (y, r) if ctx.keep else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        if not need_dx:
            return None, {}
        y, r = cache
        return ctx.ops.length_norm_backward(dy, y, r, self._over), {}
