"""Every operation of the lab once, in plain array code that is correct under numpy and cupy: the reference.

A backend is an argument, never a global. A faster twin overrides single operations; each override is tested against
the method it replaces. Outputs and temporaries of size come from `empty`, so that they are reused and counted.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from types import ModuleType
from typing import Any, Literal, TypeAlias, TypeVar, overload

import numpy as np
import numpy.typing as npt

from lab.backend.cells import CellOperations
from lab.backend.classes import ClassOperations
from lab.backend.convolutions import ConvolutionOperations
from lab.backend.fields import FieldOperations
from lab.backend.labelled import LabelledRows
from lab.backend.norms import NormOperations
from lab.backend.philox import uniforms
from lab.backend.pool import Usage
from lab.backend.pools import PoolOperations
from lab.backend.product import Product
from lab.backend.scaled import ScaledRows
from lab.backend.steps import StepOperations

Array: TypeAlias = npt.NDArray[Any]
Shape: TypeAlias = tuple[int, ...]
Result = TypeVar("Result")
Kernels: TypeAlias = Literal["auto", "numba", "numpy", "cupy", "tf32"]


class Backend(
    ClassOperations,
    CellOperations,
    ConvolutionOperations,
    FieldOperations,
    NormOperations,
    PoolOperations,
    StepOperations,
):
    """Arrays of one floating type on one device, and the operations on them."""

    name: str
    kernels: str  # what runs beside the reference, for the record
    xp: ModuleType
    usage: Usage
    leaves_out_rows = False  # whether rows without a gradient are worth leaving out: their number decides what follows
    adds_products = False  # whether `add_product` is one pass, so that a gradient is better left unwritten

    def __init__(self, dtype: str = "float32", *, kernels: Kernels = "auto", threads: int | None = None) -> None:
        self.dtype = np.dtype(dtype)

    # -- memory --------------------------------------------------------------------------------------------------
    @abstractmethod
    def empty(self, shape: Shape, dtype: npt.DTypeLike | None = None, kind: str | None = None) -> Array:
        """An uninitialised array of `dtype` (the backend's unless told), counted under `kind`."""

    def zeros(self, shape: Shape, dtype: npt.DTypeLike | None = None, kind: str | None = None) -> Array:
        """Like `empty`, filled with zeros."""
        out = self.empty(shape, dtype, kind)
        out[...] = 0
        return out

    def asarray(self, x: npt.ArrayLike, dtype: npt.DTypeLike | None = None, kind: str | None = None) -> Array:
        """A counted copy of the host array `x` on the device, as `dtype` (the backend's unless told)."""
        host = np.asarray(x)
        out = self.empty(host.shape, dtype, kind)
        out[...] = self.xp.asarray(host)
        return out

    def counter(self) -> Array:
        """A 0-d int64 array of 0 where updates are counted: on the device, so that a step recorded there can count."""
        return self.zeros((), np.int64, kind="optimizer")

    def value(self, x: Array) -> Any:
        """A 0-d array as other operations take it: as it is, or as a number where the host has that anyway."""
        return x

    repeats: bool | None = None  # whether `repeated` does better than calling the work each time; None: it never can

    def repeated(self, work: Callable[[], None], tell: Callable[[str], None]) -> Callable[[], None]:
        """What does `work` each time it is called. See lab.backend.graphs for what that asks of the work on a GPU.

        `tell` is told once how it is done: "" where the device repeats it by itself, else the reason why not.
        """
        return work

    def renewed(self, old: Array | None, x: Array) -> Array:
        """As `resident`, in the place of `old` where that fits: work that is repeated reads the same place again."""
        if old is None or old.shape != x.shape or old.dtype != x.dtype:
            return self.resident(x)
        old[...] = self.xp.asarray(x)
        return old

    @abstractmethod
    def resident(self, x: Array) -> Array:
        """The data set's array where gathers read it: itself on the CPU, an uploaded copy on a GPU."""

    @abstractmethod
    def to_host(self, x: Array) -> Array:
        """`x` as a numpy array."""

    @abstractmethod
    def synchronize(self) -> None:
        """Wait until all work given to the device is done (nothing to do on the CPU)."""

    @abstractmethod
    def warm_up(self) -> None:
        """Get ready what the first use of an operation would have to wait for, such as compiled loops."""

    @abstractmethod
    def trim(self) -> None:
        """Give memory that waits for reuse back to the system."""

    # -- rows of a batch on several threads ----------------------------------------------------------------------
    def in_parts(self, work: Callable[[slice], Result], n: int) -> list[Result]:
        """work(rows) for slices that cover rows 0 to n, in order; several at once where that is faster.

        For work on each row alone that makes many small products: BLAS gains nothing from threads inside each.
        """
        return [work(slice(0, n))]

    # -- batches -------------------------------------------------------------------------------------------------
    def gather(self, data: Array, index: Array, scale: float) -> Array:
        """Rows `index` of `data` times `scale`, as the backend's floats: (len(index), *data.shape[1:])."""
        out = self.empty((len(index), *data.shape[1:]), kind="data")
        self.xp.multiply(data[index], self.dtype.type(scale), out=out)
        return out

    def pick(self, values: Array, places: Array) -> Array:
        """The elements of `values` (M,) at `places`, in the shape of these."""
        out = self.empty(places.shape, values.dtype, kind="data")
        out[...] = values[places]
        return out

    def uniform(self, shape: Shape, key: tuple[int, int], step: int | Array, stream: int, first: int = 0) -> Array:
        """Uniforms in [0, 1) from element `first` on, a pure function of the arguments (Philox 4x32-10), as floats."""
        out = self.empty(shape)
        out[...] = uniforms(self.xp, out.size, key, step, stream, first).reshape(shape)
        return out

    # -- products ------------------------------------------------------------------------------------------------
    def matmul(self, a: Array, b: Array, out: Array, alpha: float = 1.0, beta: float = 0.0) -> None:
        """out <- alpha a b + beta out, over the last two axes."""
        if alpha == 1.0 and beta == 0.0:
            self.xp.matmul(a, b, out=out)
            return
        scratch = self.empty(out.shape, kind="workspace")
        self.xp.matmul(a, b, out=scratch)
        scratch *= alpha
        out *= beta
        out += scratch

    def affine(self, x: Array | LabelledRows, W: Array, b: Array | None) -> Array:
        """y = x W + b for x (N, I), W (I, O), b (O,) or None: (N, O)."""
        if isinstance(x, LabelledRows):
            return x.affine(W, b, self)
        y = self.empty((len(x), W.shape[1]))
        self.matmul(x, W, y)
        if b is not None:
            y += b
        return y

    @overload
    def affine_backward(
        self, x: Array | LabelledRows, W: Array, dy: Array, bias: bool, need_dx: bool, written: Literal[True] = True
    ) -> tuple[Array | None, Array, Array | None]: ...

    @overload
    def affine_backward(
        self, x: Array | LabelledRows, W: Array, dy: Array, bias: bool, need_dx: bool, written: bool
    ) -> tuple[Array | None, Array | Product, Array | None]: ...

    def affine_backward(
        self, x: Array | LabelledRows, W: Array, dy: Array, bias: bool, need_dx: bool, written: bool = True
    ) -> tuple[Array | None, Array | Product, Array | None]:
        """dx = dy W^T (None unless need_dx), dW = x^T dy, db = sum over rows of dy (None without a bias).

        Unless `written`, dW is a Product, which lives as long as x and dy and costs nothing until it is used.
        """
        if isinstance(x, LabelledRows) and need_dx:
            x = x.written(self)
        product = x.product_with(dy, self) if isinstance(x, LabelledRows) else Product(x, dy)
        dW = product.written(self) if written else product
        db = dx = None
        if bias:
            db = self.empty((W.shape[1],), kind="gradients")
            self.xp.sum(dy, axis=0, out=db)
        if need_dx:
            dx = self.empty((len(dy), W.shape[0]))
            self.matmul(dy, W.T, dx)
        return dx, dW, db

    def add_product(self, v: Array, x: Array, dy: Array, beta: float, share: float) -> None:
        """v <- beta v + share x^T dy, in place, for x (N, I), dy (N, O), v (I, O)."""
        self.matmul(x.T, dy, v, share, beta)

    # -- elementwise, and along rows -----------------------------------------------------------------------------
    def relu(self, x: Array, out: Array | None = None) -> Array:
        """max(x, 0), into `out`, which may be x, or into a new array."""
        y = self.empty(x.shape) if out is None else out
        self.xp.maximum(x, 0, out=y)
        return y

    def relu_backward(self, dy: Array | ScaledRows, y: Array, out: Array | None = None) -> Array:
        """dy where y > 0, else 0: the derivative at the kink is taken as 0. `out` may be dy, its rows, or y."""
        open_ = self.empty(y.shape, bool, kind="workspace")
        self.xp.greater(y, 0, out=open_)
        if isinstance(dy, ScaledRows):
            dy = dy.written(self)
        dx = self.empty(y.shape) if out is None else out
        self.xp.multiply(dy, open_, out=dx)
        return dx

    def leaky_relu(self, x: Array, slope: float, out: Array | None = None) -> Array:
        """x where x > 0, else slope x, for 0 < slope < 1, into `out`, which may be x, or into a new array."""
        y = self.empty(x.shape) if out is None else out
        scaled = y if out is None else self.empty(x.shape, kind="workspace")
        self.xp.multiply(x, slope, out=scaled)
        self.xp.maximum(x, scaled, out=y)
        return y

    def leaky_relu_backward(self, dy: Array, y: Array, slope: float, out: Array | None = None) -> Array:
        """dy where y > 0, else slope dy. `out` may be dy or y."""
        number = self.dtype.type
        factor = self.xp.where(y > 0, number(1), number(slope))
        dx = self.empty(y.shape) if out is None else out
        self.xp.multiply(dy, factor, out=dx)
        return dx

    def row_squares(self, x: Array) -> Array:
        """sum over j of x_ij^2 for x (N, F): (N,)."""
        total: Array = self.xp.einsum("ij,ij->i", x, x)
        return total

    def scale_rows(self, x: Array, scale: Array, out: Array) -> None:
        """out_i = scale_i x_i for x and out (N, F), scale (N,); out may be x."""
        self.xp.multiply(x, scale[:, None], out=out)

    # -- rows that differ in their label alone, see lab.backend.labelled ----------------------------------------
    def add_labels(
        self, product: Array, label: Array, columns: Array, scale: Array | None, b: Array | None, out: Array
    ) -> None:
        """out_i = scale_i (product_i + sum_k label_ik columns_k) + b; no scale is 1, no b is 0."""
        self.xp.matmul(label, columns, out=out)
        out += product
        if scale is not None:
            out *= scale
        if b is not None:
            out += b

    def add_label_gradients(self, dy: Array, label: Array, scale: Array | None, total: Array, at_label: Array) -> None:
        """total_i += scale_i dy_i; at_label_k += sum_i label_ik scale_i dy_i, in place."""
        if scale is not None:
            scaled = self.empty(dy.shape, kind="workspace")
            dy = self.xp.multiply(dy, scale, out=scaled)
        total += dy
        at_label += label.T @ dy

    # -- normalisation -------------------------------------------------------------------------------------------
    @overload
    def length_norm(self, x: Array, axes: tuple[int, ...], tiny: float) -> tuple[Array, Array]: ...

    @overload
    def length_norm(self, x: LabelledRows, axes: tuple[int, ...], tiny: float) -> tuple[LabelledRows, Array]: ...

    def length_norm(
        self, x: Array | LabelledRows, axes: tuple[int, ...], tiny: float
    ) -> tuple[Array | LabelledRows, Array]:
        """y = r x with r = 1 / (tiny + sqrt(mean of x^2 over `axes`)); r = 0 for rows of zeros. Returns (y, r)."""
        if isinstance(x, LabelledRows):
            return x.length_norm(tiny, self)
        xp = self.xp
        y = self.empty(x.shape)
        xp.multiply(x, x, out=y)
        root = xp.sqrt(y.mean(axis=axes, keepdims=True))
        # a row too large to be squared must not pass for a row of zeros
        r = xp.where(root > 0, xp.where(xp.isfinite(root), 1 / (root + tiny), xp.nan), 0 * root).astype(self.dtype)
        xp.multiply(x, r, out=y)
        return y, r

    def length_norm_backward(self, dy: Array, y: Array, r: Array, axes: tuple[int, ...]) -> Array:
        """dx = r (dy - y mean(dy y)): the part of dy along y changes the length alone, which is divided out.

        Exact up to tiny / sqrt(mean x^2), which is below rounding for every row that is not zero.
        """
        xp = self.xp
        dx = self.empty(y.shape)
        xp.multiply(dy, y, out=dx)
        along = dx.mean(axis=axes, keepdims=True)
        xp.multiply(y, along, out=dx)
        xp.subtract(dy, dx, out=dx)
        dx *= r
        return dx
