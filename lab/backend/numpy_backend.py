"""The CPU backend: the reference operations over numpy, with pooled buffers."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any, overload

import numpy as np
import numpy.typing as npt

from lab.backend.base import Array, Kernels, Result, Shape
from lab.backend.blas import gemm, thread_setter
from lab.backend.labelled import LabelledRows
from lab.backend.loops import alike, loops, matrix
from lab.backend.numpy_cells import NumpyCells
from lab.backend.numpy_convolutions import NumpyConvolutions
from lab.backend.numpy_fields import NumpyFields
from lab.backend.numpy_norms import NumpyNorms
from lab.backend.numpy_pools import NumpyPools
from lab.backend.philox import uniforms
from lab.backend.pool import Pool
from lab.backend.product import Product
from lab.backend.scaled import ScaledRows
from lab.backend.side_by_side import inside, side_by_side
from lab.errors import UsageError
from lab.registry import register, unknown

_DRAWN = 4096  # random numbers at a time: their temporaries stay in the cache


@register("backend", "numpy")
class NumpyBackend(NumpyCells, NumpyConvolutions, NumpyFields, NumpyNorms, NumpyPools):
    """numpy on the CPU; `pool` reuses and counts the memory.

    kernels  numpy: the reference alone; numba: compiled loops for what numpy makes several passes for, and sums of
             products straight from numpy's BLAS; auto: those where numba is installed. What runs is in `kernels` and
             in every record: the last bits may differ.
    threads  for compiled loops over large arrays
    """

    name = "numpy"
    xp = np

    def __init__(self, dtype: str = "float32", *, kernels: Kernels = "auto", threads: int | None = None) -> None:
        super().__init__(dtype)
        if kernels not in ("auto", "numba", "numpy"):  # the others are of the GPU
            raise UsageError(unknown("kernels", kernels, ("auto", "numba", "numpy")))
        self.kernels = "numpy"
        if kernels != "numpy":
            if _has_numba():
                self.kernels = "numba"
            elif kernels == "numba":
                raise UsageError(
                    "kernels=numba needs the package numba; install the extra fast, or choose kernels=auto"
                )
        self._compiled = self.leaves_out_rows = self.kernels == "numba"
        self._gemm = gemm(dtype) if self._compiled else None
        if self._gemm is not None:
            self.kernels, self.adds_products = "numba+blas", True
        self.threads = threads or 1
        self.pool = Pool()
        self.usage = self.pool.usage

    def empty(self, shape: Shape, dtype: npt.DTypeLike | None = None, kind: str | None = None) -> Array:
        return self.pool.empty(shape, self.dtype if dtype is None else dtype, kind)

    def counter(self) -> Array:
        return np.zeros((), np.int64)

    def value(self, x: Array) -> Any:
        return x.item()

    def resident(self, x: Array) -> Array:
        return x

    def renewed(self, old: Array | None, x: Array) -> Array:
        return x

    def to_host(self, x: Array) -> Array:
        return x

    def synchronize(self) -> None:
        """Nothing to wait for: numpy returns when it is done."""

    def warm_up(self) -> None:
        if self._compiled:
            loops().warm_up(self.dtype)

    def trim(self) -> None:
        self.pool.trim()

    def gather(self, data: Array, index: Array, scale: float) -> Array:
        rows = self.empty((len(index), *data.shape[1:]), data.dtype, kind="data")
        np.take(data, index, axis=0, out=rows, mode="clip")  # "clip" writes straight into out; "raise" buffers it
        if data.dtype == self.dtype and scale == 1.0:
            return rows
        out = self.empty(rows.shape, kind="data")
        np.multiply(rows, self.dtype.type(scale), out=out, casting="unsafe")
        return out

    def in_parts(self, work: Callable[[slice], Result], n: int) -> list[Result]:
        threads, setter = min(self.threads, n), thread_setter()
        if threads < 2 or setter is None or inside():
            return super().in_parts(work, n)
        bounds = [n * i // threads for i in range(threads + 1)]
        setter(1)
        try:
            return side_by_side([partial(work, slice(low, high)) for low, high in pairwise(bounds)])
        finally:
            setter(self.threads)

    def affine(self, x: Array | LabelledRows, W: Array, b: Array | None) -> Array:
        if not self._compiled or b is None or isinstance(x, LabelledRows):
            return super().affine(x, W, b)
        y = self.empty((len(x), W.shape[1]))
        np.matmul(x, W, out=y)
        if alike(y, b):
            loops().rows.add_bias(y, b)
        else:
            y += b
        return y

    def add_product(self, v: Array, x: Array, dy: Array, beta: float, share: float) -> None:
        if self._gemm is None or not len(x) or not alike(v, x, dy):
            super().add_product(v, x, dy, beta, share)
            return
        self._gemm(x, dy, v, share, beta)

    def relu(self, x: Array, out: Array | None = None) -> Array:
        y = self.empty(x.shape) if out is None else out
        if not self._compiled or not alike(x, y):
            return super().relu(x, y)
        loops().rows.relu(x.reshape(-1), y.reshape(-1))
        return y

    def relu_backward(self, dy: Array | ScaledRows, y: Array, out: Array | None = None) -> Array:
        dx = self.empty(y.shape) if out is None else out
        if isinstance(dy, ScaledRows) and dy.rows is y and self._compiled and alike(y, dy.scale, dx):
            loops().rows.relu_backward_of_rows(matrix(y), dy.scale, matrix(dx))
            return dx
        if isinstance(dy, ScaledRows) or not self._compiled or not alike(dy, y, dx):
            return super().relu_backward(dy, y, dx)
        loops().rows.relu_backward(dy.reshape(-1), y.reshape(-1), dx.reshape(-1))
        return dx

    def leaky_relu(self, x: Array, slope: float, out: Array | None = None) -> Array:
        y = self.empty(x.shape) if out is None else out
        if not self._compiled or not alike(x, y):
            return super().leaky_relu(x, slope, out)
        loops().rows.leaky_relu(x.reshape(-1), y.reshape(-1), x.dtype.type(slope))
        return y

    def leaky_relu_backward(self, dy: Array, y: Array, slope: float, out: Array | None = None) -> Array:
        dx = self.empty(y.shape) if out is None else out
        if not self._compiled or not alike(dy, y, dx):
            return super().leaky_relu_backward(dy, y, slope, out)
        loops().rows.leaky_relu_backward(dy.reshape(-1), y.reshape(-1), dx.reshape(-1), y.dtype.type(slope))
        return dx

    def row_squares(self, x: Array) -> Array:
        if not self._compiled or not alike(x):
            return super().row_squares(x)
        g = self.empty((len(x),), kind="workspace")
        loops().rows.row_squares(x, g)
        return g

    def scale_rows(self, x: Array, scale: Array, out: Array) -> None:
        if not self._compiled or not alike(x, scale, out):
            super().scale_rows(x, scale, out)
            return
        loops().rows.scale_rows(x, scale, out)

    def add_labels(
        self, product: Array, label: Array, columns: Array, scale: Array | None, b: Array | None, out: Array
    ) -> None:
        if not self._compiled or scale is None or b is None or not alike(product, label, columns, scale, b, out):
            super().add_labels(product, label, columns, scale, b, out)
            return
        loops().rows.labelled(product, label, columns, scale.reshape(-1), b, out)

    def add_label_gradients(self, dy: Array, label: Array, scale: Array | None, total: Array, at_label: Array) -> None:
        if not self._compiled or scale is None or not alike(dy, label, scale, total, at_label):
            super().add_label_gradients(dy, label, scale, total, at_label)
            return
        loops().rows.labelled_backward(dy, label, scale.reshape(-1), total, at_label)

    @overload
    def length_norm(self, x: Array, axes: tuple[int, ...], tiny: float) -> tuple[Array, Array]: ...

    @overload
    def length_norm(self, x: LabelledRows, axes: tuple[int, ...], tiny: float) -> tuple[LabelledRows, Array]: ...

    def length_norm(
        self, x: Array | LabelledRows, axes: tuple[int, ...], tiny: float
    ) -> tuple[Array | LabelledRows, Array]:
        if isinstance(x, LabelledRows) or not self._whole_rows(axes, x):
            return super().length_norm(x, axes, tiny)
        y, r = self.empty(x.shape), self.empty((len(x), *[1] * (x.ndim - 1)), kind="workspace")
        loops().rows.length_norm(matrix(x), matrix(y), r.reshape(-1), self.dtype.type(tiny))
        return y, r

    def length_norm_backward(self, dy: Array, y: Array, r: Array, axes: tuple[int, ...]) -> Array:
        if not self._whole_rows(axes, dy, y, r):
            return super().length_norm_backward(dy, y, r, axes)
        dx = self.empty(y.shape)
        loops().rows.length_norm_backward(matrix(dy), matrix(y), r.reshape(-1), matrix(dx))
        return dx

    def pick(self, values: Array, places: Array) -> Array:
        out = self.empty(places.shape, values.dtype, kind="data")
        np.take(values, places, out=out, mode="clip")  # as in gather
        return out

    def uniform(self, shape: Shape, key: tuple[int, int], step: int | Array, stream: int, first: int = 0) -> Array:
        out = self.empty(shape)
        flat = out.reshape(-1)
        for at in range(0, flat.size, _DRAWN):  # all at once its temporaries would be ten times as large as `out`
            part = flat[at : at + _DRAWN]
            part[...] = uniforms(np, part.size, key, step, stream, first + at)
        return out

    def sgd_step(
        self, w: Array, g: Array | Product, v: Array | None, rate: float | Array, momentum: float, dampening: float,
        decay: float,
    ) -> None:  # fmt: skip
        if not self._compiled or v is None or not alike(w, v):
            super().sgd_step(w, g, v, rate, momentum, dampening, decay)
        elif isinstance(g, Product):
            g.add_to(v, momentum, 1 - dampening, self)
            numbers = self._floats(rate, 1 - rate * decay)
            loops().split(loops().optimizers.follow, [a.reshape(-1) for a in (w, v)], numbers, self.threads)
        elif not alike(w, g):
            super().sgd_step(w, g, v, rate, momentum, dampening, decay)
        else:
            numbers = self._floats(rate, momentum, 1 - dampening, 1 - rate * decay)
            loops().split(loops().optimizers.sgd, [a.reshape(-1) for a in (w, g, v)], numbers, self.threads)

    def adam_step(
        self, w: Array, g: Array, m: Array, v: Array, rate: float | Array, beta1: float, beta2: float, eps: float,
        decay: float, step: int | Array,
    ) -> None:  # fmt: skip
        if not self._compiled or not alike(w, g, m, v):
            super().adam_step(w, g, m, v, rate, beta1, beta2, eps, decay, step)
            return
        numbers = self._floats(
            rate / (1 - beta1**step), beta1, 1 - beta1, beta2, 1 - beta2, (1 - beta2**step) ** -0.5, eps,
            1 - rate * decay,
        )  # fmt: skip
        loops().split(loops().optimizers.adam, [a.reshape(-1) for a in (w, g, m, v)], numbers, self.threads)

    def _whole_rows(self, axes: tuple[int, ...], *arrays: Array) -> bool:
        """Whether a compiled loop can go over whole rows of the arrays."""
        return self._compiled and axes == tuple(range(1, arrays[0].ndim)) and arrays[0].size > 0 and alike(*arrays)

    def _floats(self, *numbers: float | Array) -> tuple[Any, ...]:
        """The numbers in the backend's precision, so that a loop over float32 computes in float32."""
        return tuple(self.dtype.type(number) for number in numbers)


def _has_numba() -> bool:
    try:
        return importlib.util.find_spec("numba") is not None
    except ValueError:  # numba was made unimportable
        return False
