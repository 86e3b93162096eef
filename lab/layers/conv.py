"""Conv2D: one small kernel slides over the image, as a matrix product of weights and columns."""

from __future__ import annotations

from math import gcd, prod

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.errors import UsageError
from lab.layers.base import Cache, Ctx, Grads, Layer
from lab.layers.initializers import Init, draw
from lab.layers.windows import DEVICE_TILE, TILE, Padding, Pair, Windows, pair


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
        self._windows = Windows.fit("Conv2D", in_shape, self.kernel, self.stride, self.padding)
        C, O, G = in_shape[0], self.channels, self.groups
        if C % G or O % G:
            valid = ", ".join(str(g) for g in range(1, gcd(C, O) + 1) if gcd(C, O) % g == 0)
            raise UsageError(f"Conv2D groups={G} does not divide {C} input and {O} output channels; valid: {valid}")
        shape = (O, C // G, *self.kernel)
        fan_in, fan_out = prod(shape[1:]), O // G * prod(self.kernel)
        self.params = {"W": ops.asarray(draw(self.init, shape, fan_in, fan_out, rng), kind="weights")}
        if self.bias:
            self.params["b"] = ops.zeros((O,), kind="weights")
        w = self._windows
        self._pointwise = (self.kernel, w.stride, w.padding) == ((1, 1), (1, 1), (0, 0))  # the columns are the image
        # summing over windows costs about as much as copying as many entries twice
        self._by_outputs = w.stride == (1, 1) and O * w.transposed.run <= 2 * C * w.run
        return (O, *self._windows.out)

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        y = ctx.ops.empty((len(x), self.channels, *self._windows.out))
        ctx.ops.in_parts(lambda rows: self._forward(x[rows], y[rows], ctx.ops), len(x))
        return y, x if ctx.keep else None

    def _forward(self, x: Array, y: Array, ops: Backend) -> None:
        """y from x, some images at a time."""
        w, G, O = self._windows, self.groups, self.channels
        W, b, z = self.params["W"].reshape(G, O // G, -1), self.params.get("b"), None
        if self._pointwise:
            ops.matmul(W, _pixels(x, G), _pixels(y, G))
            if b is not None:
                y += b[:, None, None]
            return
        for rows, cols in w.columns(x, ops):
            n = cols.shape[3]
            if z is None or z.shape[1] != n:
                z = ops.empty((O, n, w.run), kind="workspace")
            ops.matmul(W, _grouped(cols, G, n * w.run), _grouped(z, G, n * w.run))
            if b is None:
                y[rows] = w.crop(z)
            else:
                ops.xp.add(w.crop(z), b[:, None, None], out=y[rows])

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        way = self._backward_by_outputs if self._by_outputs else self._backward_by_inputs
        if self._pointwise:
            way = self._backward_by_pixels
        ops, shape = ctx.ops, self.params["W"].shape
        dx = ops.empty(cache.shape) if need_dx else None

        def part(rows: slice) -> Array:
            dW = ops.empty(shape, kind="gradients")
            way(cache[rows], dy[rows], dW, None if dx is None else dx[rows], ops)
            return dW

        dW, *others = ops.in_parts(part, len(cache))
        for other in others:
            dW += other
        if not self.bias:
            return dx, {"W": dW}
        db = ctx.ops.empty((self.channels,), kind="gradients")
        ctx.ops.xp.sum(dy, axis=(0, 2, 3), out=db)
        return dx, {"W": dW, "b": db}

    def _backward_by_pixels(self, x: Array, dy: Array, dW: Array, dx: Array | None, ops: Backend) -> None:
        """dW = sum over images of dy x^T and dx = W^T dy, from the images themselves."""
        G = self.groups
        W, X, Y = self.params["W"].reshape(G, self.channels // G, -1), _pixels(x, G), _pixels(dy, G)
        step = max(1, min(len(x), TILE.get(ops.name, DEVICE_TILE) // dW.nbytes))  # images whose products fit a cache
        parts, total = ops.empty((step, *W.shape), kind="workspace"), dW.reshape(W.shape)
        total[...] = 0
        for start in range(0, len(x), step):
            part = parts[: min(step, len(x) - start)]
            ops.matmul(Y[start : start + step], X[start : start + step].swapaxes(2, 3), part)
            total += part.sum(axis=0)
        if dx is not None:
            ops.matmul(W.swapaxes(1, 2), Y, _pixels(dx, G))

    def _backward_by_inputs(self, x: Array, dy: Array, dW: Array, dx: Array | None, ops: Backend) -> None:
        """dW = dy X^T and dX = W^T dy from the columns X of x; dX takes the place of X."""
        w, G, O = self._windows, self.groups, self.channels
        W, rows_of_y = self.params["W"].reshape(G, O // G, -1), None
        total = ops.zeros(W.shape, kind="workspace")
        for rows, cols in w.columns(x, ops):
            n = cols.shape[3]
            if rows_of_y is None or rows_of_y.shape[1] != n:
                rows_of_y = ops.zeros((O, n, w.run), kind="workspace")  # surplus columns stay 0
            w.crop(rows_of_y)[...] = dy[rows]
            X, Y = _grouped(cols, G, n * w.run), _grouped(rows_of_y, G, n * w.run)
            _add_product(total, Y, X, ops)
            if dx is not None:
                ops.matmul(W.swapaxes(1, 2), Y, X)
                phases = ops.empty((n, x.shape[1], *w.stride, *w.plane), kind="workspace")
                w.scatter(cols, phases)
                w.collect(phases, dx[rows])
        dW.reshape(W.shape)[...] = total

    def _backward_by_outputs(self, x: Array, dy: Array, dW: Array, dx: Array | None, ops: Backend) -> None:
        """dx = flipped W times Y and dW = flipped (x Y^T) from the columns Y of dy, at stride 1."""
        w, G, (kh, kw) = self._windows.transposed, self.groups, self.kernel
        O, C = self.channels // G, x.shape[1] // G
        flipped = ops.empty((G, C, O, kh, kw), kind="workspace")
        flipped[...] = self.params["W"].reshape(G, O, C, kh, kw).swapaxes(1, 2)[..., ::-1, ::-1]
        total = ops.zeros((G, C, O * kh * kw), kind="workspace")
        rows_of_x = z = None
        for rows, cols in w.columns(dy, ops):
            n = cols.shape[3]
            if rows_of_x is None or rows_of_x.shape[1] != n:
                rows_of_x = ops.zeros((G * C, n, w.run), kind="workspace")  # surplus columns stay 0
                z = ops.empty(rows_of_x.shape, kind="workspace") if dx is not None else None
            w.crop(rows_of_x)[...] = x[rows]
            Y = _grouped(cols, G, n * w.run)
            _add_product(total, _grouped(rows_of_x, G, n * w.run), Y, ops)
            if dx is not None and z is not None:
                ops.matmul(flipped.reshape(total.shape), Y, _grouped(z, G, n * w.run))
                dx[rows] = w.crop(z)
        dW.reshape(G, O, C, kh, kw)[...] = total.reshape(G, C, O, kh, kw).swapaxes(1, 2)[..., ::-1, ::-1]

    def flops(self) -> int:
        return 2 * self.params["W"].size * prod(self._windows.out)


def _pixels(a: Array, groups: int) -> Array:
    """Images (n, channels, H, W) as (n, groups, channels of a group, H W)."""
    return a.reshape(len(a), groups, a.shape[1] // groups, a.shape[2] * a.shape[3])


def _grouped(a: Array, groups: int, width: int) -> Array:
    """a with its leading axes as (groups, rows of a group) and its last as (width,)."""
    return a.reshape(groups, a.size // max(1, groups * width), width)


def _add_product(total: Array, a: Array, b: Array, ops: Backend) -> None:
    """total += a b^T for each group; the taller matrix goes first, which OpenBLAS does up to half as fast again."""
    if a.shape[1] >= b.shape[1]:
        part = ops.empty(total.shape, kind="workspace")
        ops.matmul(a, b.swapaxes(1, 2), part)
        total += part
    else:
        part = ops.empty((len(total), total.shape[2], total.shape[1]), kind="workspace")
        ops.matmul(b, a.swapaxes(1, 2), part)
        total += part.swapaxes(1, 2)
