"""The sign-flip test against all signs tried one by one, Holm's correction against its published form."""

from __future__ import annotations

import itertools
import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.report.bootstrap import bca_interval
from lab.report.significance import EXACT, fewest_seeds, holm, sign_flip, smallest_p


@given(st.lists(st.integers(-50, 50), min_size=1, max_size=8))
def test_the_p_value_is_that_of_enumeration(differences: list[int]) -> None:
    seen = abs(sum(differences))
    flipped = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    assert sign_flip(differences) == pytest.approx(np.mean([total >= seen for total in flipped]))


def test_sums_that_round_differently_are_ties() -> None:
    assert sign_flip([0.1, 0.2, 0.3, -0.6]) == 1.0


@pytest.mark.parametrize("n", [1, 3, 5, 6, 10])
def test_the_smallest_p_is_reached_where_all_seeds_agree_and_never_passed(n: int) -> None:
    assert sign_flip([1.0] * n) == smallest_p(n) == 2.0 ** (1 - n)
    assert sign_flip([1.0] * (n - 1) + [-0.5]) >= smallest_p(n)


def test_five_seeds_cannot_claim_five_percent_and_six_can() -> None:
    assert fewest_seeds() == 6
    assert smallest_p(5) == 0.0625 and smallest_p(6) == 0.03125


def test_many_seeds_are_drawn_and_agree_with_the_normal_law() -> None:
    values = np.random.default_rng(4).normal(0.45, 1, EXACT + 10)
    z = abs(values.sum()) / math.sqrt(float((values**2).sum()))
    assert sign_flip(list(values)) == pytest.approx(math.erfc(z / math.sqrt(2)), abs=0.004)


def test_thousands_of_seeds_need_no_gigabytes() -> None:
    """Random signs and resamples of so many are drawn a part at a time; all at once they are 5000 x 100,000 numbers."""
    values = np.random.default_rng(6).normal(0, 1, 5000)
    tracemalloc.start()
    try:
        sign_flip(list(values))
        bca_interval(values, 1.96)
        assert tracemalloc.get_traced_memory()[1] < 64 * 2**20
    finally:
        tracemalloc.stop()


def test_no_difference_at_all_and_no_seed() -> None:
    assert sign_flip([0.0, 0.0]) == 1.0
    assert math.isnan(sign_flip([])) and math.isnan(smallest_p(0))


def test_false_alarms_are_no_more_than_the_level() -> None:
    """Under the hypothesis, p values of 6 normal differences fall below 5 % in 1 of 32 studies."""
    draws = np.random.default_rng(5).normal(0, 1, (2000, 6))
    assert np.mean([sign_flip(list(d)) < 0.05 for d in draws]) == pytest.approx(1 / 32, abs=0.012)


def test_holm_corrects_step_by_step_and_never_falls() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    found = holm([math.nan, 0.02])
    assert math.isnan(found[0]) and found[1] == 0.02
    assert holm([]) == []
