"""GroupNorm: groups of channels are standardised within each row, whatever else is in the batch."""

from __future__ import annotations

from math import prod

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.errors import UsageError
from lab.layers.base import Cache, Ctx, Grads, Layer


class GroupNorm(Layer):
    """y = gamma xhat + beta, xhat = (x - mean) / sqrt(var + eps) over each group of each row (Wu and He 2018).

    x (N, C, H, W) or (N, F); the C channels (or F features) fall into `groups` of equal size in order, with gamma and
    beta for each channel. groups=1 is LayerNorm over the whole row, groups=C InstanceNorm. What is divided out and
    subtracted cannot be read from the output: neither the length of a group's activities nor their mean.

    Backward, with d = gamma dy, r = 1 / sqrt(var + eps), and means over a group of one row:
        dx = r (d - mean(d) - xhat mean(d xhat)),  dbeta = sum dy,  dgamma = sum dy xhat over all rows and pixels.
    The cache is x and two numbers for each row and group.
    """

    def __init__(self, groups: int = 1, *, eps: float = 1e-5, affine: bool = True) -> None:
        if groups < 1:
            raise UsageError(f"GroupNorm needs at least 1 group, got groups={groups}")
        if eps <= 0:
            raise UsageError(f"GroupNorm needs eps > 0, got eps={eps}")
        self.groups, self.eps, self.affine = groups, eps, affine

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        if len(in_shape) not in (1, 3):
            raise UsageError(f"GroupNorm takes rows or images, but its input has shape {in_shape}")
        channels = in_shape[0]
        if channels % self.groups:
            valid = ", ".join(str(g) for g in range(1, channels + 1) if channels % g == 0)
            raise UsageError(f"GroupNorm groups={self.groups} does not divide {channels} channels; valid: {valid}")
        self.params = {}
        if self.affine:
            self.params = {name: ops.zeros((channels,), kind="weights") for name in ("gamma", "beta")}
            self.params["gamma"] += 1
        return in_shape

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        y, mean, r = ctx.ops.group_norm(self._rows(x), self.params.get("gamma"), self.params.get("beta"), self.eps)
        return y.reshape(x.shape), (x, mean, r) if ctx.keep else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        x, mean, r = cache
        dx, along, total = ctx.ops.group_norm_backward(
            self._rows(dy), self._rows(x), mean, r, self.params.get("gamma"), need_dx
        )
        grads: Grads = {}
        if self.affine:
            grads = {name: ctx.ops.empty(p.shape, kind="gradients") for name, p in self.params.items()}
            grads["gamma"][...] = along
            grads["beta"][...] = total
        return None if dx is None else dx.reshape(x.shape), grads

    def _rows(self, x: Array) -> Array:
        """x as (rows, groups, channels of a group, pixels)."""
        return x.reshape(len(x), self.groups, x.shape[1] // self.groups, prod(x.shape[2:]))
