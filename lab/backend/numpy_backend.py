"""The CPU backend: the reference operations over numpy, with pooled buffers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lab.backend.base import Array, Backend, Shape
from lab.backend.pool import Pool
from lab.registry import register


@register("backend", "numpy")
class NumpyBackend(Backend):
    """numpy on the CPU; `pool` reuses and counts the memory."""

    name = "numpy"
    xp = np

    def __init__(self, dtype: str = "float32") -> None:
        super().__init__(dtype)
        self.pool = Pool()
        self.usage = self.pool.usage

    def empty(self, shape: Shape, dtype: npt.DTypeLike | None = None, kind: str | None = None) -> Array:
        return self.pool.empty(shape, self.dtype if dtype is None else dtype, kind)

    def resident(self, x: Array) -> Array:
        return x

    def to_host(self, x: Array) -> Array:
        return x

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
