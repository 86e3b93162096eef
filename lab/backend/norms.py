"""Normalisation over a batch and over groups of channels, forward and backward: the reference.

The formulas are derived in the layers. `gamma` and `beta` (C,) are None where the layer has none.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from types import ModuleType
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]


class NormOperations(ABC):
    """Part of Backend, which says what `xp` and `empty` are."""

    xp: ModuleType

    @abstractmethod
    def empty(self, shape: tuple[int, ...], dtype: npt.DTypeLike | None = None, kind: str | None = None) -> Array: ...

    def batch_norm(
        self, x: Array, gamma: Array | None, beta: Array | None, eps: float, given: tuple[Array, Array] | None
    ) -> tuple[Array, Array, Array, Array]:
        """y, mean, var and r = 1 / sqrt(var + eps), each (C,) but y, for x (N, C, S) over the N S values of a channel.

        y = gamma r (x - mean) + beta. mean and var are `given`, or those of x.
        """
        xp, M = self.xp, max(1, x.shape[0] * x.shape[2])
        y = self.empty(x.shape)
        mean = x.sum(axis=(0, 2)) / M if given is None else given[0]
        xp.subtract(x, mean[:, None], out=y)
        var = xp.einsum("ncs,ncs->c", y, y) / M if given is None else given[1]
        r = 1 / xp.sqrt(var + eps)
        y *= (r if gamma is None else r * gamma)[:, None]
        if beta is not None:
            y += beta[:, None]
        return y, mean, var, r

    def batch_norm_backward(
        self, dy: Array, x: Array, mean: Array, r: Array, gamma: Array | None, given: bool, need_dx: bool
    ) -> tuple[Array | None, Array, Array]:
        """dx (N, C, S), or None unless `need_dx`, and the sums over a channel of dy xhat and of dy, both (C,).

        `given` says that mean and var did not depend on x.
        """
        xp, M = self.xp, max(1, x.shape[0] * x.shape[2])
        dx = self.empty(x.shape, kind=None if need_dx else "workspace")
        xp.subtract(x, mean[:, None], out=dx)
        total, along = dy.sum(axis=(0, 2)), xp.einsum("ncs,ncs->c", dy, dx) * r
        if not need_dx:
            return None, along, total
        if given:
            dx[...] = dy
        else:
            dx *= (-r * along / M)[:, None]
            dx += dy
            dx -= (total / M)[:, None]
        dx *= (r if gamma is None else r * gamma)[:, None]
        return dx, along, total

    def group_norm(self, x: Array, gamma: Array | None, beta: Array | None, eps: float) -> tuple[Array, Array, Array]:
        """y, and mean and r = 1 / sqrt(var + eps), both (N, G, 1, 1), for x (N, G, C / G, S) over its last two axes.

        y = gamma r (x - mean) + beta.
        """
        xp, size = self.xp, x.shape[2] * x.shape[3]
        y = self.empty(x.shape)
        mean = x.sum(axis=(2, 3), keepdims=True) / size
        xp.subtract(x, mean, out=y)
        r = 1 / xp.sqrt(xp.einsum("ngcs,ngcs->ng", y, y)[..., None, None] / size + eps)
        y *= r if gamma is None else r * _of_groups(gamma, x)
        if beta is not None:
            y += _of_groups(beta, x)
        return y, mean, r

    def group_norm_backward(
        self, dy: Array, x: Array, mean: Array, r: Array, gamma: Array | None, need_dx: bool
    ) -> tuple[Array | None, Array, Array]:
        """dx (N, G, C / G, S), or None unless `need_dx`, and each channel's sums of dy xhat and of dy, both (C,)."""
        xp, size = self.xp, x.shape[2] * x.shape[3]
        dx = self.empty(x.shape, kind=None if need_dx else "workspace")
        xp.subtract(x, mean, out=dx)
        total = dy.sum(axis=3, keepdims=True)  # (N, G, C / G, 1), as is `along`: sums over the pixels of a channel
        along = xp.einsum("ngcs,ngcs->ngc", dy, dx)[..., None] * r
        sums = along.sum(axis=0).reshape(-1), total.sum(axis=0).reshape(-1)
        if not need_dx:
            return None, *sums
        if gamma is not None:
            total, along = total * _of_groups(gamma, x), along * _of_groups(gamma, x)
        scaled = self.empty(dy.shape, kind="workspace")
        xp.multiply(dy, r if gamma is None else r * _of_groups(gamma, x), out=scaled)
        dx *= -r * r * along.sum(axis=2, keepdims=True) / size
        dx += scaled
        dx -= r * total.sum(axis=2, keepdims=True) / size
        return dx, *sums


def _of_groups(parameter: Array, x: Array) -> Array:
    """A number for each channel (C,) as it meets x: (G, C / G, 1)."""
    return parameter.reshape(*x.shape[1:3], 1)
