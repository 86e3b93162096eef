"""BatchNorm: every channel is standardised over the batch, and remembers its mean and variance for later."""

from __future__ import annotations

from math import prod

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.errors import UsageError
from lab.layers.base import Cache, Ctx, Grads, Layer


class BatchNorm(Layer):
    """y = gamma xhat + beta, xhat = (x - mean) / sqrt(var + eps), for each channel (Ioffe and Szegedy 2015).

    Channels are axis 1 of images (N, C, H, W), the features of rows (N, F) and of steps (N, T, F). While training, mean
    and var are those of the channel's M values in the batch; afterwards they are running ones, r + momentum (batch - r)
    after each update, where the variance takes the unbiased M / (M - 1) var. A single value has none and leaves it be.

    Backward while training (mean and var depend on x), with sums over a channel's M values:
        dbeta = sum dy,  dgamma = sum dy xhat,  dx = gamma / sqrt(var + eps) (dy - dbeta / M - xhat dgamma / M);
    afterwards mean and var are constants, and dx = dy gamma / sqrt(var + eps). Parameters `gamma`, `beta`; running
    statistics `mean`, `var` in `stats`: see `Layer.statistics`. The cache is x and two numbers a channel.
    """

    def __init__(self, *, momentum: float = 0.1, eps: float = 1e-5, affine: bool = True) -> None:
        if not 0 < momentum <= 1:
            raise UsageError(f"BatchNorm needs 0 < momentum <= 1, got momentum={momentum}")
        if eps <= 0:
            raise UsageError(f"BatchNorm needs eps > 0, got eps={eps}")
        self.momentum, self.eps, self.affine = momentum, eps, affine

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        if not 1 <= len(in_shape) <= 3:
            raise UsageError(f"BatchNorm takes rows, steps or images, but its input has shape {in_shape}")
        self._images = len(in_shape) == 3
        channels = in_shape[0] if self._images else in_shape[-1]
        self.params = {}
        if self.affine:
            self.params = {name: ops.zeros((channels,), kind="weights") for name in ("gamma", "beta")}
            self.params["gamma"] += 1
        self.stats = {name: ops.zeros((channels,), kind="weights") for name in ("mean", "var")}
        self.stats["var"][...] = 1
        return in_shape

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        rows = self._rows(x)
        M = rows.shape[0] * rows.shape[2] if ctx.train else 0
        given = None if ctx.train else (self.stats["mean"], self.stats["var"])
        y, mean, var, r = ctx.ops.batch_norm(rows, self.params.get("gamma"), self.params.get("beta"), self.eps, given)
        return y.reshape(x.shape), (x, mean, var, r, M) if ctx.keep else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        x, mean, _, r, M = cache
        dx, along, total = ctx.ops.batch_norm_backward(
            self._rows(dy), self._rows(x), mean, r, self.params.get("gamma"), not M, need_dx
        )
        grads: Grads = {}
        if self.affine:
            grads = {name: ctx.ops.empty(mean.shape, kind="gradients") for name in ("gamma", "beta")}
            grads["gamma"][...] = along
            grads["beta"][...] = total
        return None if dx is None else dx.reshape(x.shape), grads

    def statistics(self, cache: Cache) -> dict[str, Array]:
        _, mean, var, _, M = cache
        found = {}
        if M:
            found["mean"] = self.stats["mean"] + self.momentum * (mean - self.stats["mean"])
        if M > 1:
            found["var"] = self.stats["var"] + self.momentum * (var * (M / (M - 1)) - self.stats["var"])
        return found

    def _rows(self, x: Array) -> Array:
        """x as (rows, channels, values of a channel in a row)."""
        if self._images:
            return x.reshape(len(x), x.shape[1], prod(x.shape[2:]))
        return x.reshape(prod(x.shape[:-1]), x.shape[-1], 1)
