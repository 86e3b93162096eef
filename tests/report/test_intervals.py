"""The bootstrap against scipy's, intervals by simulation, effect sizes, power, test rows, several data sets."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import stats

from lab.report.across import improvement, interquartile_interval, interquartile_mean, profile
from lab.report.bootstrap import bca_interval, expanded
from lab.report.power import detectable, effect_size
from lab.report.sampling import difference, mcnemar, paired_rows, wilson
from lab.report.statistics import ENOUGH, difference_interval, mean_interval
from tools.interval_coverage import LAWS, OUT, SEEDS, STUDIES, coverage, page


def test_the_bootstrap_is_scipys() -> None:
    values = np.random.default_rng(0).exponential(1.0, 40)
    ours = bca_interval(values, stats.norm.ppf(0.975), resamples=40_000)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=40_000, method="BCa", random_state=0).confidence_interval
    assert ours == pytest.approx((theirs.low, theirs.high), abs=0.012)
    assert abs(ours[1] + ours[0] - 2 * values.mean()) > 0.03, "a skewed sample's interval is not symmetric"


def test_it_is_asked_from_twenty_seeds_on_and_gives_the_same_each_time() -> None:
    values = list(np.random.default_rng(1).exponential(1.0, ENOUGH))
    assert difference_interval(values[:-1]) == mean_interval(values[:-1])
    assert difference_interval(values) != mean_interval(values)
    assert difference_interval(values) == difference_interval(values)
    assert difference_interval([0.3] * ENOUGH).half == 0
    assert expanded(20, 2.093) == pytest.approx(2.147, abs=1e-3)


@pytest.mark.parametrize(
    ("law", "n", "low", "high"),
    [("normal", 3, 0.93, 0.97), ("normal", 10, 0.93, 0.97), ("normal", 20, 0.92, 0.97), ("exponential", 20, 0.9, 0.97)],
)
def test_intervals_hold_the_truth_as_often_as_they_say(law: str, n: int, low: float, high: float) -> None:
    assert low <= coverage(law, n, studies=1000 if n < 20 else 250) <= high


def test_the_committed_shares_are_of_whole_studies_and_say_where_they_fall_short() -> None:
    found = json.loads((OUT / "coverage.json").read_text())
    shares = {(c["law"], c["seeds"]): c["share"] for c in found["coverage"] if c["interval"] == "reports"}
    assert found["studies"] == STUDIES == 2000 and set(shares) == {(law, n) for law in LAWS for n in SEEDS}
    assert all(abs(shares["normal", n] - 0.95) <= 0.015 for n in SEEDS)
    assert shares["exponential", 3] == coverage("exponential", 3), "run: python tools/interval_coverage.py"
    text = (OUT / "index.md").read_text()
    assert text == page(found), "run: python tools/interval_coverage.py"
    assert "Short of it: exponential at 3, 5, 10 seeds" in text
    found["coverage"] = [c | {"share": 0.95} for c in found["coverage"]]
    assert "every number of seeds: normal, exponential, log-normal. Short of it: none." in page(found)


def test_an_effect_size_is_hedges_correction_of_cohens() -> None:
    d = [1.0, 2.0, 4.0, 3.0]
    assert effect_size(d) == pytest.approx((1 - 3 / 11) * 2.5 / np.std(d, ddof=1))
    assert math.isnan(effect_size([1.0, 2.0])) and math.isnan(effect_size([1.0] * 5))


def test_the_smallest_difference_is_found_with_the_power_that_it_says() -> None:
    """t tests of 5 normal differences with deviation s whose true mean is what `detectable` says of such an s."""
    rng, n = np.random.default_rng(2), 5
    draws = rng.normal(0, 1, (4000, n))
    standard = (draws[0] - draws[0].mean()) / draws[0].std(ddof=1)
    shift = detectable(list(standard))
    assert np.mean(stats.ttest_1samp(draws + shift, 0, axis=1).pvalue < 0.05) == pytest.approx(0.8, abs=0.02)
    assert math.isnan(detectable([1.0]))


@pytest.mark.parametrize(("wrong", "n"), [(0, 50), (3, 100), (140, 10_000), (50, 50)])
def test_the_interval_of_an_error_rate_is_scipys_wilson(wrong: int, n: int) -> None:
    theirs = stats.binomtest(wrong, n).proportion_ci(method="wilson")
    assert wilson(wrong / n, n) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
    assert math.isnan(wilson(0.1, 0)[0])


def test_a_difference_of_error_rates_joins_both_wilson_intervals() -> None:
    low, high = difference(0.8, 0.6, 75)
    ends = [stats.binomtest(k, 75).proportion_ci(method="wilson") for k in (60, 45)]
    assert low == pytest.approx(0.2 - math.hypot(0.8 - ends[0].low, ends[1].high - 0.6))
    assert high == pytest.approx(0.2 + math.hypot(ends[0].high - 0.8, 0.6 - ends[1].low))
    assert difference(0.6, 0.8, 75) == pytest.approx((-high, -low))


def test_rows_answered_by_both_are_compared_row_by_row() -> None:
    rng = np.random.default_rng(6)
    a, b = (rng.random((2, 500)) < 0.9).astype(float)
    theirs = stats.ttest_rel(a, b).confidence_interval(0.95)
    assert paired_rows(a - b) == pytest.approx((theirs.low, theirs.high), rel=5e-3)


def test_mcnemar_is_the_exact_binomial_test() -> None:
    for a, b in ((0, 0), (1, 5), (12, 12), (3, 40)):
        expected = stats.binomtest(a, a + b).pvalue if a + b else 1.0
        assert mcnemar(a, b) == mcnemar(b, a) == pytest.approx(expected)


def test_the_interquartile_mean_leaves_out_a_quarter_at_each_end() -> None:
    values = np.array([9.0, 1.0, 5.0, 100.0, 2.0, 3.0, 4.0, -50.0])
    assert interquartile_mean(values) == pytest.approx(stats.trim_mean(values, 0.25))
    assert interquartile_mean(np.array([0.0, 1.0, 5.0])) == pytest.approx((0.0 / 12 + 1 / 3 + 5.0 / 12) / 0.5)
    low, high = interquartile_interval({"a": list(values[:4]), "b": list(values[4:])})
    assert low < interquartile_mean(values) < high


def test_improvement_and_profiles_count_each_task_alike() -> None:
    a, b = {"x": [1.0, 2.0], "y": [5.0]}, {"x": [1.0, 0.0], "y": [6.0, 7.0, 8.0]}
    assert improvement(a, b) == pytest.approx((3.5 / 4 + 0) / 2)
    assert improvement(a, b) + improvement(b, a) == pytest.approx(1)
    assert profile(a, [0.0, 1.5, 6.0]) == [1.0, 0.75, 0.0]
