"""Losses of the output: values by hand, gradients against central differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.backend import Backend, NumpyBackend
from lab.errors import UsageError
from lab.objectives import BinaryCrossEntropy, CrossEntropy, Hinge, SquaredError
from tests.layers.against_torch import REASON
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
    check_loss(BinaryCrossEntropy(), output[:, :1].copy(), labels % 2)
    check_loss(Hinge(), output, labels)
    check_loss(Hinge(margin=2.5, squared=True), output, labels)


def test_values_by_hand(ops: Backend) -> None:
    output, labels = ops.asarray([[0.0, 0.0], [0.0, np.log(3)]]), ops.xp.asarray([0, 1])
    loss, _ = CrossEntropy()(output, labels, ops)
    assert float(loss) == pytest.approx((np.log(2) + np.log(4 / 3)) / 2)
    loss, _ = SquaredError()(ops.asarray([[1.0], [4.0]]), ops.asarray([0.0, 2.0]), ops)
    assert float(loss) == pytest.approx((1 + 4) / 4)
    loss, d = BinaryCrossEntropy()(ops.asarray([[0.0], [np.log(3)]]), labels, ops)
    assert float(loss) == pytest.approx((np.log(2) + np.log(4 / 3)) / 2)
    np.testing.assert_allclose(ops.to_host(d), [[0.25], [-0.125]], rtol=1e-6)
    scores = ops.asarray([[0.5, 2.0, 0.0], [0.0, 1.5, 0.25]])  # short of the margin by 2.5, and not short
    loss, d = Hinge()(scores, labels, ops)
    assert float(loss) == pytest.approx(2.5 / 2)
    assert ops.to_host(d).tolist() == [[-0.5, 0.5, 0.0], [0.0, 0.0, 0.0]]
    assert float(Hinge(squared=True)(scores, labels, ops)[0]) == pytest.approx(2.5**2 / 2)


def test_equal_to_torch() -> None:
    torch = pytest.importorskip("torch", reason=REASON)
    functional, ops, rng = torch.nn.functional, NumpyBackend("float64"), np.random.default_rng(0)
    output, labels = rng.standard_normal((50, 4)) * 30, rng.integers(0, 4, 50)
    one, two, binary = output[:, :1].copy(), output[:, :2].copy(), labels % 2
    for loss, rows, target, reference in (
        (CrossEntropy(), output, labels, functional.cross_entropy),
        (
            BinaryCrossEntropy(),
            one,
            binary,
            lambda o, y: functional.binary_cross_entropy_with_logits(o[:, 0], y.double()),
        ),
        # of two classes there is one rival, whose loss torch divides by the number of classes
        (Hinge(), two, binary, lambda o, y: 2 * functional.multi_margin_loss(o, y)),
        (Hinge(3, True), two, binary, lambda o, y: 2 * functional.multi_margin_loss(o, y, p=2, margin=3)),
        (SquaredError(), one, output[:, 1], lambda o, y: functional.mse_loss(o[:, 0], y) / 2),
    ):
        tensor = torch.tensor(rows, requires_grad=True)
        expected = reference(tensor, torch.tensor(target))
        expected.backward()
        value, d = loss(rows, target, ops)
        np.testing.assert_allclose(value, expected.item(), rtol=1e-13, err_msg=str(loss))
        np.testing.assert_allclose(d, tensor.grad, rtol=1e-13, atol=1e-17, err_msg=str(loss))


def test_the_hinge_of_many_classes_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import hinge_loss

    rng = np.random.default_rng(0)
    output, labels = rng.standard_normal((40, 5)), rng.integers(0, 5, 40)
    value, _ = Hinge()(output, labels, NumpyBackend("float64"))
    assert float(value) == pytest.approx(hinge_loss(labels, output, labels=range(5)), rel=1e-12)


def test_a_loss_says_how_many_outputs_it_needs() -> None:
    assert [loss.outputs("classification", 2) for loss in (CrossEntropy(), Hinge(), BinaryCrossEntropy())] == [2, 2, 1]
    with pytest.raises(UsageError, match="two classes, labels 0 and 1, but there are 10 classes; use cross_entropy"):
        BinaryCrossEntropy().outputs("classification", 10)
    for loss in (CrossEntropy(), Hinge(), BinaryCrossEntropy()):
        with pytest.raises(UsageError, match="but y holds numbers; use squared_error"):
            loss.outputs("regression", 1)
    with pytest.raises(UsageError, match="one output a row, but the network has 3; give it a head of 1"):
        BinaryCrossEntropy()(np.zeros((2, 3)), np.zeros(2, np.int64), NumpyBackend())
    with pytest.raises(UsageError, match="hinge needs margin > 0, got margin=0"):
        Hinge(margin=0)


@pytest.mark.parametrize("loss", [CrossEntropy(), SquaredError(), Hinge()])
def test_no_rows_give_no_loss_and_no_gradient(loss: Any, ops: Backend) -> None:
    value, d = loss(ops.zeros((0, 3)), ops.xp.zeros(0, dtype=ops.xp.int64), ops)
    assert float(value) == 0
    assert d.shape == (0, 3)


def test_huge_outputs_stay_finite(ops: Backend) -> None:
    loss, d = CrossEntropy()(ops.asarray([[1e4, -1e4]]), ops.xp.asarray([1]), ops)
    assert float(loss) == pytest.approx(2e4)
    assert ops.to_host(d).tolist() == [[1.0, -1.0]]
    loss, d = BinaryCrossEntropy()(ops.asarray([[1e4], [-1e4], [20.0]]), ops.xp.asarray([1, 1, 1]), ops)
    assert float(loss) == pytest.approx(1e4 / 3)
    found = ops.to_host(d)[:, 0] * 3  # a row that is right is not rounded to none
    np.testing.assert_allclose(found, [0.0, -1.0, -np.exp(-20)], rtol=1e-5)


def test_probabilities_are_distributions(ops: Backend) -> None:
    output = ops.asarray(np.random.default_rng(0).standard_normal((7, 4)))
    for loss in (CrossEntropy(), SquaredError(), Hinge(), BinaryCrossEntropy()):
        output = output[:, : loss.outputs("classification", 2)] if isinstance(loss, BinaryCrossEntropy) else output
        p = ops.to_host(loss.probabilities(output, ops))
        np.testing.assert_allclose(p.sum(axis=1), 1)
        assert (p >= 0).all()
