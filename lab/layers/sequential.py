"""Sequential: layers one after the other, as one layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.layers.base import Cache, Ctx, Grads, Layer


class Sequential(Layer):
    """y = f_n(... f_1(x)). Parameters are named by position: "0.W", "0.b", "2.W".

    With need_dx=False the backward stops at the first layer that has parameters: nobody asks for what lies before it.
    """

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = list(layers)

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        shape = in_shape
        for layer, stream in zip(self.layers, rng.spawn(len(self.layers)), strict=True):
            shape = layer.build(shape, ops, stream)
        self.params = {f"{i}.{name}": p for i, layer in enumerate(self.layers) for name, p in layer.params.items()}
        self.stats = {f"{i}.{name}": s for i, layer in enumerate(self.layers) for name, s in layer.stats.items()}
        self._first = next((i for i, layer in enumerate(self.layers) if layer.params), len(self.layers))
        self.labelled = next((layer.labelled for layer in self.layers if layer.labelled != "passes"), "passes")
        kinds = [layer.gradients for layer in self.layers[self._first :]]
        self.gradients = "product" if kinds[:1] == ["product"] and set(kinds[1:]) <= {"shape"} else "no"
        self.fresh = bool(self.layers) and self.layers[-1].fresh
        return shape

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        caches = []
        for layer in self.layers:
            x, cache = layer.forward(x, ctx)
            caches.append(cache)
        return x, caches if ctx.keep else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        grads: Grads = {}
        stop = 0 if need_dx else self._first
        upstream: Array | None = dy
        for i in range(len(self.layers) - 1, stop - 1, -1):
            assert upstream is not None
            upstream, inner = self.layers[i].backward(upstream, cache[i], ctx, need_dx or i > stop)
            grads.update({f"{i}.{name}": g for name, g in inner.items()})
        return (upstream if need_dx else None), grads

    def picked(self, cache: Cache, pick: Callable[[Any], Array]) -> Cache:
        caches = list(cache)
        caches[self._first] = self.layers[self._first].picked(cache[self._first], pick)
        return caches

    def statistics(self, cache: Cache) -> dict[str, Array]:
        inner = zip(self.layers, cache, strict=True)
        return {f"{i}.{name}": s for i, (layer, c) in enumerate(inner) for name, s in layer.statistics(c).items()}

    def inner(self) -> Sequence[Layer]:
        return self.layers

    def flops(self) -> int:
        return sum(layer.flops() for layer in self.layers)
