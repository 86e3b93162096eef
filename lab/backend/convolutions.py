"""Convolution as a matrix product of weights and columns: the reference, derived in lab.layers.conv."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy.typing as npt

from lab.backend.planes import Planes
from lab.backend.windows import DEVICE_TILE, TILE, Windows

if TYPE_CHECKING:
    from lab.backend.base import Backend

Array: TypeAlias = npt.NDArray[Any]


@dataclass
class Convolution:
    """`outputs` channels from `inputs`, in `groups` that do not see each other, through `windows`; W, b are given."""

    windows: Windows
    inputs: int
    outputs: int
    groups: int

    def __post_init__(self) -> None:
        w = self.windows
        self.pointwise = (w.kernel, w.stride, w.padding) == ((1, 1), (1, 1), (0, 0))  # the columns are the image
        # summing over windows costs about as much as copying as many entries twice
        self.by_outputs = w.stride == (1, 1) and self.outputs * w.transposed.run <= 2 * self.inputs * w.run

    @cached_property
    def planes(self) -> Planes:
        """Where images lie for those who read runs of them instead of columns."""
        return Planes(self.windows, self.inputs, self.outputs, self.groups)

    def forward(self, x: Array, W: Array, b: Array | None, y: Array, ops: Backend) -> None:
        """y from x, some images at a time."""
        w, G, O = self.windows, self.groups, self.outputs
        W, z = W.reshape(G, O // G, -1), None
        if self.pointwise:
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

    def backward(self, x: Array, W: Array, dy: Array, dW: Array, dx: Array | None, ops: Backend) -> None:
        """dW, and dx unless it is None, from x and dy."""
        way = self._by_outputs if self.by_outputs else self._by_inputs
        (self._by_pixels if self.pointwise else way)(x, W, dy, dW, dx, ops)

    def _by_pixels(self, x: Array, W: Array, dy: Array, dW: Array, dx: Array | None, ops: Backend) -> None:
        """dW = sum over images of dy x^T and dx = W^T dy, from the images themselves."""
        G = self.groups
        W, X, Y = W.reshape(G, self.outputs // G, -1), _pixels(x, G), _pixels(dy, G)
        step = max(1, min(len(x), TILE.get(ops.name, DEVICE_TILE) // dW.nbytes))  # images whose products fit a cache
        parts, total = ops.empty((step, *W.shape), kind="workspace"), dW.reshape(W.shape)
        total[...] = 0
        for start in range(0, len(x), step):
            part = parts[: min(step, len(x) - start)]
            ops.matmul(Y[start : start + step], X[start : start + step].swapaxes(2, 3), part)
            total += part.sum(axis=0)
        if dx is not None:
            ops.matmul(W.swapaxes(1, 2), Y, _pixels(dx, G))

    def _by_inputs(self, x: Array, W: Array, dy: Array, dW: Array, dx: Array | None, ops: Backend) -> None:
        """dW = dy X^T and dX = W^T dy from the columns X of x; dX takes the place of X."""
        w, G, O = self.windows, self.groups, self.outputs
        W, rows_of_y = W.reshape(G, O // G, -1), None
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

    def _by_outputs(self, x: Array, W: Array, dy: Array, dW: Array, dx: Array | None, ops: Backend) -> None:
        """dx = flipped W times Y and dW = flipped (x Y^T) from the columns Y of dy, at stride 1."""
        w, G, (kh, kw) = self.windows.transposed, self.groups, self.windows.kernel
        O, C = self.outputs // G, x.shape[1] // G
        flipped = ops.empty((G, C, O, kh, kw), kind="workspace")
        flipped[...] = W.reshape(G, O, C, kh, kw).swapaxes(1, 2)[..., ::-1, ::-1]
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


class ConvolutionOperations(ABC):
    """Part of Backend, which says what `xp` and `empty` are."""

    xp: ModuleType

    @abstractmethod
    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike | None = None, kind: str | None = None) -> Array: ...

    @abstractmethod
    def in_parts(self, work: Callable[[slice], Any], n: int) -> list[Any]: ...

    def convolve(self: Any, x: Array, W: Array, b: Array | None, convolution: Convolution) -> Array:
        """y (N, O, Ho, Wo) of x (N, C, H, W), W (O, C / groups, kh, kw) and b (O,), None where there is none."""
        y: Array = self.empty((len(x), convolution.outputs, *convolution.windows.out))
        self.in_parts(lambda rows: convolution.forward(x[rows], W, b, y[rows], self), len(x))
        return y

    def convolve_backward(
        self: Any, x: Array, W: Array, dy: Array, convolution: Convolution, bias: bool, need_dx: bool
    ) -> tuple[Array | None, Array, Array | None]:
        """dx, or None unless `need_dx`, dW, and db, or None without a bias."""
        dx = self.empty(x.shape) if need_dx else None

        def part(rows: slice) -> Array:
            dW: Array = self.empty(W.shape, kind="gradients")
            convolution.backward(x[rows], W, dy[rows], dW, None if dx is None else dx[rows], self)
            return dW

        dW, *others = self.in_parts(part, len(x))
        for other in others:
            dW += other
        if not bias:
            return dx, dW, None
        db = self.empty((convolution.outputs,), kind="gradients")
        self.xp.sum(dy, axis=(0, 2, 3), out=db)
        return dx, dW, db


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
