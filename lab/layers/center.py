"""Center: the mean of every row is subtracted."""

from __future__ import annotations

from lab.backend import Array
from lab.layers.base import Cache, Ctx, Grads, Layer


class Center(Layer):
    """y = x - mean(x), the mean being over the whole row.

    A photograph is mostly its mean: under a norm that keeps direction, as LengthNorm does, all photographs look alike
    and whatever differs between them is a small remainder. Nothing is learnt and no statistics are kept; what goes is
    the brightness of each single image, and colours stay. Backward: dx = dy - mean(dy), since the map is a symmetric
    projection.
    """

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        return self._without_mean(x, ctx), None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        return (self._without_mean(dy, ctx) if need_dx else None), {}

    def _without_mean(self, x: Array, ctx: Ctx) -> Array:
        y = ctx.ops.empty(x.shape)
        ctx.ops.xp.subtract(x, x.mean(axis=tuple(range(1, x.ndim)), keepdims=True), out=y)
        return y
