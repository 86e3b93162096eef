"""Means and paired differences over seeds, with their 95 % t intervals.

For values x_1..x_n with mean m and sample deviation s (divisor n - 1), the interval is m +- t(0.975, n - 1) s / sqrt(n)
(Student 1908). One value has no interval. A paired difference is the same interval over d_i = a_i - b_i, with i the
seeds that both sides have: seeds share initial weights and data order, so their common part cancels. A ratio is the
interval over log(a_i / b_i), taken back by exp: the geometric mean of the paired ratios. From 20 seeds on, paired
differences and ratios have the BCa bootstrap's interval (see `bootstrap`), which follows skewed ones.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lab.report.bootstrap import bca_interval, expanded

LEVEL = 0.95
ENOUGH = 20  # values from which the bootstrap's interval is the better one


@dataclass(frozen=True)
class Interval:
    """A mean over n values, and the interval around it (None where n < 2)."""

    n: int
    mean: float
    low: float | None = None
    high: float | None = None

    @property
    def half(self) -> float | None:
        """Half the interval's width: the number behind the +- sign."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2

    @property
    def excludes_zero(self) -> bool:
        """Whether zero lies outside the interval; never so without an interval."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


@dataclass(frozen=True)
class Paired:
    """Difference a - b (or ratio a / b) over the seeds both sides have, and the seeds only one side has."""

    interval: Interval
    seeds: tuple[str, ...]
    unpaired: tuple[str, ...]
    values: tuple[float, ...] = ()  # of each of the seeds


def t_quantile(level: float, freedom: int) -> float:
    """Two-sided quantile of Student's t: 4.303 for 95 % and 2 degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, 0.5 + level / 2))


def mean_interval(values: Sequence[float], level: float = LEVEL) -> Interval:
    """Mean and t interval of finite values; others are left out. No value gives n = 0 and a mean of NaN."""
    x = np.asarray([v for v in values if math.isfinite(v)], dtype=np.float64)
    if x.size == 0:
        return Interval(0, math.nan)
    if x.size == 1:
        return Interval(1, float(x[0]))
    with np.errstate(over="ignore", invalid="ignore"):  # a diverging loss may be near the largest float
        mean = float(x.mean())
        half = t_quantile(level, x.size - 1) * float(x.std(ddof=1)) / math.sqrt(x.size)
    return Interval(int(x.size), mean, mean - half, mean + half)


def difference_interval(values: Sequence[float], level: float = LEVEL) -> Interval:
    """Mean and interval of paired differences: the t interval, from `ENOUGH` of them on the BCa bootstrap's."""
    plain = mean_interval(values, level)
    if plain.n < ENOUGH or not math.isfinite(plain.half or 0.0):
        return plain
    x = np.asarray([v for v in values if math.isfinite(v)], dtype=np.float64)
    low, high = bca_interval(x, expanded(plain.n, t_quantile(level, plain.n - 1)))
    return Interval(plain.n, plain.mean, low, high)


def paired_difference(a: Mapping[str, float], b: Mapping[str, float], level: float = LEVEL) -> Paired:
    """Interval of a - b over the seeds (the keys) for which both have a finite value."""
    seeds, unpaired = _shared(a, b)
    values = [a[s] - b[s] for s in seeds]
    return Paired(difference_interval(values, level), seeds, unpaired, tuple(values))


def paired_ratio(a: Mapping[str, float], b: Mapping[str, float], level: float = LEVEL) -> Paired:
    """Interval of the geometric mean of a / b over the seeds for which both values are positive."""
    positive = ({s: v for s, v in side.items() if v > 0} for side in (a, b))
    a, b = positive
    seeds, unpaired = _shared(a, b)
    values = [math.log(a[s]) - math.log(b[s]) for s in seeds]
    logs = difference_interval(values, level)
    low, high = (None if v is None else _exp(v) for v in (logs.low, logs.high))
    return Paired(Interval(logs.n, _exp(logs.mean), low, high), seeds, unpaired, tuple(map(_exp, values)))


def _exp(value: float) -> float:
    return math.inf if value > 700 else math.exp(value)


def _shared(a: Mapping[str, float], b: Mapping[str, float]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    left, right = ({s for s, v in side.items() if math.isfinite(v)} for side in (a, b))
    return tuple(sorted(left & right, key=seed_order)), tuple(sorted(left ^ right, key=seed_order))


def seed_order(seed: str) -> tuple[int, str]:
    """Sorts seeds as numbers: 2 before 10."""
    return len(seed), seed
