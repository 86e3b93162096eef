"""LocallyConnected2D: fields like a convolution's, but every position has weights of its own."""

from __future__ import annotations

from math import prod

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.backend.fields import Fields
from lab.backend.windows import Padding, Pair, Windows, pair
from lab.errors import UsageError
from lab.layers.base import Cache, Ctx, Grads, Layer
from lab.layers.initializers import Init, draw


class LocallyConnected2D(Layer):
    """y[n,o,p,q] = b[o,p,q] + sum over c,i,j of W[p,q,(c,i,j),o] x[n, c, s p + i - pad, s q + j - pad].

    x (N, C, H, W), W (Ho, Wo, C kh kw, O), b (O, Ho, Wo), y (N, O, Ho, Wo). With X[p,q] (N, C kh kw) what the window at
    (p, q) sees of each image, y[:,:,p,q] = X[p,q] W[p,q] + b: a product for each position, all in one batched matmul.
    Narrow fields are taken together with their neighbours, as one product with zeros in it (lab.backend.patches).
    Backward: dW[p,q] = X[p,q]^T dy[:,:,p,q], db = sum over n of dy, dX[p,q] = dy[:,:,p,q] W[p,q]^T, and dx[n,c,u,v]
    sums dX over the windows that see the pixel. The cache is x alone: X is made again, some rows of windows at a time.
    Fields without weight sharing are the paper's for images without a label in them (Hinton 2022).
    """

    gradients = "product"

    def __init__(
        self,
        channels: int,
        kernel: Pair = 3,
        *,
        stride: Pair = 1,
        padding: Padding = 0,
        init: Init = "lecun",
        bias: bool = True,
    ) -> None:
        if channels < 1:
            raise UsageError(f"LocallyConnected2D needs at least 1 channel, got channels={channels}")
        self.channels, self.kernel, self.stride, self.padding = channels, pair(kernel), stride, padding
        self.init, self.bias = init, bias

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        windows = Windows.fit("LocallyConnected2D", in_shape, self.kernel, self.stride, self.padding)
        self._fields = Fields(windows, in_shape[0], self.channels)
        fan_in = in_shape[0] * prod(self.kernel)
        shape = (*windows.out, fan_in, self.channels)
        self.params = {"W": ops.asarray(draw(self.init, shape, fan_in, self.channels, rng), kind="weights")}
        if self.bias:
            self.params["b"] = ops.zeros((self.channels, *windows.out), kind="weights")
        return (self.channels, *windows.out)

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        y = ctx.ops.local_fields(x, self.params["W"], self.params.get("b"), self._fields)
        return y, x if ctx.keep else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        dx, dW, db = ctx.ops.local_fields_backward(cache, self.params["W"], dy, self._fields, self.bias, need_dx)
        return dx, {"W": dW} if db is None else {"W": dW, "b": db}

    def flops(self) -> int:
        """Of the fields alone: what is multiplied by the zeros of patches is no work of theirs."""
        return 2 * int(self.params["W"].size)
