"""Activations: elementwise functions, and softmax."""

from __future__ import annotations

from typing import Literal, get_args

from lab.backend import Array, ScaledRows
from lab.errors import UsageError
from lab.layers.base import Cache, Ctx, Grads, Layer
from lab.registry import unknown

ActivationName = Literal["relu", "leaky_relu", "sigmoid", "tanh", "swish", "softmax", "identity"]


class Activation(Layer):
    """A layer without parameters whose gradient follows from its output, so that one array is stored."""


class ReLU(Activation):
    """y = max(x, 0); dx = dy [y > 0]."""

    takes_scaled = True

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        y = ctx.ops.relu(x)
        return y, y if ctx.keep else None

    def overwrite(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        y = ctx.ops.relu(x, out=x)
        return y, y if ctx.keep else None

    def backward(
        self, dy: Array | ScaledRows, cache: Cache, ctx: Ctx, need_dx: bool = True
    ) -> tuple[Array | None, Grads]:
        if not need_dx:
            return None, {}
        return ctx.ops.relu_backward(dy, cache, out=cache if ctx.spend else None), {}


class LeakyReLU(Activation):
    """y = x where x > 0, else slope x; dx = dy where y > 0, else slope dy (y has the sign of x)."""

    def __init__(self, slope: float = 0.01) -> None:
        if not 0 < slope < 1:
            raise UsageError(f"LeakyReLU needs 0 < slope < 1, got slope={slope}")
        self.slope = slope

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        y = ctx.ops.leaky_relu(x, self.slope)
        return y, y if ctx.keep else None

    def overwrite(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        y = ctx.ops.leaky_relu(x, self.slope, out=x)
        return y, y if ctx.keep else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        if not need_dx:
            return None, {}
        return ctx.ops.leaky_relu_backward(dy, cache, self.slope, out=cache if ctx.spend else None), {}


class Sigmoid(Activation):
    """y = 1 / (1 + exp(-x)), computed as (1 + tanh(x / 2)) / 2, which cannot overflow; dx = dy y (1 - y)."""

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        y = ctx.ops.empty(x.shape)
        ctx.ops.xp.multiply(x, 0.5, out=y)
        ctx.ops.xp.tanh(y, out=y)
        y += 1
        y *= 0.5
        return y, y if ctx.keep else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        if not need_dx:
            return None, {}
        dx = ctx.ops.empty(cache.shape)
        ctx.ops.xp.subtract(1, cache, out=dx)
        dx *= cache
        dx *= dy
        return dx, {}


class Tanh(Activation):
    """y = tanh(x); dx = dy (1 - y^2)."""

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        y = ctx.ops.empty(x.shape)
        ctx.ops.xp.tanh(x, out=y)
        return y, y if ctx.keep else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        if not need_dx:
            return None, {}
        dx = ctx.ops.empty(cache.shape)
        ctx.ops.xp.multiply(cache, cache, out=dx)
        ctx.ops.xp.subtract(1, dx, out=dx)
        dx *= dy
        return dx, {}


class Swish(Activation):
    """y = x s(x) with s the sigmoid; dx = dy (s + y (1 - s)) (Ramachandran, Zoph and Le 2017). Stores x."""

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        y, _ = Sigmoid().forward(x, ctx.keeping(False))
        y *= x
        return y, x if ctx.keep else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        if not need_dx:
            return None, {}
        xp = ctx.ops.xp
        s, _ = Sigmoid().forward(cache, ctx.keeping(False))
        dx = ctx.ops.empty(cache.shape)
        xp.subtract(1, s, out=dx)
        dx *= s
        dx *= cache
        dx += s
        dx *= dy
        return dx, {}


class Softmax(Activation):
    """y_k = exp(x_k) / sum_j exp(x_j) over the last axis, the maximum subtracted first.

    dx = y (dy - sum_k dy_k y_k): the Jacobian is diag(y) - y y^T.
    """

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        y = ctx.ops.softmax(x)
        return y, y if ctx.keep else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        if not need_dx:
            return None, {}
        dx = ctx.ops.empty(cache.shape)
        ctx.ops.xp.multiply(dy, cache, out=dx)
        ctx.ops.xp.subtract(dy, dx.sum(axis=-1, keepdims=True), out=dx)
        dx *= cache
        return dx, {}


class Identity(Activation):
    """y = x; dx = dy."""

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        return x, None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        return (dy if need_dx else None), {}


_BY_NAME: dict[str, type[Activation]] = {
    "relu": ReLU,
    "leaky_relu": LeakyReLU,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "swish": Swish,
    "softmax": Softmax,
    "identity": Identity,
}
assert set(_BY_NAME) == set(get_args(ActivationName))


def activation(name: str) -> Activation:
    """The activation called `name`. Raises UsageError naming the valid choices."""
    if name not in _BY_NAME:
        raise UsageError(unknown("activation", name, _BY_NAME))
    return _BY_NAME[name]()
