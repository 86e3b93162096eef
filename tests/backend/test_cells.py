"""Compiled steps of recurrent cells equal the reference, and their tanh that of numpy, over all of float32."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.backend import Backend, NumpyBackend
from lab.layers import GRU, LSTM, RNN, Ctx
from tests.backend.test_fused import dtypes, same

pytest.importorskip("numba", reason="compiled kernels need the package numba")


@given(n=st.integers(0, 5), width=st.integers(1, 40), dtype=dtypes)
def test_steps_either_way(n: int, width: int, dtype: str) -> None:
    def compute(ops: Backend, draw: Any) -> list[Any]:
        made = []
        for gates in (1, 3, 4):
            a, product, b, h0, d = (
                draw(gates, n, width), draw(n, gates * width), draw(gates * width), draw(n, width),
                draw(n, 4 * width),
            )  # fmt: skip
            h, other, dh, dc = draw(n, width), draw(n, width), draw(n, width), draw(n, width)
            if gates == 1:
                for forward, back in ((ops.tanh_step, ops.tanh_step_back), (ops.relu_step, ops.relu_backward)):
                    forward(a[0].copy(), product, b, h)
                    d = draw(n, width)
                    back(*((d, h, dh) if back == ops.tanh_step_back else (dh, h, d)))
                    made += [h.copy(), d]
                continue
            if gates == 3:
                ops.gru_step(a, other, product, b, draw(width), h0, h)
                ops.gru_step_back(d, a, other, h0, dh)
            else:
                ops.lstm_step(a, product, b, h0, h, other)
                ops.lstm_step_back(d, a, h0, other, dh, dc)
            made += [a, h, other, d, dh, dc]
        return made

    same(dtype, compute)


def tanh(x: Any) -> Any:
    ops, h = NumpyBackend(kernels="numba"), np.empty((1, len(x)), np.float32)
    ops.tanh_step(x[None], np.zeros_like(h), np.zeros(len(x), np.float32), h)
    return h[0]


def test_tanh_is_that_of_numpy_from_the_smallest_number_to_infinity() -> None:
    size = np.concatenate([np.geomspace(1e-44, 3e38, 5000), np.linspace(0, 12, 200_001)]).astype(np.float32)
    x = np.concatenate([size, -size])
    found = tanh(x)
    np.testing.assert_allclose(found, np.tanh(x.astype(np.float64)), rtol=5e-7, atol=1e-45)
    assert np.abs(found).max() == 1, "beyond 1 a gate would change its sign"
    with np.errstate(invalid="ignore"):
        ends = tanh(np.float32([np.inf, -np.inf, np.nan]))
    np.testing.assert_array_equal(ends, np.float32([1, -1, np.nan]))


def test_what_is_not_a_number_stays_so_in_every_cell() -> None:
    for layer in (RNN(3), LSTM(3), GRU(3)):
        ops = NumpyBackend(kernels="numba")
        layer.build((4, 2), ops, np.random.default_rng(0))
        x = np.ones((2, 4, 2), np.float32)
        x[0, 1, 0] = np.nan
        y, _ = layer.forward(x, Ctx(ops))
        assert np.isnan(y[0]).all() and np.isfinite(y[1]).all()


@pytest.mark.parametrize("layer", [RNN(3, output="steps"), LSTM(3), GRU(3)])
def test_a_steady_pass_asks_the_allocator_for_nothing(layer: Any) -> None:
    ops = NumpyBackend(kernels="numba")
    layer.build((5, 2), ops, np.random.default_rng(0))
    x, ctx, fresh = ops.zeros((4, 5, 2)), Ctx(ops, keep=True), []
    for _ in range(3):
        y, cache = layer.forward(x, ctx)
        layer.backward(y, cache, ctx)
        fresh.append(ops.pool.fresh)
        del y, cache
    assert fresh[1] == fresh[2]


def test_arrays_that_a_loop_cannot_walk_go_to_the_reference() -> None:
    rng = np.random.default_rng(0)
    a, product, b, h = (rng.standard_normal(s).astype(np.float32) for s in ((3, 4), (3, 8), (4,), (3, 4)))
    expected = np.tanh(a + product[:, ::2] + b)
    NumpyBackend(kernels="numba").tanh_step(a, product[:, ::2], b, h)
    np.testing.assert_allclose(h, expected, rtol=1e-6)
