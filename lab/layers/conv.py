"""Conv2D: one small kernel slides over the image, as a matrix product of weights and columns."""

from __future__ import annotations

from math import gcd, prod

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.backend.convolutions import Convolution
from lab.backend.windows import Padding, Pair, Windows, pair
from lab.errors import UsageError
from lab.layers.base import Cache, Ctx, Grads, Layer
from lab.layers.initializers import Init, draw


class Conv2D(Layer):
    """y[n,o,p,q] = b[o] + sum over c,i,j of W[o,c,i,j] x[n, c, s p + i - pad, s q + j - pad]; x is 0 outside the image.

    x (N, C, H, W), W (O, C / groups, kh, kw), b (O,), y (N, O, Ho, Wo) with Ho = floor((H + 2 pad - kh) / s) + 1. With
    groups G, output group g sees input group g alone. padding="same" keeps the size at stride 1.

    Forward. Write what offset (c,i,j) of the kernel sees as row (c,i,j) of a matrix of columns, one column for each
    window: X[(c,i,j), (n,p,q)] = x[n, c, s p + i - pad, s q + j - pad]. Then y = W X + b with W as (O, C kh kw).

    Backward, with dy as (O, N Ho Wo). Each W[o,c,i,j] meets every window, each pixel the windows that it lies in:
        dW = dy X^T,  db[o] = sum over n,p,q of dy[n,o,p,q],  dX = W^T dy,
        dx[n,c,u,v] = sum of dX[(c,i,j), (n,p,q)] over all i,j,p,q with s p + i - pad = u and s q + j - pad = v.
    At stride 1 that sum is a convolution too: given u and i there is one p = u - i + pad; with i' = kh-1-i, j' alike,
        dx[n,c,u,v] = sum over o,i',j' of W[o,c,i,j] dy[n, o, u + i' - (kh-1-pad), v + j' - (kw-1-pad)]:
    the flipped kernel times the columns Y of dy under padding kh-1-pad. And dW is x Y^T, flipped likewise. So one
    matrix of columns serves both gradients and nothing is summed over windows; taken where Y is not much larger than X.

    The cache is x alone. Columns are kh kw times as large; they are made for a few images at a time, in a buffer that
    stays in the core's cache, and made again for the backward, which costs 5 to 10 % of it. A kernel of one pixel at
    stride 1 without padding has the image itself as its columns.

    By hand, a 3x3 image, a 2x2 kernel, no padding. The window at the upper left gives 1*1 + 2*2 + 3*4 + 4*5 + 10 = 47:
    >>> import numpy as np
    >>> from lab.backend import NumpyBackend
    >>> from lab.layers import Conv2D, Ctx
    >>> ctx = Ctx(NumpyBackend("float64"), keep=True)
    >>> layer = Conv2D(1, kernel=2)
    >>> layer.build((1, 3, 3), ctx.ops, np.random.default_rng(0))
    (1, 2, 2)
    >>> layer.params["W"][0, 0] = [[1, 2], [3, 4]]
    >>> layer.params["b"][0] = 10
    >>> x = np.array([[[[1.0, 2, 3], [4, 5, 6], [7, 8, 9]]]])
    >>> y, cache = layer.forward(x, ctx)
    >>> print(y[0, 0])
    [[47. 57.]
     [77. 87.]]

    A loss whose gradient dy is 1 at the upper left window and 2 at the lower right one: dW is the first window plus
    twice the last, [[1, 2], [4, 5]] + 2 [[5, 6], [8, 9]]; dx is the kernel laid over the first window plus twice the
    kernel over the last, so the pixel that both see gets 4*1 + 1*2 = 6; db = 1 + 2.
    >>> dx, grads = layer.backward(np.array([[[[1.0, 0], [0, 2]]]]), cache, ctx)
    >>> print(grads["W"][0, 0])
    [[11. 14.]
     [20. 23.]]
    >>> print(dx[0, 0])
    [[1. 2. 0.]
     [3. 6. 4.]
     [0. 6. 8.]]
    >>> print(grads["b"])
    [3.]
    """

    gradients = "product"

    def __init__(
        self,
        channels: int,
        kernel: Pair = 3,
        *,
        stride: Pair = 1,
        padding: Padding = 0,
        groups: int = 1,
        init: Init = "lecun",
        bias: bool = True,
    ) -> None:
        if channels < 1 or groups < 1:
            raise UsageError(f"Conv2D needs at least 1 channel and 1 group, got channels={channels} groups={groups}")
        self.channels, self.kernel, self.stride, self.padding = channels, pair(kernel), stride, padding
        self.groups, self.init, self.bias = groups, init, bias

    def build(self, in_shape: Shape, ops: Backend, rng: np.random.Generator) -> Shape:
        windows = Windows.fit("Conv2D", in_shape, self.kernel, self.stride, self.padding)
        C, O, G = in_shape[0], self.channels, self.groups
        if C % G or O % G:
            valid = ", ".join(str(g) for g in range(1, gcd(C, O) + 1) if gcd(C, O) % g == 0)
            raise UsageError(f"Conv2D groups={G} does not divide {C} input and {O} output channels; valid: {valid}")
        shape = (O, C // G, *self.kernel)
        fan_in, fan_out = prod(shape[1:]), O // G * prod(self.kernel)
        self.params = {"W": ops.asarray(draw(self.init, shape, fan_in, fan_out, rng), kind="weights")}
        if self.bias:
            self.params["b"] = ops.zeros((O,), kind="weights")
        self._convolution = Convolution(windows, C, O, G)
        return (O, *windows.out)

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        y = ctx.ops.convolve(x, self.params["W"], self.params.get("b"), self._convolution)
        return y, x if ctx.keep else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        dx, dW, db = ctx.ops.convolve_backward(cache, self.params["W"], dy, self._convolution, self.bias, need_dx)
        return dx, {"W": dW} if db is None else {"W": dW, "b": db}

    def flops(self) -> int:
        return 2 * self.params["W"].size * prod(self._convolution.windows.out)
