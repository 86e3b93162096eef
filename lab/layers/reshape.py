"""Layers that only change the shape of a row."""

from __future__ import annotations

from math import prod

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.layers.base import Cache, Ctx, Grads, Layer


class Flatten(Layer):
    """(N, ...) -> (N, product of the rest); backward is the same reshape the other way."""

    labelled = "passes"

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        self.params = {}
        self._in_shape = in_shape
        return (prod(in_shape),)

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        return x.reshape(len(x), prod(self._in_shape)), None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        return (dy.reshape(len(dy), *self._in_shape) if need_dx else None), {}
