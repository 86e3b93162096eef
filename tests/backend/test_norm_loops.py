"""Compiled normalisation equals the reference, in training and afterwards, in one part and in several."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.backend import Backend, NumpyBackend, loops, numpy_norms
from lab.layers import BatchNorm, Ctx, GroupNorm
from tests.backend.test_fused import TOLERANCE, dtypes, same

pytest.importorskip("numba", reason="compiled kernels need the package numba")


@given(n=st.integers(0, 4), groups=st.integers(1, 3), channels=st.integers(1, 3), pixels=st.integers(1, 40),
       affine=st.booleans(), dtype=dtypes)  # fmt: skip
def test_both_norms(n: int, groups: int, channels: int, pixels: int, affine: bool, dtype: str) -> None:
    def compute(ops: Backend, draw: Any) -> list[Any]:
        C, found = groups * channels, []
        x, dy = draw(n, C, pixels) + ops.dtype.type(2), draw(n, C, pixels)
        gamma, beta = (draw(C), draw(C)) if affine else (None, None)
        for known in (None, (draw(C), np.abs(draw(C)))):
            y, mean, var, r = ops.batch_norm(x, gamma, beta, 0.01, known)
            dx, along, total = ops.batch_norm_backward(dy, x, mean, r, gamma, known is not None, True)
            unasked, *sums = ops.batch_norm_backward(dy, x, mean, r, gamma, known is not None, False)
            assert unasked is None and np.array_equal(sums, [along, total])
            found += [y, mean, var, r, dx, along, total]
        x, dy = (a.reshape(n, groups, channels, pixels) for a in (x, dy))
        y, mean, r = ops.group_norm(x, gamma, beta, 0.01)
        dx, along, total = ops.group_norm_backward(dy, x, mean, r, gamma, True)
        unasked, *sums = ops.group_norm_backward(dy, x, mean, r, gamma, False)
        assert unasked is None and np.array_equal(sums, [along, total])
        return [*found, y, mean, r, dx, along, total]

    same(dtype, compute)


@pytest.mark.parametrize("layer", [BatchNorm(), GroupNorm(2), BatchNorm(affine=False), GroupNorm(2, affine=False)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_side_by_side_are_the_whole(layer: Any, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (loops, numpy_norms):
        monkeypatch.setattr(module, "SPLIT_FROM", 1)
    rng, ends = np.random.default_rng(0), []
    x, dy = (rng.standard_normal((5, 6, 3, 3)).astype(dtype) for _ in range(2))
    for kernels, threads in (("numpy", 1), ("numba", 3)):
        ops = NumpyBackend(dtype, kernels=kernels, threads=threads)  # type: ignore[arg-type]
        layer.build((6, 3, 3), ops, rng)
        ctx, fresh = Ctx(ops, keep=True, train=True), []
        for _ in range(3):
            y, cache = layer.forward(x, ctx)
            dx, grads = layer.backward(dy, cache, ctx)
            fresh.append(ops.pool.fresh)
        assert fresh[1] == fresh[2], "a steady pass asks the allocator for nothing"
        ends.append([y, dx, *grads.values()])
    for reference, found in zip(*ends, strict=True):
        np.testing.assert_allclose(found, reference, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])


@pytest.mark.parametrize("layer", [BatchNorm(), GroupNorm(1)])
def test_what_is_not_a_number_stays_so_and_views_go_to_the_reference(layer: Any) -> None:
    ops, rng = NumpyBackend("float64", kernels="numba"), np.random.default_rng(0)
    layer.build((4, 3, 3), ops, rng)
    x = rng.standard_normal((5, 3, 3, 4)).transpose(0, 3, 1, 2)
    ctx = Ctx(ops, keep=True, train=True)
    whole, _ = layer.forward(np.ascontiguousarray(x), ctx)
    view, cache = layer.forward(x, ctx)
    np.testing.assert_allclose(view, whole, rtol=1e-12, atol=1e-12)
    dx, _ = layer.backward(x, cache, ctx)
    assert np.isfinite(dx).all()
    x = np.ascontiguousarray(x)
    x[0, 0, 0, 0] = np.nan
    y, _ = layer.forward(x, ctx)
    assert np.isnan(y[0, 0]).all() and np.isfinite(y[1, 1]).all()
