"""BlackBox: something between two layers that can be run and not differentiated."""

from __future__ import annotations

from math import prod, sqrt
from typing import Protocol

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.errors import UsageError
from lab.layers.base import Cache, Ctx, Grads, Layer


class Surrogate(Protocol):
    """What somebody believes of a box: sends gradients back through it, given what went in and what came out."""

    def pull_back(self, x: Array, y: Array, dy: Array, ctx: Ctx) -> Array:
        """A stand-in for the gradient of x (N, I), where dy (N, I) is that of y (N, I)."""
        ...


class BlackBox(Layer):
    """y = (1 - strength) x + strength B(x), with B(x) = f * (1 + noise n) * Q(x M); nothing in it is learnt.

    M  (I, I), entries from N(0, 1/I), drawn once: every output mixes all inputs
    Q  rounds to `levels` values, evenly spaced from -2 to 2; what lies outside goes to the nearest
    n  uniform with mean 0 and variance 1, f = -1 with probability `flips`, else 1: new in every pass, unit and row,
       in training and afterwards

    `noise` and `flips` are pure functions of seed, layer, step, pass and element. The step-shaped Q has slope 0 almost
    everywhere, so there is no gradient to be had: `backward` asks `surrogate`, which whoever trains may attach, and
    raises UsageError where there is none. Rows of unit mean square (LengthNorm) suit the range of Q.
    """

    REACH = 2.0  # of the levels

    surrogate: Surrogate | None = None

    def __init__(self, strength: float = 1.0, levels: int = 5, noise: float = 0.2, flips: float = 0.05) -> None:
        if not 0 <= strength <= 1:
            raise UsageError(f"BlackBox needs 0 <= strength <= 1, got strength={strength}")
        if levels < 2:
            raise UsageError(f"BlackBox needs levels of at least 2, got levels={levels}")
        if not noise >= 0 or not 0 <= flips <= 1:
            raise UsageError(f"BlackBox needs noise >= 0 and 0 <= flips <= 1, got noise={noise} flips={flips}")
        self.strength, self.levels, self.noise, self.flips = strength, levels, noise, flips

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        self.params, self.surrogate, self.in_shape = {}, None, in_shape
        size = prod(in_shape)
        draws, self._flip_key = rng.spawn(1)[0], int(rng.integers(2**32))
        self._noise_key = int(rng.integers(2**32))
        self._mixing = ops.asarray(draws.standard_normal((size, size)) / sqrt(max(1, size)), kind="weights")
        return in_shape

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        ops, xp = ctx.ops, ctx.ops.xp
        b = ops.affine(x.reshape(len(x), len(self._mixing)), self._mixing, None).reshape(x.shape)
        half = (self.levels - 1) / 2
        xp.clip(b, -self.REACH, self.REACH, out=b)
        b *= half / self.REACH
        b += half
        xp.rint(b, out=b)
        b -= half
        b *= self.strength * self.REACH / half
        if self.noise:
            n = ctx.noise.uniform(self._noise_key, x.shape, ops)
            n -= 0.5
            n *= self.noise * sqrt(12)
            n += 1
            b *= n
        if self.flips:
            f = ctx.noise.uniform(self._flip_key, x.shape, ops)
            b *= xp.where(f < self.flips, -1, 1).astype(ops.dtype)
        b += (1 - self.strength) * x
        return b, (x, b) if ctx.keep and self.surrogate is not None else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        if not need_dx:
            return None, {}
        if self.surrogate is None:
            raise UsageError(
                "a black box has no derivative to send a gradient through; use trainer=surrogate_backprop, or one that "
                "sends nothing back between blocks"
            )
        x, y = cache
        return self.surrogate.pull_back(x, y, dy, ctx), {}
