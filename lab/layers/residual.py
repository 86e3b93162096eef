"""Residual: what a body computes is added to what it was given."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.errors import UsageError
from lab.layers.base import Cache, Ctx, Grads, Layer
from lab.layers.sequential import Sequential


class Residual(Layer):
    """y = f(x) + x, or f(x) + p(x) with a `projection` p where f changes the shape (He et al. 2016).

    Backward: dx = f'(dy) + dy, or f'(dy) + p'(dy); each part's parameters get the gradient of dy through that part.
    `body` and `projection` are layers or lists of them; parameters are named "body." and "projection.".
    """

    def __init__(self, body: Layer | Sequence[Layer], projection: Layer | Sequence[Layer] | None = None) -> None:
        self.body = body if isinstance(body, Layer) else Sequential(body)
        self.projection = projection if projection is None or isinstance(projection, Layer) else Sequential(projection)

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        streams = rng.spawn(2)
        shape = self.body.build(in_shape, ops, streams[0])
        self._parts = {"body": self.body}
        if self.projection is not None:
            self._parts["projection"] = self.projection
        other = in_shape if self.projection is None else self.projection.build(in_shape, ops, streams[1])
        if shape != other:
            what = "a projection to that shape" if self.projection is None else "the projection the same shape"
            raise UsageError(f"Residual cannot add {other} to the body's output {shape}; give {what}")
        self.params = {f"{part}.{name}": p for part, layer in self._parts.items() for name, p in layer.params.items()}
        self.stats = {f"{part}.{name}": s for part, layer in self._parts.items() for name, s in layer.stats.items()}
        return shape

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        outputs, caches = [], {}
        for part, layer in self._parts.items():
            out, caches[part] = layer.forward(x, ctx)
            outputs.append(out)
        y = ctx.ops.empty(outputs[0].shape)
        ctx.ops.xp.add(outputs[0], x if self.projection is None else outputs[1], out=y)
        return y, caches if ctx.keep else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        grads: Grads = {}
        dxs = [dy] if self.projection is None else []
        for part, layer in self._parts.items():
            dx, inner = layer.backward(dy, cache[part], ctx, need_dx)
            grads.update({f"{part}.{name}": g for name, g in inner.items()})
            if dx is not None:
                dxs.append(dx)
        if not need_dx:
            return None, grads
        total = ctx.ops.empty(dxs[0].shape)
        ctx.ops.xp.add(dxs[0], dxs[1], out=total)
        return total, grads

    def statistics(self, cache: Cache) -> dict[str, Array]:
        return {
            f"{part}.{name}": s
            for part, layer in self._parts.items()
            for name, s in layer.statistics(cache[part]).items()
        }

    def inner(self) -> Sequence[Layer]:
        return [self.body] if self.projection is None else [self.body, self.projection]

    def flops(self) -> int:
        return sum(layer.flops() for layer in self._parts.values())
