"""What every layer keeps to, whatever it computes: shapes, types, memory, and nothing of a pass left on itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lab.backend import Backend, NumpyBackend
from lab.layers import Ctx, Layer, Noise

Array = NDArray[Any]


def check_contract(make: Callable[[], Layer], *shape: int, train: bool = True) -> None:
    """Batches of 0, 1 and 3 rows of `shape`, in both float types, contiguous and not."""
    for n in (0, 1, 3):
        _check_shapes_and_memory(make(), n, shape, train)
    exact, again, rough = (_run(make(), ops, shape, train) for ops in (_ops(64), _narrow(), _ops(32)))
    for a, b, c in zip(exact, again, rough, strict=True):
        assert np.array_equal(a, b), "equal seeds, other bits"
        np.testing.assert_allclose(a, c, rtol=1e-3, atol=1e-4)
    for a, b in zip(exact, _run(make(), _ops(64), shape, train, strided=True), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def arrays_of(layer: Layer) -> list[int]:
    """The identities of all arrays that a layer holds, its inner layers' included."""
    found = []
    for value in vars(layer).values():
        inner = list(value) if isinstance(value, list | tuple) else [value]
        inner = list(value.values()) if isinstance(value, dict) else inner
        for item in inner:
            found += arrays_of(item) if isinstance(item, Layer) else [id(item)] if hasattr(item, "dtype") else []
    return sorted(found)


class _NarrowArrays:
    """numpy with the limits that cupy has and numpy has not: products only into C-ordered arrays, no `where=`."""

    def __getattr__(self, name: str) -> Any:
        found = getattr(np, name)
        if isinstance(found, np.ufunc):
            return lambda *args, **options: self._call(found, *args, **options)
        return found

    @staticmethod
    def _call(function: Any, *args: Any, **options: Any) -> Any:
        assert "where" not in options, f"{function.__name__}: cupy's functions of elements take no where="
        if function is np.matmul and "out" in options:
            assert options["out"].flags.c_contiguous, "cupy's matmul writes to C-ordered arrays alone"
        return function(*args, **options)


def _narrow() -> NumpyBackend:
    ops = NumpyBackend("float64")
    ops.xp = _NarrowArrays()  # type: ignore[assignment]
    return ops


def _ops(bits: int) -> NumpyBackend:
    return NumpyBackend(f"float{bits}")


def _run(layer: Layer, ops: Backend, shape: tuple[int, ...], train: bool, strided: bool = False) -> list[Array]:
    rng = np.random.default_rng(1)
    layer.build(shape, ops, rng)
    ctx = Ctx(ops, Noise(5, 2), train=train, keep=True)
    y, cache = layer.forward(_rows(ops, rng, (3, *shape), strided), ctx)
    dx, grads = layer.backward(_rows(ops, rng, y.shape, strided), cache, ctx)
    assert dx is not None
    return [ops.to_host(a).copy() for a in (y, dx, *grads.values())]


def _rows(ops: Backend, rng: Any, shape: tuple[int, ...], strided: bool) -> Array:
    x = ops.asarray(rng.standard_normal(shape))
    if not strided:
        return x
    wide = ops.zeros((*shape[:-1], 2 * shape[-1]))
    wide[..., ::2] = x
    return wide[..., ::2]


def _check_shapes_and_memory(layer: Layer, n: int, shape: tuple[int, ...], train: bool) -> None:
    ops = _ops(32)
    rng = np.random.default_rng(0)
    out = layer.build(shape, ops, rng)
    x, dy = _rows(ops, rng, (n, *shape), False), _rows(ops, rng, (n, *out), False)
    live, held = dict(ops.usage.live), arrays_of(layer)
    ctx = Ctx(ops, train=train, keep=True)
    y, cache = layer.forward(x, ctx)
    assert y.shape == (n, *out)
    assert y.dtype == ops.dtype
    dx, grads = layer.backward(dy, cache, ctx)
    assert dx is not None
    assert dx.shape == x.shape
    assert dx.dtype == ops.dtype
    assert {name: g.shape for name, g in grads.items()} == {name: p.shape for name, p in layer.params.items()}
    for a in (y, dx, *grads.values()):
        assert a.dtype == ops.dtype
        assert np.isfinite(a).all()
    again = layer.backward(dy, cache, ctx)[0]
    assert np.array_equal(dx, again), "backward changed its cache"
    assert arrays_of(layer) == held, "the layer kept an array of the pass"
    assert ops.usage.live["gradients"] - live["gradients"] >= sum(g.nbytes for g in grads.values())
    del y, cache, dx, again, grads, a
    assert ops.usage.live == live, "arrays of the pass are still counted"
    assert layer.flops() >= 0
