"""Dense: every output is a weighted sum of all inputs."""

from __future__ import annotations

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.errors import UsageError
from lab.layers.base import Cache, Ctx, Grads, Layer
from lab.layers.initializers import Init, draw


class Dense(Layer):
    """y = x W + b for x (N, I), W (I, O), b (O,).

    Backward: dx = dy W^T, dW = x^T dy, db = sum_n dy_n. Parameters `W`, `b`. The cache is x alone.
    """

    labelled = "takes"
    gradients = "product"
    fresh = True

    def __init__(self, units: int, *, init: Init = "lecun", bias: bool = True) -> None:
        if units < 1:
            raise UsageError(f"Dense needs at least 1 unit, got units={units}")
        self.units, self.init, self.bias = units, init, bias

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        if len(in_shape) != 1:
            each = ", or TimeDistributed around it for an output a step" if len(in_shape) == 2 else ""
            raise UsageError(
                f"Dense takes flat rows, but its input has shape {in_shape}; put a Flatten before it{each}"
            )
        (inputs,) = in_shape
        shape = (inputs, self.units)
        self.params = {"W": ops.asarray(draw(self.init, shape, inputs, self.units, rng), kind="weights")}
        if self.bias:
            self.params["b"] = ops.zeros((self.units,), kind="weights")
        return (self.units,)

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        return ctx.ops.affine(x, self.params["W"], self.params.get("b")), x if ctx.keep else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        dx, dW, db = ctx.ops.affine_backward(cache, self.params["W"], dy, self.bias, need_dx, not ctx.unwritten)
        return dx, {"W": dW} if db is None else {"W": dW, "b": db}

    def flops(self) -> int:
        return 2 * self.params["W"].size
