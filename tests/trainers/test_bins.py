"""Bins of targets, and the temperature that makes goodness a probability."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.errors import UsageError
from lab.estimators.temperature import HIGHEST, fit_temperature, softmax
from lab.trainers.bins import Bins


@given(
    y=st.lists(st.integers(-3, 3) | st.floats(-1e6, 1e6), min_size=1, max_size=60),
    k=st.integers(2, 25),
)
def test_bins_are_ordered_and_none_is_empty(y: list[float], k: int) -> None:
    targets = np.array(y, dtype=float)
    bins = Bins(targets, k)
    labels = bins.labels(targets)
    distinct = len(np.unique(targets))
    assert 2 <= bins.n <= k
    assert len(np.unique(labels)) == (bins.n if distinct > 1 else 1)
    order = np.argsort(targets)
    assert (np.diff(labels[order]) >= 0).all()
    for label in np.unique(labels):
        inside = targets[labels == label]
        np.testing.assert_allclose(bins.centres[label], inside.mean(), rtol=1e-9, atol=1e-9)


def test_bins_hold_equal_shares_of_distinct_targets() -> None:
    y = np.random.default_rng(0).permutation(1000) * 1.5
    bins = Bins(y, 10)
    assert bins.n == 10
    counts = np.bincount(bins.labels(y))
    np.testing.assert_array_equal(counts, 100)


def test_equal_targets_merge_bins() -> None:
    y = np.array([0.0] * 50 + [1.0] * 30 + [7.0] * 20)
    bins = Bins(y, 10)
    np.testing.assert_array_equal(bins.edges, [1.0, 7.0])
    np.testing.assert_array_equal(bins.centres, [0.0, 1.0, 7.0])


def test_one_target_only_leaves_a_second_bin_with_the_same_centre() -> None:
    bins = Bins(np.full(9, 3.5), 10)
    assert bins.n == 2
    np.testing.assert_array_equal(bins.centres, [3.5, 3.5])
    np.testing.assert_array_equal(bins.labels(np.full(2, 3.5)), [0, 0])


def test_later_targets_move_centres_and_not_edges() -> None:
    bins = Bins(np.array([0.0, 1.0, 10.0, 11.0]), 2)
    np.testing.assert_array_equal(bins.edges, [10.0])
    before = bins.edges.copy()
    bins.add(np.array([-7.0, 50.0, 60.0]))
    np.testing.assert_array_equal(bins.edges, before)
    low, high = bins.labels(np.array([-7.0, 60.0]))
    assert (low, high) == (0, 1)
    everything = np.array([0.0, 1.0, 10.0, 11.0, -7.0, 50.0, 60.0])
    labels = bins.labels(everything)
    np.testing.assert_allclose(bins.centres, [everything[labels == 0].mean(), everything[labels == 1].mean()])


def test_too_few_bins_are_refused() -> None:
    with pytest.raises(UsageError, match="n_bins must be at least 2, got 1"):
        Bins(np.arange(5.0), 1)


@pytest.mark.parametrize("truth", [2.5, 40.0])
def test_temperature_is_found_again(truth: float) -> None:
    rng = np.random.default_rng(0)
    logits = rng.standard_normal((4000, 5)) * 1.5
    uniforms = rng.random((4000, 1))
    labels = (softmax(logits).cumsum(axis=1) < uniforms).sum(axis=1)
    assert fit_temperature(logits * truth, labels) == pytest.approx(truth, rel=0.1)


def test_temperature_has_bounds() -> None:
    labels = np.arange(60) % 3
    right = np.eye(3)[labels] * 5
    assert fit_temperature(right, labels) == pytest.approx(1, rel=1e-2)
    assert fit_temperature(-right, labels) == pytest.approx(HIGHEST, rel=1e-2)


def test_softmax_does_not_overflow() -> None:
    found = softmax(np.array([[1e30, 0.0, -1e30]], dtype=np.float32))
    np.testing.assert_array_equal(found, [[1.0, 0.0, 0.0]])
