"""Operations on rows of K numbers, one for each class: labels, wrong ones drawn at random, losses. The reference."""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


class ClassOperations(ABC):
    """Part of Backend, which says what `xp`, `dtype` and `empty` are."""

    xp: ModuleType
    dtype: np.dtype[Any]

    @abstractmethod
    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike | None = None, kind: str | None = None) -> Array: ...

    def one_hot(self, labels: Array, k: int) -> Array:
        """Rows (N, k) that are 1 at the labels (N,) and 0 elsewhere."""
        out = self.empty((len(labels), k), kind="data")
        out[...] = 0
        out[self.xp.arange(len(labels)), labels] = 1
        return out

    # -- drawing -------------------------------------------------------------------------------------------------
    def other_by_share(self, shares: Array, target: Array, uniforms: Array) -> Array:
        """A class other than `target` (N,) for each row, as likely as its share (N, K) among the others.

        It is the first class whose cumulative share exceeds the uniform (N,), in [0, 1). Where no other class has a
        share, they are equally likely.
        """
        xp, rows = self.xp, self.xp.arange(len(target))
        share = shares.astype(xp.float64)
        share[rows, target] = 0
        share[share.sum(axis=1) <= 0] = 1
        share[rows, target] = 0
        cumulative: Any = xp.cumsum(share, axis=1)
        drawn = (cumulative <= (uniforms * cumulative[:, -1])[:, None]).sum(axis=1)
        # rounding may carry a uniform just below 1 to the end: take the last class that has a share
        last = share.shape[1] - 1 - (share[:, ::-1] > 0).argmax(axis=1)
        found: Array = xp.minimum(drawn, last)
        return found

    def other_evenly(self, k: int, target: Array, uniforms: Array) -> Array:
        """One of k classes but `target` (N,), equally likely: the m-th next for uniforms in [m - 1, m) / (k - 1)."""
        step = 1 + (uniforms * (k - 1)).astype(target.dtype)
        other: Array = (target + self.xp.minimum(step, k - 1)) % k
        return other

    # -- losses --------------------------------------------------------------------------------------------------
    def softmax(self, x: Array) -> Array:
        """y_k = exp(x_k) / sum_j exp(x_j) over the last axis, the maximum subtracted first."""
        y = self.empty(x.shape)
        if x.size:
            self.xp.subtract(x, x.max(axis=-1, keepdims=True), out=y)
            self.xp.exp(y, out=y)
            y /= y.sum(axis=-1, keepdims=True)
        return y

    def softmax_loss(self, output: Array, target: Array) -> tuple[Array, Array]:
        """-log softmax(o_n)[y_n] of each row (N,), and (softmax(o_n) - onehot(y_n)) / N, the gradient of their mean."""
        xp, n = self.xp, max(1, len(output))
        rows = xp.arange(len(output))
        shifted = output - output.max(axis=1, keepdims=True) if len(output) else output
        loss: Array = xp.log(xp.exp(shifted).sum(axis=1)) - shifted[rows, target]
        d = self.softmax(output)
        d[rows, target] -= 1
        d /= n
        return loss, d

    def logistic_loss(self, g: Array, theta: float | Array, scale: float, negative: slice) -> tuple[Array, Array]:
        """log(1 + exp(-t)) and s (tanh(t / 2) - 1) for t = s scale (g - theta), s = -1 in rows `negative`, else 1.

        The second is -2 s sigmoid(-t) in a form that cannot overflow; scale / 2 times it is the slope of the first.
        """
        xp = self.xp
        t = (g - theta) * scale
        t[negative] *= -1
        slope = xp.tanh(t / 2) - 1
        slope[negative] *= -1
        return xp.logaddexp(0, -t), slope
