"""Fields without shared weights, as batched matrix products: the reference, derived in lab.layers.local."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy.typing as npt

from lab.backend.patches import Patches
from lab.backend.windows import Windows

if TYPE_CHECKING:
    from lab.backend.base import Backend

Array: TypeAlias = npt.NDArray[Any]

TILE = 1 << 24  # bytes of columns at a time, so that many small fields do not take more than the weights do


@dataclass
class Fields:
    """`outputs` numbers from each of `windows` on images of `inputs` channels, by weights of its own; W, b are given.

    Narrow fields are taken together with their neighbours, as one product with zeros in it (lab.backend.patches).
    """

    windows: Windows
    inputs: int
    outputs: int

    @cached_property
    def patches(self) -> Patches:
        """Which fields are taken together."""
        return Patches.fit(self.windows, self.inputs, self.outputs)

    def forward(self, x: Array, W: Array, b: Array | None, y: Array, ops: Backend) -> None:
        """y from x, some rows of patches at a time."""
        patches = self.patches
        wide = patches.widened(W, ops)
        for rows, X in self._seen(x, ops):
            z = ops.empty((*X.shape[:3], patches.width), kind="workspace")  # (rows of patches, Wo/c, N, r c O)
            ops.matmul(X, wide[rows], z)
            into = patches.laid_out(y[:, :, self._rows(rows)])
            if b is None:
                into[...] = z.reshape(into.shape)
            else:
                ops.xp.add(z.reshape(into.shape), patches.laid_out(b[None, :, self._rows(rows)]), out=into)

    def backward(self, x: Array, W: Array, dy: Array, dW: Array, dx: Array | None, ops: Backend) -> None:
        """dW, and dx unless it is None, from x and dy."""
        patches, w = self.patches, self.patches.of
        (kh, kw), (sh, sw), (ph, pw), Wo = w.kernel, w.stride, w.padding, w.out[1]
        N, C, H, width = x.shape
        wide = patches.widened(W, ops)
        d_wide = dW if wide is W else ops.empty(wide.shape, kind="workspace")
        padded = None if dx is None else ops.zeros((N, C, H + 2 * ph, width + 2 * pw), kind="workspace")
        for rows, X in self._seen(x, ops):
            dz = ops.empty((*X.shape[:3], patches.width), kind="workspace")
            arriving = patches.laid_out(dy[:, :, self._rows(rows)])
            dz.reshape(arriving.shape)[...] = arriving
            ops.matmul(X.swapaxes(2, 3), dz, d_wide[rows])
            if padded is None:
                continue
            ops.matmul(dz, wide[rows].swapaxes(2, 3), X)
            dX = X.reshape(*X.shape[:3], C, kh, kw).transpose(4, 5, 2, 3, 0, 1)  # (kh, kw, N, C, rows, Wo)
            for i in range(kh):
                high = slice(rows.start * sh + i, (rows.stop - 1) * sh + i + 1, sh)
                for j in range(kw):
                    padded[:, :, high, j : j + (Wo - 1) * sw + 1 : sw] += dX[i, j]
        patches.narrow(d_wide, dW, ops)
        if dx is not None and padded is not None:
            dx[...] = padded[:, :, ph : ph + H, pw : pw + width]

    def _rows(self, rows: slice) -> slice:
        """The rows of fields that rows of patches hold."""
        high = self.patches.merged[0]
        return slice(rows.start * high, rows.stop * high)

    def _seen(self, x: Array, ops: Backend) -> Iterator[tuple[slice, Array]]:
        """For some rows of patches at a time: which, and what they see, (rows, Wo, N, C kh kw), in a reused buffer."""
        w, (N, C, H, width) = self.patches.of, x.shape
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


class FieldOperations(ABC):
    """Part of Backend, which says what `xp` and `empty` are."""

    xp: ModuleType

    @abstractmethod
    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike | None = None, kind: str | None = None) -> Array: ...

    def local_fields(self: Any, x: Array, W: Array, b: Array | None, fields: Fields) -> Array:
        """y (N, O, Ho, Wo) of x (N, C, H, W), W (Ho, Wo, C kh kw, O) and b (O, Ho, Wo), None where there is none."""
        y: Array = self.empty((len(x), fields.outputs, *fields.windows.out))
        fields.forward(x, W, b, y, self)
        return y

    def local_fields_backward(
        self: Any, x: Array, W: Array, dy: Array, fields: Fields, bias: bool, need_dx: bool
    ) -> tuple[Array | None, Array, Array | None]:
        """dx (None unless needed), dW, and db where there is a bias, from dy (N, O, Ho, Wo)."""
        dW = self.empty(W.shape, kind="gradients")
        dx = self.empty(x.shape) if need_dx else None
        fields.backward(x, W, dy, dW, dx, self)
        if not bias:
            return dx, dW, None
        db = self.empty(dy.shape[1:], kind="gradients")
        self.xp.sum(dy, axis=0, out=db)
        return dx, dW, db
