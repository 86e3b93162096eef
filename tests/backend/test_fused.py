"""Compiled passes over rows, unwritten rows and unwritten gradients equal the reference that they replace."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.backend import Backend, NumpyBackend, Product, ScaledRows
from lab.backend.blas import gemm
from lab.layers import LabelInput
from lab.networks import mlp
from lab.trainers import ForwardForwardTrainer
from tests.trainers.test_forward_forward import toy

pytest.importorskip("numba", reason="compiled kernels need the package numba")
TOLERANCE = {"float32": 1e-5, "float64": 1e-12}
dtypes = st.sampled_from(["float32", "float64"])


def same(dtype: str, compute: Any) -> None:
    """`compute(ops, draw)` gives equal arrays on the reference and on the compiled backend."""
    results = []
    for kernels in ("numpy", "numba"):
        ops, rng = NumpyBackend(dtype, kernels=kernels), np.random.default_rng(7)  # type: ignore[arg-type]
        results.append(compute(ops, lambda *shape, o=ops, r=rng: o.asarray(r.standard_normal(shape))))
    for reference, found in zip(*results, strict=True):
        assert found.shape == reference.shape
        assert found.dtype == reference.dtype
        scale = max(1.0, float(np.abs(reference).max(initial=0)))
        np.testing.assert_allclose(found, reference, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale)


@given(n=st.integers(0, 9), width=st.integers(1, 70), dtype=dtypes)
def test_activations_and_norms(n: int, width: int, dtype: str) -> None:
    def compute(ops: Backend, draw: Any) -> list[Any]:
        x, dy, scale = draw(n, width), draw(n, width), draw(n)
        x[: n // 3] = 0
        h = ops.relu(x)
        y, r = ops.length_norm(x, (1,), 1e-22)
        in_place = ops.relu(x.copy(), out=(own := x.copy()))
        assert in_place is own
        spent = h.copy()
        found = ops.relu_backward(ScaledRows(spent, scale), spent, out=spent)
        assert found is spent
        out = ops.empty(x.shape)
        ops.scale_rows(x, scale, out)
        leaky = ops.leaky_relu(x, 0.1)
        also = x.copy()
        assert ops.leaky_relu(also, 0.1, out=also) is also
        np.testing.assert_array_equal(also, leaky)
        sloped = ops.leaky_relu_backward(dy, leaky, 0.1)
        assert ops.leaky_relu_backward(dy, also, 0.1, out=also) is also
        np.testing.assert_array_equal(also, sloped)
        return [leaky, sloped, h, own, ops.relu_backward(dy, h), ops.relu_backward(ScaledRows(h, scale), h), found, out,
                ops.row_squares(x), y, r, ops.length_norm_backward(dy, y, r, (1,))]  # fmt: skip

    same(dtype, compute)


@given(n=st.integers(0, 5), mode=st.sampled_from(["pixels", "features"]), normed=st.booleans(), dtype=dtypes)
def test_rows_with_labels(n: int, mode: Any, normed: bool, dtype: str) -> None:
    def compute(ops: Backend, draw: Any) -> list[Any]:
        label = LabelInput(mode)
        label.build((5, 4), 3)
        shown = [label.one_hot(np.arange(n) % 3, ops), label.neutral(n, ops)]
        rows = label.unwritten(draw(n, 5, 4), shown, ops)
        if normed:
            rows, _ = ops.length_norm(rows, (1, 2), 1e-22)
        flat = rows.reshape(2 * n, 20 if mode == "pixels" else 23)
        W, b, dy = draw(flat.shape[1], 6), draw(6), draw(2 * n, 6)
        _, dW, db = ops.affine_backward(flat, W, dy, True, False)
        assert db is not None
        return [ops.affine(flat, W, b), dW, db]

    same(dtype, compute)


@given(n=st.integers(0, 5), more=st.booleans(), dampening=st.sampled_from([0.0, 0.9]), dtype=dtypes)
def test_a_gradient_that_is_not_written_out_moves_the_weights_alike(
    n: int, more: bool, dampening: float, dtype: str
) -> None:
    def compute(ops: Backend, draw: Any) -> list[Any]:
        x, dy, w, v = draw(n, 7), draw(n, 300), draw(7, 300), draw(7, 300)
        g = Product(x, dy, slice(2, 5), draw(3, 300)) if more else Product(x, dy)
        other_w, other_v = w.copy(), v.copy()
        ops.sgd_step(w, g, v, 0.1, 0.9, dampening, 0.01)
        ops.sgd_step(other_w, g.written(ops), other_v, 0.1, 0.9, dampening, 0.01)
        scale = max(1.0, float(np.abs(other_v).max()))
        np.testing.assert_allclose(v, other_v, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale)
        np.testing.assert_allclose(w, other_w, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype] * scale)
        return [w, v]

    same(dtype, compute)


def test_what_is_not_a_number_stays_so() -> None:
    ops = NumpyBackend(kernels="numba")
    x = ops.asarray([[np.nan, 1.0], [np.inf, 1.0], [-np.inf, 1.0]])
    assert np.isnan(ops.relu(x)[0, 0]) and np.isnan(ops.leaky_relu(x, 0.1)[0, 0]) and np.isnan(ops.row_squares(x)[0])
    assert np.isnan(ops.length_norm(x, (1,), 1e-22)[0]).all(), "a row that cannot be squared must not pass for zeros"


def test_arrays_that_a_loop_cannot_walk_go_to_the_reference() -> None:
    ops = NumpyBackend("float64", kernels="numba")
    x = np.random.default_rng(0).standard_normal((6, 8))[:, ::2]
    np.testing.assert_array_equal(ops.relu(x), np.maximum(x, 0))
    np.testing.assert_allclose(ops.row_squares(x), (x * x).sum(axis=1), rtol=1e-13)
    v = np.zeros((4, 4)).T[::-1]
    ops.add_product(v, x, x, 0.5, 2.0)
    np.testing.assert_allclose(v, 2 * x.T @ x, rtol=1e-13)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_blas_adds_a_product_to_what_is_there(dtype: str) -> None:
    product = gemm(dtype)
    if product is None:
        pytest.skip("numpy's BLAS offers no product that can be called directly")
    rng = np.random.default_rng(0)
    A, B, C = (rng.standard_normal(shape).astype(dtype) for shape in ((30, 50), (30, 70), (50, 70)))
    expected = 0.25 * (A.T @ B) - 2 * C
    product(A, B, C, 0.25, -2.0)
    np.testing.assert_allclose(C, expected, rtol=TOLERANCE[dtype] * 10, atol=TOLERANCE[dtype] * 10)


def test_without_a_blas_to_call_the_same_is_done_in_two_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    ends = []
    for found in (gemm("float64"), None):
        monkeypatch.setattr("lab.backend.numpy_backend.gemm", lambda dtype, g=found: g)
        trainer = ForwardForwardTrainer(mlp(depth=2, width=9), dtype="float64", kernels="numba", batch_size=20)
        assert trainer.ops.kernels == ("numba" if found is None else "numba+blas")
        list(trainer.fit(toy(60), epochs=2))
        ends.append(trainer.state())
    for name, array in ends[0].items():
        np.testing.assert_allclose(array, ends[1][name], rtol=1e-9, atol=1e-12)


def test_weight_gradients_of_a_forward_forward_step_are_never_written_out() -> None:
    trainer = ForwardForwardTrainer(mlp(depth=3, width=64), kernels="numba", batch_size=20)
    if not trainer.ops.adds_products:
        pytest.skip("numpy's BLAS offers no product that can be called directly")
    list(trainer.fit(toy(60), epochs=1))
    head = 2 * 64 * 3 * 4
    assert trainer.memory()["gradients"] <= head + 64 * 4, "more than the biases' gradients and the head's"
