"""Gradients against central differences in float64: the one check that every layer and objective goes through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.backend import NumpyBackend
from lab.layers import Ctx, Layer, Noise

Array = NDArray[Any]
TOLERANCE = 1e-6


def numeric_gradient(f: Callable[[], float], x: Array, step: float = 1e-5) -> Array:
    """df/dx by central differences, x changed in place and put back."""
    grad = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        before = x[i]
        x[i] = before + step
        above = f()
        x[i] = before - step
        below = f()
        x[i] = before
        grad[i] = (above - below) / (2 * step)
    return grad


def assert_close(found: Array, expected: Array, what: str, tolerance: float = TOLERANCE) -> None:
    """Largest difference at most `tolerance` times the largest value (or 1, where all are small)."""
    assert found.shape == expected.shape, f"{what}: shape {found.shape} instead of {expected.shape}"
    scale = max(1.0, float(np.abs(expected).max(initial=0.0)))
    worst = float(np.abs(found - expected).max(initial=0.0))
    assert worst <= tolerance * scale, f"{what}: off by {worst:.3g} where values reach {scale:.3g}"


def check_layer(layer: Layer, x: Array, *, seed: int = 0, train: bool = True) -> None:
    """dx and every parameter's gradient of sum(y * dy) for random dy, and what any layer must keep to.

    `layer` is not built yet; x (N, *shape) float64, away from kinks and ties.
    """
    rng = np.random.default_rng(seed)
    ops = NumpyBackend("float64")
    layer.build(x.shape[1:], ops, rng)
    for p in layer.params.values():  # also biases that start at 0
        p += rng.standard_normal(p.shape) * 0.1
    ctx = Ctx(ops, Noise(seed, step=3), train=train, keep=True)
    original = x.copy()

    y, cache = layer.forward(x, ctx)
    y = y.copy()
    dy = rng.standard_normal(y.shape)
    kept = dy.copy()
    dx, grads = layer.backward(dy, cache, ctx)
    assert dx is not None
    found = {name: g.copy() for name, g in grads.items()}
    dx = dx.copy()

    assert np.array_equal(x, original), "forward or backward changed its input"
    assert np.array_equal(dy, kept), "backward changed dy"
    assert found.keys() == layer.params.keys()
    again, gone = layer.forward(x, ctx.keeping(False))
    assert np.array_equal(again, y), "a second pass gave another output"
    assert gone is None, "a cache was kept that nobody asked for"
    none, same = layer.backward(dy, cache, ctx, need_dx=False)
    assert none is None
    for name, g in same.items():
        assert np.array_equal(g, found[name]), f"{name} differs where dx is not needed"

    def value() -> float:
        out, _ = layer.forward(x, ctx.keeping(False))
        return float((out * dy).sum())

    assert_close(dx, numeric_gradient(value, x), "dx")
    for name, p in layer.params.items():
        assert_close(found[name], numeric_gradient(value, p), f"d{name}")
