"""Reference operations replaced by fused kernels (lab.backend.cuda), wherever these are launched."""

from __future__ import annotations

from abc import abstractmethod
from math import prod
from typing import Any, overload

import numpy as np

from lab.backend.base import Array, Backend, Shape
from lab.backend.labelled import LabelledRows
from lab.backend.product import Product
from lab.backend.scaled import ScaledRows

_BLOCK = 256  # threads; LARGEST_BLOCK of the kernels
_MOST_BLOCKS = 4096  # of a loop over elements: several waves on any device, each thread with several elements beyond


class FusedOperations(Backend):
    """Overrides for arrays that lie in C order and in the backend's type; all others go to the reference.

    A subclass launches. What changes from step to step may lie on the device (a 0-d array), so that a recorded step
    reads it anew: `rate` of optimizer steps, `step` of Adam and of `uniform`.
    """

    fused = True  # False: the reference alone

    @abstractmethod
    def launch(self, kernel: str, grid: tuple[int, int], block: int, *arguments: Any) -> None:
        """Run a kernel: arrays are given by address, None as the null pointer, numpy's scalars by value."""

    # -- batches -------------------------------------------------------------------------------------------------
    def gather(self, data: Array, index: Array, scale: float) -> Array:
        kernel = {np.dtype(np.uint8): "gather_bytes", self.dtype: "gather_reals"}.get(data.dtype)
        if kernel is None or index.dtype != np.int64 or not self._in_order(data, index):
            return super().gather(data, index, scale)
        out = self.empty((len(index), *data.shape[1:]), kind="data")
        self._by_row(kernel, out, data, index, out, self._real(scale))
        return out

    def uniform(self, shape: Shape, key: tuple[int, int], step: int | Array, stream: int, first: int = 0) -> Array:
        if not self.fused:
            return super().uniform(shape, key, step, stream, first)
        out = self.empty(shape)
        base, at = (np.uint64(step), None) if isinstance(step, int) else (np.uint64(0), step)
        words = (np.uint32(key[0]), np.uint32(key[1]), np.uint32(stream))
        self._each(-(-(first % 4 + out.size) // 4) if out.size else 0, "uniforms", out, np.int64(out.size),
                   np.int64(first), *words, base, at)  # fmt: skip
        return out

    # -- products ---------------------------------------------------------------------------------------------------
    def matmul(self, a: Array, b: Array, out: Array, alpha: float = 1.0, beta: float = 0.0) -> None:
        if self._product(a, b, out, alpha, beta):
            return
        if out.flags.c_contiguous:
            super().matmul(a, b, out, alpha, beta)
            return
        scratch = self.empty(out.shape, kind="workspace")  # cupy writes products in C order alone
        self.xp.matmul(a, b, out=scratch)
        if alpha != 1.0:
            scratch *= alpha
        if beta != 0.0:
            out *= beta
            out += scratch
        else:
            out[...] = scratch

    def _product(self, a: Array, b: Array, out: Array, alpha: float, beta: float) -> bool:
        """out <- alpha a b + beta out by a library's one call; False, and nothing done, where that cannot be."""
        return False

    def affine(self, x: Array | LabelledRows, W: Array, b: Array | None) -> Array:
        if b is None or isinstance(x, LabelledRows) or not self._fit(b):
            return super().affine(x, W, b)
        y = super().affine(x, W, None)
        self._by_row("add_bias", y, y, b)
        return y

    def relu(self, x: Array, out: Array | None = None) -> Array:
        y = self.empty(x.shape) if out is None else out
        if not self._fit(x, y):
            return super().relu(x, y)
        self._each(y.size, "relu", x, y, np.int64(y.size))
        return y

    def relu_backward(self, dy: Array | ScaledRows, y: Array, out: Array | None = None) -> Array:
        rows = dy.rows if isinstance(dy, ScaledRows) else dy
        dx = self.empty(y.shape) if out is None else out
        if not self._fit(rows, y, dx) or (isinstance(dy, ScaledRows) and not self._fit(dy.scale)):
            return super().relu_backward(dy, y, dx)
        if isinstance(dy, ScaledRows):
            self._by_row("relu_backward_of_rows", dx, rows, dy.scale, y, dx)
        else:
            self._each(y.size, "relu_backward", dy, y, dx, np.int64(y.size))
        return dx

    def row_squares(self, x: Array) -> Array:
        if not self._fit(x):
            return super().row_squares(x)
        g = self.empty((len(x),), kind="workspace")
        self._by_row("row_squares", x, x, g)
        return g

    def scale_rows(self, x: Array, scale: Array, out: Array) -> None:
        if not self._fit(x, scale, out):
            super().scale_rows(x, scale, out)
            return
        self._by_row("scale_rows", out, x, scale, out)

    # -- labels --------------------------------------------------------------------------------------------------
    def add_labels(
        self, product: Array, label: Array, columns: Array, scale: Array | None, b: Array | None, out: Array
    ) -> None:
        if not self._fit(product, label, columns, out, *(a for a in (scale, b) if a is not None)):
            super().add_labels(product, label, columns, scale, b, out)
            return
        self._by_row("add_labels", out, product, label, columns, scale, b, out, also=label.shape[1])

    def add_label_gradients(self, dy: Array, label: Array, scale: Array | None, total: Array, at_label: Array) -> None:
        if not self._fit(dy, label, total, at_label, *(a for a in (scale,) if a is not None)):
            super().add_label_gradients(dy, label, scale, total, at_label)
            return
        n, width, k = *dy.shape, label.shape[1]
        if width and k:
            self.launch("add_label_gradients", (-(-width // _BLOCK), k), _BLOCK, dy, label, scale, total, at_label,
                        np.int64(n), np.int64(width), np.int64(k))  # fmt: skip

    def one_hot(self, labels: Array, k: int) -> Array:
        if labels.dtype != np.int64 or not self._in_order(labels):
            return super().one_hot(labels, k)
        out = self.empty((len(labels), k), kind="data")
        self._each(out.size, "one_hot", labels, out, np.int64(len(labels)), np.int64(k))
        return out

    def other_by_share(self, shares: Array, target: Array, uniforms: Array) -> Array:
        if not self._fit(shares) or not self._draws(target, uniforms):
            return super().other_by_share(shares, target, uniforms)
        n, k = shares.shape
        out = self.empty((n,), np.int64, kind="workspace")
        self._each(n, "other_by_share", shares, target, uniforms, out, np.int64(n), np.int64(k))
        return out

    def other_evenly(self, k: int, target: Array, uniforms: Array) -> Array:
        if not self._draws(target, uniforms):
            return super().other_evenly(k, target, uniforms)
        n = len(target)
        out = self.empty((n,), np.int64, kind="workspace")
        self._each(n, "other_evenly", target, uniforms, out, np.int64(n), np.int64(k))
        return out

    # -- normalisation -------------------------------------------------------------------------------------------
    @overload
    def length_norm(self, x: Array, axes: tuple[int, ...], tiny: float) -> tuple[Array, Array]: ...

    @overload
    def length_norm(self, x: LabelledRows, axes: tuple[int, ...], tiny: float) -> tuple[LabelledRows, Array]: ...

    def length_norm(
        self, x: Array | LabelledRows, axes: tuple[int, ...], tiny: float
    ) -> tuple[Array | LabelledRows, Array]:
        if isinstance(x, LabelledRows) or axes != tuple(range(1, x.ndim)) or not self._fit(x):
            return super().length_norm(x, axes, tiny)
        y, r = self.empty(x.shape), self.empty((len(x), *[1] * (x.ndim - 1)), kind="workspace")
        self._by_row("length_norm", y, x, y, r, self._real(tiny))
        return y, r

    def length_norm_backward(self, dy: Array, y: Array, r: Array, axes: tuple[int, ...]) -> Array:
        if axes != tuple(range(1, y.ndim)) or not self._fit(dy, y, r):
            return super().length_norm_backward(dy, y, r, axes)
        dx = self.empty(y.shape)
        self._by_row("length_norm_backward", dx, dy, y, r, dx)
        return dx

    # -- losses --------------------------------------------------------------------------------------------------
    def softmax(self, x: Array) -> Array:
        if not self._fit(x) or not x.ndim:
            return super().softmax(x)
        y = self.empty(x.shape)
        k = x.shape[-1]
        rows = x.size // max(1, k)
        self._each(rows, "softmax", x, y, np.int64(rows), np.int64(k))
        return y

    def softmax_loss(self, output: Array, target: Array) -> tuple[Array, Array]:
        if not self._fit(output) or target.dtype != np.int64 or not self._in_order(target):
            return super().softmax_loss(output, target)
        loss, d = self.empty((len(output),), kind="workspace"), self.empty(output.shape)
        n, k = output.shape
        self._each(n, "softmax_loss", output, target, loss, d, np.int64(n), np.int64(k))
        return loss, d

    def logistic_loss(self, g: Array, theta: float | Array, scale: float, negative: slice) -> tuple[Array, Array]:
        if not isinstance(theta, (int, float)) or not self._fit(g):
            return super().logistic_loss(g, theta, scale, negative)
        loss, slope = self.empty(g.shape, kind="workspace"), self.empty(g.shape, kind="workspace")
        bounds = (negative.start, negative.stop, g.size // max(1, len(g)), g.size)
        self._each(g.size, "logistic_loss", g, loss, slope, self._real(theta), self._real(scale),
                   *(np.int64(bound) for bound in bounds))  # fmt: skip
        return loss, slope

    # -- optimizer steps -----------------------------------------------------------------------------------------
    def sgd_step(
        self, w: Array, g: Array | Product, v: Array | None, rate: float | Array, momentum: float, dampening: float,
        decay: float,
    ) -> None:  # fmt: skip
        if isinstance(g, Product):
            if v is not None and self._fit(w, v):
                g.add_to(v, momentum, 1 - dampening, self)
                self._sgd(w, None, v, rate, 1.0, 1.0, decay)
                return
            g = g.written(self)
        if not self._fit(w, g, *(a for a in (v,) if a is not None)):
            super().sgd_step(w, g, v, rate, momentum, dampening, decay)
            return
        self._sgd(w, g, v, rate, momentum, 1 - dampening, decay)

    def _sgd(
        self, w: Array, g: Array | None, v: Array | None, rate: float | Array, momentum: float, share: float,
        decay: float,
    ) -> None:  # fmt: skip
        self._each(w.size, "sgd", w, g, v, np.int64(w.size), *self._given(rate), self._real(momentum),
                   self._real(share), self._real(decay))  # fmt: skip

    def adam_step(
        self, w: Array, g: Array, m: Array, v: Array, rate: float | Array, beta1: float, beta2: float, eps: float,
        decay: float, step: int | Array,
    ) -> None:  # fmt: skip
        if not self._fit(w, g, m, v):
            super().adam_step(w, g, m, v, rate, beta1, beta2, eps, decay, step)
            return
        base, at = (np.int64(step), None) if isinstance(step, int) else (np.int64(0), step)
        self._each(w.size, "adam", w, g, m, v, np.int64(w.size), *self._given(rate), np.float64(beta1),
                   np.float64(beta2), self._real(eps), self._real(decay), base, at)  # fmt: skip

    # -- launching -----------------------------------------------------------------------------------------------
    def _each(self, n: int, kernel: str, *arguments: Any) -> None:
        """A kernel whose threads share n elements."""
        if n:
            self.launch(kernel, (min(-(-n // _BLOCK), _MOST_BLOCKS), 1), _BLOCK, *arguments)

    def _by_row(self, kernel: str, rows: Array, *arguments: Any, also: int | None = None) -> None:
        """A kernel with a block for each of `rows` (N, ...), told their width last (and `also`)."""
        width = prod(rows.shape[1:])
        if not rows.size:
            return
        threads = 32
        while threads < min(width, _BLOCK):
            threads *= 2
        more = () if also is None else (np.int64(also),)
        self.launch(kernel, (len(rows), 1), threads, *arguments, np.int64(width), *more)

    def _real(self, number: float) -> Any:
        return self.dtype.type(number)

    def _given(self, rate: float | Array) -> tuple[Any, Array | None]:
        """A rate as the kernels take it: a number, and a factor on the device or none."""
        return (self._real(rate), None) if isinstance(rate, (int, float)) else (self._real(1), rate)

    def _fit(self, *arrays: Array) -> bool:
        """Whether a kernel sees all elements of the arrays, in one order and of the backend's type."""
        return all(a.dtype == self.dtype for a in arrays) and self._in_order(*arrays)

    def _in_order(self, *arrays: Array) -> bool:
        return self.fused and all(a.flags.c_contiguous for a in arrays)

    def _draws(self, target: Array, uniforms: Array) -> bool:
        return target.dtype == np.int64 and uniforms.dtype == np.float64 and self._in_order(target, uniforms)
