"""Optimizer steps over flat, contiguous arrays."""

from __future__ import annotations

from math import sqrt
from typing import Any

from lab.backend.compiled.tools import compiled


@compiled
def sgd(w: Any, g: Any, v: Any, rate: Any, momentum: Any, share: Any, shrink: Any) -> None:
    """v <- momentum v + share g; w <- shrink w - rate v."""
    for i in range(w.size):
        a = momentum * v[i] + share * g[i]
        v[i] = a
        w[i] = shrink * w[i] - rate * a


@compiled
def follow(w: Any, v: Any, rate: Any, shrink: Any) -> None:
    """w <- shrink w - rate v."""
    for i in range(w.size):
        w[i] = shrink * w[i] - rate * v[i]


@compiled
def adam(
    w: Any, g: Any, m: Any, v: Any, rate: Any, beta1: Any, share1: Any, beta2: Any, share2: Any, unbias: Any, eps: Any,
    shrink: Any,
) -> None:  # fmt: skip
    """m <- beta1 m + share1 g; v <- beta2 v + share2 g^2; w <- shrink w - rate m / (sqrt(v) unbias + eps).

    The root is `sqrt`, not a power of 0.5: that constant is a double, and would take a float32 loop out of its type.
    """
    for i in range(w.size):
        a = beta1 * m[i] + share1 * g[i]
        b = beta2 * v[i] + share2 * g[i] * g[i]
        m[i] = a
        v[i] = b
        w[i] = shrink * w[i] - rate * a / (sqrt(b) * unbias + eps)
