"""Layers that only change the shape of a row."""

from __future__ import annotations

from math import prod

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.errors import UsageError
from lab.layers.base import Cache, Ctx, Grads, Layer


class Flatten(Layer):
    """(N, ...) -> (N, product of the rest); backward is the same reshape the other way."""

    labelled = "passes"
    gradients = "shape"

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        self.params = {}
        self._in_shape = in_shape
        return (prod(in_shape),)

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        return x.reshape(len(x), prod(self._in_shape)), None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        return (dy.reshape(len(dy), *self._in_shape) if need_dx else None), {}


class Unflatten(Layer):
    """(N, product of shape) -> (N, *shape), what Flatten undoes; backward is the same reshape the other way."""

    gradients = "shape"

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        self.params = {}
        if in_shape != (prod(self.shape),):
            raise UsageError(f"Unflatten to {self.shape} takes rows of {prod(self.shape)} numbers, not of {in_shape}")
        return self.shape

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        return x.reshape(len(x), *self.shape), None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        return (dy.reshape(len(dy), prod(self.shape)) if need_dx else None), {}


class ImageRows(Layer):
    """An image as the sequence of its rows from the top: (N, C, H, W) -> (N, H, C W); a sequence (N, T, F) stays.

    Backward is the same rearrangement the other way.
    """

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        self.params = {}
        self._in_shape = in_shape
        return rows_shape("ImageRows", in_shape)

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        return image_rows(x), None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        if not need_dx or len(self._in_shape) == 2:
            return (dy if need_dx else None), {}
        C, H, W = self._in_shape
        return dy.reshape(len(dy), H, C, W).swapaxes(1, 2), {}


def rows_shape(name: str, in_shape: Shape) -> Shape:
    """The shape of a sequence of image rows. Raises UsageError for `name` where there is none."""
    if len(in_shape) == 2:
        return in_shape
    if len(in_shape) != 3:
        raise UsageError(f"{name} takes sequences (T, F) or images (C, H, W), but its input has shape {in_shape}")
    C, H, W = in_shape
    return H, C * W


def image_rows(x: Array) -> Array:
    """x (N, C, H, W) as (N, H, C W); x (N, T, F) itself."""
    if x.ndim == 3:
        return x
    N, C, H, W = x.shape
    return x.swapaxes(1, 2).reshape(N, H, C * W)
