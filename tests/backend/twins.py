"""A layer by compiled loops beside the reference."""

from __future__ import annotations

from typing import Any

import numpy as np

from lab.backend import NumpyBackend
from lab.layers import Ctx, Layer


def results(layer: Layer, x: Any, kernels: Any, threads: int = 1) -> list[Any]:
    """y, dx and all gradients, with and without dx."""
    ops = NumpyBackend(str(x.dtype), kernels=kernels, threads=threads)
    shape = layer.build(x.shape[1:], ops, np.random.default_rng(0))
    rng = np.random.default_rng(1)
    for parameter in layer.params.values():
        parameter[...] = rng.standard_normal(parameter.shape)
    dy = rng.standard_normal((len(x), *shape)).astype(x.dtype)
    y, cache = layer.forward(x, Ctx(ops, keep=True))
    dx, grads = layer.backward(dy, cache, Ctx(ops))
    nothing, alone = layer.backward(dy, cache, Ctx(ops), need_dx=False)
    assert nothing is None
    return [y, dx, *grads.values(), *alone.values()]


def compare(layer: Layer, x: Any, threads: int = 1) -> None:
    rough = 1e-12 if x.dtype == np.float64 else 1e-5
    for found, reference in zip(results(layer, x, "numba", threads), results(layer, x, "numpy"), strict=True):
        scale = max(1.0, float(np.abs(reference).max(initial=0)))
        np.testing.assert_allclose(found / scale, reference / scale, rtol=0, atol=rough)


def images(*shape: int, dtype: str = "float64") -> Any:
    return np.random.default_rng(7).standard_normal(shape).astype(dtype)
