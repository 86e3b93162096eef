"""Negative labels: which wrong label each image is shown with."""

from __future__ import annotations

from types import ModuleType
from typing import Any, Literal

from lab.backend import Array

Negatives = Literal["hard", "uniform", "fixed"]


def hard(xp: ModuleType, probabilities: Array, target: Array, uniforms: Array) -> Array:
    """Wrong labels (N,) drawn from the network's own beliefs, the true class masked (Hinton 2022).

    probabilities (N, K), target (N,), uniforms (N,) in [0, 1): the first class whose cumulative share exceeds the
    uniform. Where all belief is in the true class, the wrong ones are equally likely.
    """
    rows = xp.arange(len(target))
    share = probabilities.astype(xp.float64)
    share[rows, target] = 0
    empty = share.sum(axis=1) <= 0
    share[empty] = 1
    share[rows, target] = 0
    cumulative: Any = xp.cumsum(share, axis=1)
    drawn = (cumulative <= (uniforms * cumulative[:, -1])[:, None]).sum(axis=1)
    # rounding may carry a uniform just below 1 to the end: take the last class that has a share
    last = share.shape[1] - 1 - (share[:, ::-1] > 0).argmax(axis=1)
    return xp.minimum(drawn, last)  # type: ignore[no-any-return]


def uniform(xp: ModuleType, n_classes: int, target: Array, uniforms: Array) -> Array:
    """Wrong labels (N,), all equally likely: the k-th of the K - 1 others for uniforms in [k, k + 1) / (K - 1)."""
    step = 1 + (uniforms * (n_classes - 1)).astype(target.dtype)
    return (target + xp.minimum(step, n_classes - 1)) % n_classes  # type: ignore[no-any-return]
