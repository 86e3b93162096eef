"""The CPU backend: the reference operations over numpy, with pooled buffers."""

from __future__ import annotations

import importlib
import importlib.util
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from lab.backend.base import Array, Backend, Kernels, Shape
from lab.backend.pool import Pool
from lab.errors import UsageError
from lab.registry import register, unknown


@register("backend", "numpy")
class NumpyBackend(Backend):
    """numpy on the CPU; `pool` reuses and counts the memory.

    kernels  numpy: the reference alone; numba: compiled loops for what numpy makes several passes for; auto: those
             where numba is installed. What runs is in `kernels` and in every record: the last bits may differ.
    threads  for compiled loops over large arrays
    """

    name = "numpy"
    xp = np

    def __init__(self, dtype: str = "float32", *, kernels: Kernels = "auto", threads: int | None = None) -> None:
        super().__init__(dtype)
        if kernels not in ("auto", "numba", "numpy"):
            raise UsageError(unknown("kernels", kernels, ("auto", "numba", "numpy")))
        self.kernels = "numpy"
        if kernels != "numpy":
            if _has_numba():
                self.kernels = "numba"
            elif kernels == "numba":
                raise UsageError(
                    "kernels=numba needs the package numba; install the extra fast, or choose kernels=auto"
                )
        self.threads = threads or 1
        self.pool = Pool()
        self.usage = self.pool.usage

    def empty(self, shape: Shape, dtype: npt.DTypeLike | None = None, kind: str | None = None) -> Array:
        return self.pool.empty(shape, self.dtype if dtype is None else dtype, kind)

    def resident(self, x: Array) -> Array:
        return x

    def to_host(self, x: Array) -> Array:
        return x

    def synchronize(self) -> None:
        """Nothing to wait for: numpy returns when it is done."""

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

    def sgd_step(
        self, w: Array, g: Array, v: Array | None, rate: float, momentum: float, dampening: float, decay: float
    ) -> None:
        if self.kernels != "numba" or v is None or not _flat(w, g, v):
            super().sgd_step(w, g, v, rate, momentum, dampening, decay)
            return
        numbers = self._floats(rate, momentum, 1 - dampening, 1 - rate * decay)
        _loops().split(_loops().sgd, [a.reshape(-1) for a in (w, g, v)], numbers, self.threads)

    def adam_step(
        self, w: Array, g: Array, m: Array, v: Array, rate: float, beta1: float, beta2: float, eps: float,
        decay: float, step: int,
    ) -> None:  # fmt: skip
        if self.kernels != "numba" or not _flat(w, g, m, v):
            super().adam_step(w, g, m, v, rate, beta1, beta2, eps, decay, step)
            return
        numbers = self._floats(
            rate / (1 - beta1**step), beta1, 1 - beta1, beta2, 1 - beta2, (1 - beta2**step) ** -0.5, eps,
            1 - rate * decay,
        )  # fmt: skip
        _loops().split(_loops().adam, [a.reshape(-1) for a in (w, g, m, v)], numbers, self.threads)

    def _floats(self, *numbers: float) -> tuple[Any, ...]:
        """The numbers in the backend's precision, so that a loop over float32 computes in float32."""
        return tuple(self.dtype.type(number) for number in numbers)


def _has_numba() -> bool:
    try:
        return importlib.util.find_spec("numba") is not None
    except ValueError:  # numba was made unimportable
        return False


@cache
def _loops() -> ModuleType:
    """The compiled loops, imported when the first one is called: importing numba takes longer than all else here."""
    return importlib.import_module("lab.backend.kernels")


def _flat(*arrays: Array) -> bool:
    """Whether a loop over the flat arrays sees all elements, in one order and of one type."""
    return all(a.flags.c_contiguous and a.dtype == arrays[0].dtype for a in arrays)
