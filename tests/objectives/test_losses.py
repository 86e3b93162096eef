"""Losses of the output: values by hand, gradients against central differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.backend import Backend, NumpyBackend
from lab.objectives import CrossEntropy, SquaredError
from tests.layers.gradcheck import assert_close, numeric_gradient


def check_loss(loss: Any, output: Any, target: Any) -> None:
    """The gradient is that of the value, for float64 outputs (N, K)."""
    ops = NumpyBackend("float64")
    _, d = loss(output, target, ops)
    assert_close(d, numeric_gradient(lambda: float(loss(output, target, ops)[0]), output), "d output")


@given(n=st.integers(0, 5), k=st.integers(2, 6), seed=st.integers(0, 99))
def test_gradients(n: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    output, labels = rng.standard_normal((n, k)) * 3, rng.integers(0, k, n)
    check_loss(CrossEntropy(), output, labels)
    check_loss(SquaredError(), output, labels)
    check_loss(SquaredError(), output, rng.standard_normal((n, k)))
    check_loss(SquaredError(), output[:, :1].copy(), rng.standard_normal(n))


def test_values_by_hand(ops: Backend) -> None:
    output, labels = ops.asarray([[0.0, 0.0], [0.0, np.log(3)]]), ops.xp.asarray([0, 1])
    loss, _ = CrossEntropy()(output, labels, ops)
    assert float(loss) == pytest.approx((np.log(2) + np.log(4 / 3)) / 2)
    loss, _ = SquaredError()(ops.asarray([[1.0], [4.0]]), ops.asarray([0.0, 2.0]), ops)
    assert float(loss) == pytest.approx((1 + 4) / 4)


@pytest.mark.parametrize("loss", [CrossEntropy(), SquaredError()])
def test_no_rows_give_no_loss_and_no_gradient(loss: Any, ops: Backend) -> None:
    value, d = loss(ops.zeros((0, 3)), ops.xp.zeros(0, dtype=ops.xp.int64), ops)
    assert float(value) == 0
    assert d.shape == (0, 3)


def test_huge_outputs_stay_finite(ops: Backend) -> None:
    loss, d = CrossEntropy()(ops.asarray([[1e4, -1e4]]), ops.xp.asarray([1]), ops)
    assert float(loss) == pytest.approx(2e4)
    assert ops.to_host(d).tolist() == [[1.0, -1.0]]


def test_probabilities_are_distributions(ops: Backend) -> None:
    output = ops.asarray(np.random.default_rng(0).standard_normal((7, 4)))
    for loss in (CrossEntropy(), SquaredError()):
        p = ops.to_host(loss.probabilities(output, ops))
        np.testing.assert_allclose(p.sum(axis=1), 1)
        assert (p >= 0).all()
