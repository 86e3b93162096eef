"""LocallyConnected2D: fields like a convolution's, but every position has weights of its own."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np

from lab.backend import Array, Backend, Shape
from lab.backend.windows import Padding, Pair, Windows, pair
from lab.errors import UsageError
from lab.layers.base import Cache, Ctx, Grads, Layer
from lab.layers.initializers import Init, draw
from lab.layers.patches import Patches

TILE = 1 << 24  # bytes of columns at a time, so that many small fields do not take more than the weights do


class LocallyConnected2D(Layer):
    """y[n,o,p,q] = b[o,p,q] + sum over c,i,j of W[p,q,(c,i,j),o] x[n, c, s p + i - pad, s q + j - pad].

    x (N, C, H, W), W (Ho, Wo, C kh kw, O), b (O, Ho, Wo), y (N, O, Ho, Wo). With X[p,q] (N, C kh kw) what the window at
    (p, q) sees of each image, y[:,:,p,q] = X[p,q] W[p,q] + b: a product for each position, all in one batched matmul.
    Narrow fields are taken together with their neighbours, as one product with zeros in it (lab.layers.patches).
    Backward: dW[p,q] = X[p,q]^T dy[:,:,p,q], db = sum over n of dy, dX[p,q] = dy[:,:,p,q] W[p,q]^T, and dx[n,c,u,v]
    sums dX over the windows that see the pixel. The cache is x alone: X is made again, some rows of windows at a time.
    Fields without weight sharing are the paper's for images without a label in them (Hinton 2022).
    """

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
        self._windows = Windows.fit("LocallyConnected2D", in_shape, self.kernel, self.stride, self.padding)
        self._patches = Patches.fit(self._windows, in_shape[0], self.channels)
        fan_in = in_shape[0] * prod(self.kernel)
        shape = (*self._windows.out, fan_in, self.channels)
        self.params = {"W": ops.asarray(draw(self.init, shape, fan_in, self.channels, rng), kind="weights")}
        if self.bias:
            self.params["b"] = ops.zeros((self.channels, *self._windows.out), kind="weights")
        return (self.channels, *self._windows.out)

    def forward(self, x: Array, ctx: Ctx) -> tuple[Array, Cache]:
        ops, b, patches = ctx.ops, self.params.get("b"), self._patches
        y = ops.empty((len(x), self.channels, *self._windows.out))
        W = patches.widened(self.params["W"], ops)
        for rows, X in self._seen(x, ops):
            z = ops.empty((*X.shape[:3], patches.width), kind="workspace")  # (rows of patches, Wo/c, N, r c O)
            ops.matmul(X, W[rows], z)
            into = patches.laid_out(y[:, :, self._fields(rows)])
            if b is None:
                into[...] = z.reshape(into.shape)
            else:
                ops.xp.add(z.reshape(into.shape), patches.laid_out(b[None, :, self._fields(rows)]), out=into)
        return y, x if ctx.keep else None

    def backward(self, dy: Array, cache: Cache, ctx: Ctx, need_dx: bool = True) -> tuple[Array | None, Grads]:
        ops, patches, w, x = ctx.ops, self._patches, self._patches.of, cache
        (kh, kw), (sh, sw), (ph, pw), Wo = w.kernel, w.stride, w.padding, w.out[1]
        N, C, H, width = x.shape
        grads = {"W": ops.empty(self.params["W"].shape, kind="gradients")}
        W = patches.widened(self.params["W"], ops)
        dW = grads["W"] if W is self.params["W"] else ops.empty(W.shape, kind="workspace")
        padded = ops.zeros((N, C, H + 2 * ph, width + 2 * pw), kind="workspace") if need_dx else None
        for rows, X in self._seen(x, ops):
            dz = ops.empty((*X.shape[:3], patches.width), kind="workspace")
            arriving = patches.laid_out(dy[:, :, self._fields(rows)])
            dz.reshape(arriving.shape)[...] = arriving
            ops.matmul(X.swapaxes(2, 3), dz, dW[rows])
            if padded is None:
                continue
            ops.matmul(dz, W[rows].swapaxes(2, 3), X)
            dX = X.reshape(*X.shape[:3], C, kh, kw).transpose(4, 5, 2, 3, 0, 1)  # (kh, kw, N, C, rows, Wo)
            for i in range(kh):
                high = slice(rows.start * sh + i, (rows.stop - 1) * sh + i + 1, sh)
                for j in range(kw):
                    padded[:, :, high, j : j + (Wo - 1) * sw + 1 : sw] += dX[i, j]
        patches.narrow(dW, grads["W"], ops)
        if self.bias:
            grads["b"] = ops.empty(self.params["b"].shape, kind="gradients")
            ops.xp.sum(dy, axis=0, out=grads["b"])
        if padded is None:
            return None, grads
        dx = ops.empty(x.shape)
        dx[...] = padded[:, :, ph : ph + H, pw : pw + width]
        return dx, grads

    def _fields(self, rows: slice) -> slice:
        """The rows of fields that rows of patches hold."""
        high = self._patches.merged[0]
        return slice(rows.start * high, rows.stop * high)

    def _seen(self, x: Array, ops: Backend) -> Iterator[tuple[slice, Array]]:
        """For some rows of patches at a time: which, and what they see, (rows, Wo, N, C kh kw), in a reused buffer."""
        w, (N, C, H, width) = self._patches.of, x.shape
        (kh, kw), (sh, sw), (ph, pw), (Ho, Wo) = w.kernel, w.stride, w.padding, w.out
        if ph or pw:
            padded = ops.zeros((N, C, H + 2 * ph, width + 2 * pw), kind="workspace")
            padded[:, :, ph : ph + H, pw : pw + width] = x
            x = padded
        view = ops.xp.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(2, 3))[:, :, ::sh, ::sw]
        step = max(1, min(Ho, TILE // max(1, Wo * N * C * kh * kw * ops.dtype.itemsize)))
        buffer = ops.empty((step * Wo * N * C * kh * kw,), kind="workspace")
        for start in range(0, Ho, step):
            rows = slice(start, min(Ho, start + step))
            n = rows.stop - start
            X = buffer[: n * Wo * N * C * kh * kw]
            X.reshape(n, Wo, N, C, kh, kw)[...] = view[:, :, rows].transpose(2, 3, 0, 1, 4, 5)
            yield rows, X.reshape(n, Wo, N, C * kh * kw)

    def flops(self) -> int:
        """Of the fields alone: what is multiplied by the zeros of patches is no work of theirs."""
        return 2 * int(self.params["W"].size)
