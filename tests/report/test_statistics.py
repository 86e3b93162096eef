"""Intervals against scipy, and what one seed or none is worth."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lab.report.statistics import mean_interval, paired_difference, paired_ratio, t_quantile

VALUES = st.lists(st.floats(0.01, 1e6), min_size=2, max_size=30)


@given(VALUES)
def test_a_mean_has_scipys_interval(values: list[float]) -> None:
    ours = mean_interval(values)
    if np.ptp(values) == 0:
        assert (ours.low, ours.high) == pytest.approx((values[0], values[0]))
        return
    theirs = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-9, abs=1e-9)


@given(st.lists(st.tuples(st.floats(0.01, 1e3), st.floats(0.01, 1e3)), min_size=2, max_size=19))
def test_a_paired_difference_is_scipys_related_t_test(pairs: list[tuple[float, float]]) -> None:
    a, b = ({str(i): pair[side] for i, pair in enumerate(pairs)} for side in (0, 1))
    ours = paired_difference(a, b).interval
    difference = np.subtract(list(a.values()), list(b.values()))
    if np.ptp(difference) < 1e-9:
        return
    theirs = stats.ttest_rel(list(a.values()), list(b.values())).confidence_interval(0.95)
    assert ours.mean == pytest.approx(difference.mean(), abs=1e-9)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-7, abs=1e-9)


def test_a_paired_ratio_is_the_t_interval_of_the_logarithm() -> None:
    a, b = {"0": 2.0, "1": 5.0, "2": 3.0}, {"0": 1.0, "1": 2.0, "2": 1.7}
    theirs = stats.ttest_rel(np.log(list(a.values())), np.log(list(b.values()))).confidence_interval(0.95)
    ours = paired_ratio(a, b).interval
    assert (ours.low, ours.high) == pytest.approx((math.exp(theirs.low), math.exp(theirs.high)))
    assert ours.mean == pytest.approx(stats.gmean([2.0, 2.5, 3 / 1.7]))


@pytest.mark.parametrize(("freedom", "quantile"), [(1, 12.706), (2, 4.303), (4, 2.776), (9, 2.262)])
def test_quantiles_are_those_of_the_printed_table(freedom: int, quantile: float) -> None:
    assert t_quantile(0.95, freedom) == pytest.approx(quantile, abs=5e-4)


def test_one_value_has_no_interval_and_none_has_no_mean() -> None:
    assert (mean_interval([3.0]).half, mean_interval([3.0]).mean) == (None, 3.0)
    assert mean_interval([]).n == 0 and math.isnan(mean_interval([]).mean)
    assert not mean_interval([3.0]).excludes_zero


def test_what_is_not_finite_is_left_out() -> None:
    assert mean_interval([1.0, math.nan, 3.0, math.inf]).n == 2


def test_only_shared_seeds_are_paired_and_the_others_are_named() -> None:
    found = paired_difference({"0": 1.0, "10": 2.0, "2": 5.0}, {"2": 4.0, "10": 1.5, "3": 1.0, "4": math.nan})
    assert found.seeds == ("2", "10") and found.unpaired == ("0", "3")
    assert found.interval.mean == 0.75


def test_numbers_near_the_largest_do_not_stop_a_report() -> None:
    assert mean_interval([1e308, 1.7e308, -1e308]).n == 3
    assert paired_ratio({"0": 1e308, "1": 1e-300}, {"0": 1e-300, "1": 1e308}).interval.high == math.inf
