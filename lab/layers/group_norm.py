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
        ops, xp = ctx.ops, ctx.ops.xp
        y = ops.empty(x.shape)
        rows, out = self._rows(x), self._rows(y)  # (N, G, C / G, S)
        size = rows.shape[2] * rows.shape[3]
        mean = rows.sum(axis=(2, 3), keepdims=True) / size
        xp.subtract(rows, mean, out=out)
        r = 1 / xp.sqrt(xp.einsum("ngcs,ngcs->ng", out, out)[..., None, None] / size + self.eps)
        if self.affine:
            out *= r * self._of_group("gamma")
            out += self._of_group("beta")
        else:
            out *= r
        return y, (x, mean, r) if ctx.keep else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        ops, xp = ctx.ops, ctx.ops.xp
        x, mean, r = cache
        buffer = ops.empty(x.shape, kind=None if need_dx else "workspace")
        dx, up = self._rows(buffer), self._rows(dy)
        size = up.shape[2] * up.shape[3]
        xp.subtract(self._rows(x), mean, out=dx)
        total = up.sum(axis=3, keepdims=True)  # (N, G, C / G, 1), as is `along`: sums over the pixels of a channel
        along = xp.einsum("ngcs,ngcs->ngc", up, dx)[..., None] * r
        grads: Grads = {}
        if self.affine:
            grads = {name: ops.empty(p.shape, kind="gradients") for name, p in self.params.items()}
            grads["gamma"].reshape(along.shape[1:])[...] = along.sum(axis=0)
            grads["beta"].reshape(total.shape[1:])[...] = total.sum(axis=0)
        if not need_dx:
            return None, grads
        if self.affine:
            total, along = total * self._of_group("gamma"), along * self._of_group("gamma")
        scaled = ops.empty(up.shape, kind="workspace")
        xp.multiply(up, r * self._of_group("gamma") if self.affine else r, out=scaled)
        dx *= -r * r * along.sum(axis=2, keepdims=True) / size
        dx += scaled
        dx -= r * total.sum(axis=2, keepdims=True) / size
        return buffer, grads

    def _rows(self, x: Array) -> Array:
        return x.reshape(len(x), self.groups, x.shape[1] // self.groups, prod(x.shape[2:]))

    def _of_group(self, name: str) -> Array:
        return self.params[name].reshape(self.groups, -1, 1)
