"""Rows of an array times one number each, kept unwritten: what follows can often take the numbers along."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lab.backend.base import Array, Backend, Shape


class ScaledRows:
    """Stands for scale_n rows_n, with rows (N, ...) and scale (N,)."""

    def __init__(self, rows: Array, scale: Array) -> None:
        self.rows, self.scale = rows, scale

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def shape(self) -> Shape:
        """The shape of the array that this stands for."""
        return self.rows.shape

    def written(self, ops: Backend) -> Array:
        """That array."""
        out = ops.empty(self.rows.shape)
        n, width = len(self.rows), prod(self.rows.shape[1:])
        ops.scale_rows(self.rows.reshape(n, width), self.scale, out.reshape(n, width))
        return out


def written(x: Array | ScaledRows, ops: Backend) -> Array:
    """`x` itself, or the array that it stands for."""
    return x.written(ops) if isinstance(x, ScaledRows) else x


def scaled(x: Array | ScaledRows, factor: float) -> Array | ScaledRows:
    """`factor` times x, whose own numbers may be overwritten."""
    if isinstance(x, ScaledRows):
        return ScaledRows(x.rows, x.scale * x.scale.dtype.type(factor))
    x *= factor
    return x
