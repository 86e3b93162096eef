"""How numbers are written."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.report.metrics import METRICS, plus_minus
from lab.report.numbers import fixed, plain, significant


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (41234.0, "41,200"),
        (0.01234, "0.0123"),
        (9.996, "10.0"),
        (999.6, "1,000"),
        (-0.5, "\u22120.500"),
        (0.0, "0"),
        (math.nan, "\u2013"),
        (1e-9, "1.00e\u221209"),
        (1e20, "1.00e+20"),
    ],
)
def test_three_significant_digits(value: float, shown: str) -> None:
    assert significant(value) == shown


@given(st.floats(1e-6, 1e14))
def test_a_significant_number_is_near_its_value(value: float) -> None:
    assert float(significant(value).replace(",", "")) == pytest.approx(value, rel=5.1e-3)


@pytest.mark.parametrize(
    ("value", "shown"), [(2.0, "2"), (0.30000000000000004, "0.3"), (50000.0, "50,000"), (2.5, "2.5"), (-1.0, "\u22121")]
)
def test_ticks_have_no_trailing_zeros(value: float, shown: str) -> None:
    assert plain(value) == shown


def test_zero_has_no_sign() -> None:
    assert fixed(-0.001, 2) == "0.00"


@pytest.mark.parametrize(
    ("mean", "half", "key", "shown"),
    [
        (0.98321, 0.00061, "test_accuracy", "98.32 \u00b1 0.06"),
        (0.98321, None, "test_accuracy", "98.32"),
        (37123.0, 168.0, "samples_per_second", "37,120 \u00b1 170"),
        (28.419, 0.0344, "train_seconds", "28.42 \u00b1 0.03"),
        (12.0, 15.0, "train_seconds", "12 \u00b1 15"),
        (3 * 2**20, 0.0, "memory_peak", "3.00"),
    ],
)
def test_a_mean_has_the_decimals_of_its_interval(mean: float, half: float | None, key: str, shown: str) -> None:
    assert plus_minus(mean, half, METRICS[key]) == shown


def test_every_metric_says_its_direction_and_refuses_what_cannot_be() -> None:
    assert METRICS["test_error"].direction == "lower is better"
    assert METRICS["test_accuracy"].direction == "higher is better"
    assert METRICS["parameters"].direction == ""
    assert not METRICS["test_accuracy"].admits(1.2) and not METRICS["memory_peak"].admits(-1)
    assert not METRICS["train_seconds"].admits(math.nan) and METRICS["test_r2"].admits(-3.0)
