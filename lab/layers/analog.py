"""AnalogDense: a dense layer on a device whose cells, offsets, noise and converters nobody knows exactly."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.errors import UsageError
from lab.layers.base import Cache, Ctx, Grads, Layer
from lab.layers.dense import Dense
from lab.layers.initializers import Init
from lab.random import generator


class AnalogDense(Layer):
    """y = A(D(x) (W * G) + b + o + noise n) for x (N, I), W (I, O), b (O,).

    G  (I, O), what a cell makes of its weight: 1 + gains z;  o (O,) offsets z;  z standard normal, drawn once for each
       device and place: another device has others, and device 0, which nobody can build, has G = 1, o = 0, no noise
    n  uniform with mean 0 and variance 1, new in every pass, row and unit, in training and afterwards
    D  rounds what goes in, A what comes out, to 2^bits - 1 values, evenly spaced and 0 among them, from -REACH to REACH
       (D) or twice as far (A); what lies outside goes to the nearest

    Nobody knows G and o, so `backward` takes the device for a Dense layer: dW = D(x)^T dy, db = sum_n dy_n and
    dx = dy W^T. Who needs no dx is wrong by no more than each cell's own gain. Rows of unit mean square (LengthNorm)
    suit REACH.
    Compare Hinton 2022, sections 8 and 9: weights that were learnt on one device are of less use on another.
    """

    REACH = 4.0  # of the converters

    def __init__(
        self,
        units: int,
        *,
        init: Init = "lecun",
        bias: bool = True,
        bits: int = 8,
        gains: float = 0.2,
        offsets: float = 0.2,
        noise: float = 0.1,
        device: int = 1,
        place: int = 0,
    ) -> None:
        if not 2 <= bits <= 16:
            raise UsageError(f"AnalogDense needs bits from 2 to 16, got bits={bits}")
        if not (gains >= 0 and offsets >= 0 and noise >= 0):
            raise UsageError(
                f"AnalogDense needs gains, offsets and noise >= 0, got gains={gains} offsets={offsets} noise={noise}"
            )
        if not 0 <= device < 2**32:
            raise UsageError(f"device={device} numbers no device; use 0 for the ideal one, or a whole number from 1")
        self._dense = Dense(units, init=init, bias=bias)
        self.bits, self.gains, self.offsets, self.noise = bits, gains, offsets, noise
        self.device, self.place = device, place

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        shape = self._dense.build(in_shape, ops, rng)
        self.params = self._dense.params
        self._noise_key = int(rng.integers(2**32))
        self.install(self.device, ops)
        return shape

    def install(self, device: int, ops: Backend) -> None:
        """Put the weights, as they are, onto another device."""
        self.device = device
        draws, shape = generator(device, "device", self.place), self.params["W"].shape
        z, offsets = draws.standard_normal(shape), draws.standard_normal(shape[1])
        self._gains = ops.asarray(1 + self.gains * z, kind="weights") if device else None
        self._offsets = ops.asarray(self.offsets * offsets, kind="weights") if device else None

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        ops, xp = ctx.ops, ctx.ops.xp
        taken = ops.empty(x.shape)
        taken[...] = x
        self._convert(taken, self.REACH, xp)
        W = self.params["W"]
        if self._gains is not None:
            there = ops.empty(W.shape, kind="workspace")
            W = xp.multiply(W, self._gains, out=there)
        y = ops.affine(taken, W, self.params.get("b"))
        if self._offsets is not None:
            y += self._offsets
            if self.noise:
                n = ctx.noise.uniform(self._noise_key, y.shape, ops)
                n -= 0.5
                n *= self.noise * sqrt(12)
                y += n
        self._convert(y, 2 * self.REACH, xp)
        return y, taken if ctx.keep else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        return self._dense.backward(dy, cache, ctx, need_dx)

    def flops(self) -> int:
        return self._dense.flops()

    def _convert(self, values: Array, reach: float, xp: Any) -> None:
        """Round to the converter's values, in place."""
        step = reach / (2 ** (self.bits - 1) - 1)
        values *= 1 / step
        xp.rint(values, out=values)
        values *= step
        xp.clip(values, -reach, reach, out=values)
