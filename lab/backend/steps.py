"""What optimizers do to weights, in place: the reference."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import ModuleType
from typing import Any

import numpy.typing as npt

from lab.backend.product import Product

Array = npt.NDArray[Any]


class StepOperations(ABC):
    """Part of Backend, which says what `xp` and `empty` are."""

    xp: ModuleType

    @abstractmethod
    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike | None = None, kind: str | None = None) -> Array: ...

    @abstractmethod
    def matmul(self, a: Array, b: Array, out: Array, alpha: float = 1.0, beta: float = 0.0) -> None: ...

    def sgd_step(
        self, w: Array, g: Array | Product, v: Array | None, rate: float | Array, momentum: float, dampening: float,
        decay: float,
    ) -> None:  # fmt: skip
        """v <- momentum v + (1 - dampening) g; w <- w - rate (v + decay w), all on the old w. v None: v = g."""
        if isinstance(g, Product):
            g = g.written(self)
        if v is not None:
            v *= momentum
            scratch = self.empty(w.shape, kind="workspace")
            self.xp.multiply(g, 1 - dampening, out=scratch)
            v += scratch
            g = v
        else:
            scratch = self.empty(w.shape, kind="workspace")
        self.xp.multiply(g, rate, out=scratch)
        if decay:
            w *= 1 - rate * decay
        w -= scratch

    def adam_step(
        self, w: Array, g: Array, m: Array, v: Array, rate: float | Array, beta1: float, beta2: float, eps: float,
        decay: float, step: int | Array,
    ) -> None:  # fmt: skip
        """m <- b1 m + (1-b1) g; v <- b2 v + (1-b2) g^2; w <- w - rate (m^ / (sqrt(v^) + eps) + decay w).

        m^ = m / (1 - b1^step), v^ = v / (1 - b2^step), step counted from 1 (Kingma and Ba 2015, algorithm 1; the decay
        is decoupled, Loshchilov and Hutter 2019).
        """
        xp = self.xp
        scratch = self.empty(w.shape, kind="workspace")
        m *= beta1
        xp.multiply(g, 1 - beta1, out=scratch)
        m += scratch
        v *= beta2
        xp.multiply(g, g, out=scratch)
        scratch *= 1 - beta2
        v += scratch
        xp.sqrt(v, out=scratch)
        scratch *= 1 / (1 - beta2**step) ** 0.5
        scratch += eps
        xp.divide(m, scratch, out=scratch)
        scratch *= rate / (1 - beta1**step)
        if decay:
            w *= 1 - rate * decay
        w -= scratch
