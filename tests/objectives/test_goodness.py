"""The goodness objective: gradient, thresholds, and peer normalisation against its formula."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.backend import Backend, NumpyBackend, written
from lab.errors import UsageError
from lab.layers import Ctx
from lab.objectives import Goodness, Rows
from tests.layers.gradcheck import assert_close, numeric_gradient

KINDS = list(product(("squares", "activity"), ("sum", "mean"), ("maximise", "minimise")))


def both(n: int) -> Rows:
    """n positive rows, then n negative ones."""
    return Rows(n, slice(0, n), slice(n, 2 * n))


def check_goodness(objective: Goodness, h: Any, rows: Rows) -> None:
    """dh is the gradient of the loss."""
    ops = NumpyBackend("float64")

    def call() -> Any:
        return objective(h, rows, objective.start(h.shape[1:], ops), Ctx(ops))

    assert_close(written(call().dh, ops), numeric_gradient(lambda: float(call().loss), h), "dh")


@pytest.mark.parametrize(("of", "reduce", "aim"), KINDS)
@given(
    n=st.integers(0, 3), shape=st.sampled_from([(1,), (5,), (2, 2, 3)]), seed=st.integers(0, 99),
    temperature=st.sampled_from([0.5, 1.0, 3.0]), theta=st.sampled_from(["auto", 0.7]),
)  # fmt: skip
def test_gradient(
    of: Any, reduce: Any, aim: Any, n: int, shape: Any, seed: int, temperature: float, theta: Any
) -> None:
    h = np.random.default_rng(seed).standard_normal((2 * n, *shape))
    check_goodness(Goodness(of=of, reduce=reduce, aim=aim, theta=theta, temperature=temperature), h, both(n))


@pytest.mark.parametrize(("of", "reduce", "aim"), KINDS)
def test_following_the_gradient_parts_positive_from_negative(of: Any, reduce: Any, aim: Any, ops: Backend) -> None:
    objective = Goodness(of=of, reduce=reduce, aim=aim, peer=0.0)
    h = ops.asarray(np.abs(np.random.default_rng(0).standard_normal((20, 8))))
    before = ops.to_host(objective.evidence(h, {}, Ctx(ops))).copy()
    signal = objective(h, both(10), {}, Ctx(ops))
    h -= written(signal.dh, ops) * 10
    after = ops.to_host(objective.evidence(h, {}, Ctx(ops)))
    assert (after[:10] > before[:10]).all()
    assert (after[10:] < before[10:]).all()


def test_value_and_figures_by_hand(ops: Backend) -> None:
    h = ops.asarray([[1.0, 2.0], [1.0, 0.0]])  # g = 5 and 1, theta = 2
    signal = Goodness(temperature=2.0)(h, both(1), Goodness().start((2,), ops), Ctx(ops))
    assert float(signal.loss) == pytest.approx(np.log1p(np.exp(-1.5)) + np.log1p(np.exp(-0.5)))
    assert {k: float(v) for k, v in signal.seen.items()} == {"goodness_positive": 5.0, "goodness_negative": 1.0}
    p = 1 / (1 + np.exp(-np.array([1.5, -0.5])))
    np.testing.assert_allclose(ops.to_host(written(signal.dh, ops)), [[-(1 - p[0]), -(1 - p[0]) * 2], [p[1], 0]])


def test_peer_term_follows_the_running_mean(ops: Backend) -> None:
    objective, rng = Goodness(peer=0.2, peer_momentum=0.8), np.random.default_rng(1)
    state, mean = objective.start((3,), ops), np.full(3, 0.5)
    for _ in range(3):
        h = np.abs(rng.standard_normal((8, 3)))
        signal = objective(ops.asarray(h), both(4), state, Ctx(ops))
        mean = 0.8 * mean + 0.2 * h[:4].mean(axis=0)
        assert signal.dz is not None
        assert signal.dz[0] == slice(0, 4)
        np.testing.assert_allclose(ops.to_host(signal.dz[1]), -0.2 * (mean.mean() - mean) / 4)
    assert Goodness(peer=0.0)(ops.asarray(h), both(4), {}, Ctx(ops)).dz is None
    assert objective(ops.asarray(h[4:]), Rows(4, slice(0, 0), slice(0, 4)), state, Ctx(ops)).dz is None


def test_far_from_the_threshold_nothing_overflows(ops: Backend) -> None:
    h = ops.asarray([[1e3, 1e3], [0.0, 0.0], [1e3, 1e3], [0.0, 0.0]])
    signal = Goodness()(h, both(2), Goodness().start((2,), ops), Ctx(ops))
    assert np.isfinite(float(signal.loss))
    assert np.isfinite(ops.to_host(written(signal.dh, ops))).all()


@pytest.mark.parametrize("options", [{"temperature": 0.0}, {"temperature": -1.0}, {"peer_momentum": 1.0}])
def test_impossible_options(options: Any) -> None:
    with pytest.raises(UsageError, match="goodness needs"):
        Goodness(**options)
