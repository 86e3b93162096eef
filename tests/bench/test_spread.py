"""Medians, paired ratios and fitted lines."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.bench.spread import Spread, exponent, line, paired


def test_spread() -> None:
    assert Spread.of([3.0, 1.0, 2.0]).as_dict() == {"median": 2.0, "low": 1.0, "high": 3.0, "n": 3}


def test_a_ratio_is_that_of_turns_side_by_side() -> None:
    # the machine is three times slower in the second round: neither ratio sees that
    theirs, ours = [[2.0, 2.0, 9.0], [6.0, 6.0, 6.0]], [[1.0], [3.0, 3.0, 3.0]]
    assert paired(theirs, ours) == Spread(2.0, 2.0, 2.0, 2)
    assert paired([[], [4.0]], [[1.0], [1.0]]) == Spread(4.0, 4.0, 4.0, 1)
    assert paired([[]], [[1.0]]) is None


@given(st.floats(-5, 5), st.floats(-5, 5), st.lists(st.integers(-50, 50), min_size=2, max_size=9, unique=True))
def test_a_line_is_found_again(at_zero: float, slope: float, x: list[int]) -> None:
    found = line(x, [at_zero + slope * v for v in x])
    assert found.slope == pytest.approx(slope, abs=1e-9)
    assert found.at_zero == pytest.approx(at_zero, abs=1e-8)


def test_what_a_line_explains() -> None:
    assert line([0, 1, 2], [0.0, 1.0, 2.0]).r2 == pytest.approx(1)
    assert line([0, 1, 2], [0.0, 3.0, 0.0]).r2 == pytest.approx(0)
    assert line([0, 1, 2], [0.0, 1.0, 3.0]).r2 == pytest.approx(27 / 28)


def test_exponent_of_a_power() -> None:
    assert exponent([1, 2, 4, 8], [5 * v**1.5 for v in (1, 2, 4, 8)]) == pytest.approx(1.5)
    assert exponent([1, 2, 4], [7.0, 7.0, 7.0]) == pytest.approx(0)
